import type { GraphDescription } from '#typings/addon.js'
import type { Value } from '../../graph/builder.js'
import { type CausalDecoder, sourceOf } from './family.js'
import { Network } from './network.js'
import { RowReducer, type TracedLayer } from './rowReducer.js'
import { type AttentionShape, allOf, integer, maskOf, WholeSequence } from './sequence.js'
import type { CheckpointWeights } from './weights.js'

/** What becomes of the heads' probabilities: one weighted sum of all heads of all layers, or each head by itself. */
export type HeadReduction = 'weighted' | 'apart'

/** A whole sequence of which chosen rows of each layer's attention are reduced. */
class TracedSequence extends WholeSequence {
  readonly #masks = new Map<number | undefined, Value>()

  constructor(
    private readonly network: Network,
    ids: Value,
    /** i64 [B, R] */
    private readonly rows: Value,
    private readonly reducer: RowReducer,
  ) {
    super(network, ids, true)
  }

  override attend(key: string, queries: Value, keys: Value, values: Value, shape: AttentionShape): Value {
    const chosen = chosenRows(this.network, queries, this.rows)
    this.reducer.reduce(key, chosen, keys, this.#mask(shape.window), shape)
    return super.attend(key, queries, keys, values, shape)
  }

  /** Which keys each row may read, [B, 1, R, T]. */
  #mask(window: number | undefined): Value {
    const known = this.#masks.get(window)
    if (known !== undefined) return known
    const { network: net } = this
    const own = net.unsqueeze(this.rows, 2)
    const conditions = [net.apply('lessOrEqual', [this.positions, own])]
    if (window !== undefined)
      conditions.push(net.apply('less', [net.apply('sub', [own, integer(net, window)]), this.positions]))
    const mask = net.unsqueeze(maskOf(net, allOf(net, conditions)), 1)
    this.#masks.set(window, mask)
    return mask
  }
}

/** Queries [B, heads, T, size] of rows [B, R], [B, heads, R, size]. */
function chosenRows(net: Network, queries: Value, rows: Value): Value {
  const byToken = net.apply('transpose', [queries], { permutation: [0, 2, 1, 3] })
  const picked = net.apply('gatherNd', [byToken, net.unsqueeze(rows, 2)], { batchDims: 1 })
  return net.apply('transpose', [picked], { permutation: [0, 2, 1, 3] })
}

/** A graph that reads attention, and the layers that it reads it of. */
export interface TracingGraph {
  readonly graph: GraphDescription
  readonly layers: readonly TracedLayer[]
}

/**
 * Where chosen rows look: `input_ids` [B, T], `rows` [B, R] (positions of the queries) ->
 *
 * - `weighted`: with `weights` [W] of all heads of all layers in order, the weighted sum of their probabilities,
 *   [B, R, T];
 * - `apart`: probabilities of every layer, [B, heads, R, T] each.
 *
 * Of a model with an encoder, which reads `source_ids` and `attention_mask` [B, S], it is where rows of the decoder look in
 * what the encoder read, [B, R, S], by the layers that read it.
 *
 * Nothing behind the last layer's queries and keys is computed. Texts are filled up behind their ends.
 */
export function tracingGraph(
  decoder: CausalDecoder,
  weights: CheckpointWeights,
  reduction: HeadReduction,
): TracingGraph {
  const net = new Network(weights)
  const i64 = (name: string, shape: (number | string)[]) => net.graph.input(name, 'i64', shape)
  const ids = i64('input_ids', ['B', 'T'])
  const rows = i64('rows', ['B', 'R'])
  const heads = reduction === 'weighted' ? net.graph.input('weights', 'f32', ['W']) : undefined
  const reducer = new RowReducer(net, heads)
  if (decoder.encode === undefined) {
    decoder.hidden(net, ids, new TracedSequence(net, ids, rows, reducer))
  } else {
    const kept = i64('attention_mask', ['B', 'S'])
    const source = {
      ...sourceOf(decoder.encode(net, i64('source_ids', ['B', 'S']), kept), kept),
      observe: (key: string, queries: Value, keys: Value, mask: Value, shape: AttentionShape) =>
        reducer.reduce(key, chosenRows(net, queries, rows), keys, mask, shape),
    }
    decoder.hidden(net, ids, new WholeSequence(net, ids, true), source)
  }
  const outputs = reduction === 'weighted' ? [reducer.total()] : reducer.reduced
  return { graph: net.graph.build(outputs), layers: reducer.layers }
}
