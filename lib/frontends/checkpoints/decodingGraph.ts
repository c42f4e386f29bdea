import type { GraphDescription } from '#typings/addon.js'
import type { Value } from '../../graph/builder.js'
import { CachedSequence } from './cachedSequence.js'
import type { CausalDecoder, Source } from './family.js'
import { Network } from './network.js'
import { ObservedRows } from './observedRows.js'
import { RowReducer } from './rowReducer.js'
import type { AttentionShape } from './sequence.js'
import type { CheckpointWeights } from './weights.js'

const i64 = (net: Network, name: string, shape: (number | string)[]): Value =>
  net.graph.input(name, 'i64', shape)

/**
 * Steps of generation: the next tokens `input_ids` [B, T] of B sequences with caches of C slots -> `logits` [B,
 * vocabulary] behind the token at `row`. Symbols B, T and C; where the model has an encoder also S, the length of what
 * it has read.
 *
 * @param observed Asks for a second output, where that token looks (`only` where T is 1): with `weights` [W] of all heads of all layers,
 *   the weighted sum of their probabilities, [B, 1, C]; where the model has an encoder, in what that has read, [B, 1, S].
 */
export function decodingGraph(
  decoder: CausalDecoder,
  weights: CheckpointWeights,
  observed?: 'only' | 'last',
): GraphDescription {
  const net = new Network(weights)
  const ids = i64(net, 'input_ids', ['B', 'T'])
  const slots = i64(net, 'slots', ['T'])
  const row = i64(net, 'row', [])
  const crossed =
    observed !== undefined && decoder.encode !== undefined
      ? new RowReducer(net, net.graph.input('weights', 'f32', ['W']))
      : undefined
  const observer =
    observed === undefined || crossed !== undefined
      ? undefined
      : new ObservedRows(net, net.unsqueeze(row, 0), slots, true, observed === 'only')
  const sequence = new CachedSequence(
    net,
    {
      slots,
      places: i64(net, 'places', ['C']),
      starts: i64(net, 'starts', ['B']),
      length: i64(net, 'length', [1]),
    },
    decoder.contextLength,
    observer,
  )
  const source = decoder.encode && {
    ...readBefore(net),
    ...(crossed && {
      observe: (key: string, queries: Value, keys: Value, mask: Value, shape: AttentionShape) => {
        const own = net.apply('gather', [queries, net.unsqueeze(row, 0)], { axis: 2 })
        crossed.reduce(key, own, keys, mask, shape)
      },
    }),
  }
  const hidden = decoder.hidden(net, ids, sequence, source)
  const last = net.apply('gather', [hidden, row], { axis: 1 })
  const logits = net.graph.named(decoder.logits(net, last), 'logits')
  const looks = crossed?.total() ?? observer?.attention()
  return net.graph.build(looks === undefined ? [logits] : [logits, looks])
}

/** What an encoder made of a text, given to every step: what counts of it, and each layer's keys and values. */
function readBefore(net: Network): Source {
  return {
    kept: i64(net, 'source_kept', ['B', 'S']),
    crossed: (key, heads, size) => {
      const part = (name: string) => net.graph.input(`${key}.${name}`, 'f32', ['B', heads, 'S', size])
      return [part('keys'), part('values')]
    },
  }
}

/**
 * What a model reads before it writes: `input_ids` and `attention_mask` [B, S] -> keys and values of all layers that
 * read them, under the names that {@link decodingGraph} takes them by.
 */
export function encodingGraph(decoder: CausalDecoder, weights: CheckpointWeights): GraphDescription {
  const net = new Network(weights)
  const ids = i64(net, 'input_ids', ['B', 'S'])
  const states = decoder.encode!(net, ids, i64(net, 'attention_mask', ['B', 'S']))
  const named = decoder.crossings!(net, states).flatMap(({ key, keys, values }) => [
    net.graph.named(keys, `${key}.keys`),
    net.graph.named(values, `${key}.values`),
  ])
  return net.graph.build(named)
}
