import type { GraphDescription } from '#typings/addon.js'
import type { Value } from '../../graph/builder.js'
import { CachedSequence } from './cachedSequence.js'
import { type CausalDecoder, type Source, sourceOf } from './family.js'
import { Network } from './network.js'
import { ObservedRows } from './observedRows.js'
import { WholeSequence } from './sequence.js'
import type { CheckpointWeights } from './weights.js'

const i64 = (net: Network, name: string, shape: (number | string)[]): Value =>
  net.graph.input(name, 'i64', shape)

/**
 * Steps of generation: the next tokens `input_ids` [B, T] of B sequences with caches of C slots -> `logits` [B,
 * vocabulary] behind the token at `row`. Symbols B, T and C; where the model has an encoder also S, the length of what
 * it has read.
 *
 * @param observed Whether there is a second output, where that token looks: with `weights` [W] of all heads of all layers,
 *   the weighted sum of their probabilities, [B, 1, C].
 */
export function decodingGraph(
  decoder: CausalDecoder,
  weights: CheckpointWeights,
  observed = false,
): GraphDescription {
  const net = new Network(weights)
  const ids = i64(net, 'input_ids', ['B', 'T'])
  const slots = i64(net, 'slots', ['T'])
  const row = i64(net, 'row', [])
  const observer = observed ? new ObservedRows(net, net.unsqueeze(row, 0), slots, true) : undefined
  const sequence = new CachedSequence(
    net,
    {
      slots,
      places: i64(net, 'places', ['C']),
      starts: i64(net, 'starts', ['B']),
      length: i64(net, 'length', [1]),
    },
    decoder.contextLength,
    observer && (layer => observer.observe(layer)),
  )
  const source = decoder.encode && readBefore(net)
  const hidden = decoder.hidden(net, ids, sequence, source)
  const last = net.apply('gather', [hidden, row], { axis: 1 })
  const logits = net.graph.named(decoder.logits(net, last), 'logits')
  return net.graph.build(observer === undefined ? [logits] : [logits, observer.attention()])
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

/**
 * Log-probabilities of given tokens: of the states [B · T, features] of `input_ids` [B, T], only the rows `rows` [R] go
 * through the product with the vocabulary; each gives the logarithm of the probability of its token in `targets` [R].
 */
export function scoringGraph(decoder: CausalDecoder, weights: CheckpointWeights): GraphDescription {
  const net = new Network(weights)
  const ids = i64(net, 'input_ids', ['B', 'T'])
  const rows = i64(net, 'rows', ['R'])
  const targets = i64(net, 'targets', ['R'])
  const source =
    decoder.encode === undefined
      ? undefined
      : (() => {
          const kept = i64(net, 'attention_mask', ['B', 'S'])
          return sourceOf(decoder.encode(net, i64(net, 'source_ids', ['B', 'S']), kept), kept)
        })()
  const hidden = decoder.hidden(net, ids, new WholeSequence(net, ids, true), source)
  const logits = logitsOfRows(net, decoder, hidden, rows)
  const logarithms = net.apply('logSoftmax', [logits], { axis: -1 })
  const chosen = net.apply('gatherElements', [logarithms, net.unsqueeze(targets, 1)], { axis: 1 })
  const best = net.apply('argMax', [logits], { axis: -1, keepDims: 0 })
  return net.graph.build([net.row(chosen, 0, 1), best])
}

/**
 * Log-odds of given tokens, log(p / (1 - p)): as {@link scoringGraph}, but each row gives the logit of its token less the
 * logarithm of the sum of all others' exponentials, [R].
 *
 * @param isMasked Whether `attention_mask` [B, T] says which tokens may be read; positions stay.
 */
export function responseGraph(
  decoder: CausalDecoder,
  weights: CheckpointWeights,
  isMasked = false,
): GraphDescription {
  const net = new Network(weights)
  const ids = i64(net, 'input_ids', ['B', 'T'])
  const kept = isMasked ? i64(net, 'attention_mask', ['B', 'T']) : undefined
  const rows = i64(net, 'rows', ['R'])
  const targets = net.unsqueeze(i64(net, 'targets', ['R']), 1)
  const hidden = decoder.hidden(net, ids, new WholeSequence(net, ids, true, kept))
  const logits = logitsOfRows(net, decoder, hidden, rows)
  const chosen = net.apply('gatherElements', [logits, targets], { axis: 1 })
  const isChosen = net.apply('equal', [net.counted(logits, 1), targets])
  const others = net.apply('where', [isChosen, net.scalar(unlikely), logits])
  const most = net.apply('reduceMax', [others], { axes: [-1], keepDims: 1 })
  const exponentials = net.apply('exp', [net.apply('sub', [others, most])])
  const sum = net.apply('log', [net.apply('sum', [exponentials], { axes: [-1], keepDims: 1 })])
  return net.graph.build([net.row(net.apply('sub', [chosen, net.add(most, sum)]), 0, 1)])
}

/** A logit that no token has, and finite. */
const unlikely = -1e30

/** Rows of the states [B · T, features] through the product with the vocabulary. */
function logitsOfRows(net: Network, decoder: CausalDecoder, hidden: Value, rows: Value): Value {
  const width = net.dimension(hidden, -1)
  const flat = net.apply('reshape', [hidden, net.apply('concat', [net.integers(-1), width], { axis: 0 })])
  return decoder.logits(net, net.apply('gather', [flat, rows], { axis: 0 }))
}
