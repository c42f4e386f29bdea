import type { GraphDescription } from '#typings/addon.js'
import type { Value } from '../../graph/builder.js'
import type { CausalDecoder } from './family.js'
import { Network } from './network.js'
import { type AttentionShape, allOf, integer, maskOf, WholeSequence } from './sequence.js'
import type { CheckpointWeights } from './weights.js'

/** One layer whose attention is read. */
export interface TracedLayer {
  readonly key: string
  readonly heads: number
}

/** What becomes of the heads' probabilities: one weighted sum of all heads of all layers, or each head by itself. */
export type HeadReduction = 'weighted' | 'apart'

/**
 * A whole sequence in which chosen rows of each layer's attention are reduced while queries and keys are there: their
 * matrices never exist.
 */
class TracedSequence extends WholeSequence {
  readonly layers: TracedLayer[] = []
  readonly reduced: Value[] = []
  readonly #masks = new Map<number | undefined, Value>()

  constructor(
    private readonly network: Network,
    ids: Value,
    /** i64 [B, R] */
    private readonly rows: Value,
    /** Of all heads of all layers, [W]; absent where heads are kept apart. */
    private readonly weights: Value | undefined,
  ) {
    super(network, ids, true)
  }

  override attend(key: string, queries: Value, keys: Value, values: Value, shape: AttentionShape): Value {
    const { network: net } = this
    const { heads, keyHeads, size, scale, window } = shape
    const first = this.layers.reduce((sum, layer) => sum + layer.heads, 0)
    this.layers.push({ key, heads })
    const [chosen, mask] = [this.#chosen(queries), this.#mask(window)]
    const positions = net.apply('range', [
      integer(net, 0),
      net.apply('squeeze', [net.dimension(this.rows, 1)], { axes: [0] }),
      integer(net, 1),
    ])
    const weights = this.weights && net.between(this.weights, first, first + heads, 0)
    if (shape.softCap !== undefined) {
      this.reduced.push(cappedRows(net, chosen, keys, mask, weights, shape))
    } else if (weights !== undefined) {
      const attributes = { scale, causal: 0, keepRows: 1 }
      this.reduced.push(net.apply('attentionRows', [chosen, keys, positions, weights, mask], attributes))
    } else {
      // Each head as an example of its own.
      const wide = repeated(net, keys, keyHeads, heads, size)
      const masks = net.apply('expand', [mask, net.integers(1, heads, 1, 1)])
      const [q, k, m] = [chosen, wide, masks].map(x => regrouped(net, x, -1, 1))
      const attributes = { scale, causal: 0, keepRows: 1 }
      const read = net.apply('attentionRows', [q, k, positions, undefined, m], attributes)
      this.reduced.push(regrouped(net, read, -1, heads))
    }
    return super.attend(key, queries, keys, values, shape)
  }

  /** Queries of the rows, [B, heads, R, size]. */
  #chosen(queries: Value): Value {
    const { network: net } = this
    const rows = net.apply('transpose', [queries], { permutation: [0, 2, 1, 3] })
    const index = net.unsqueeze(this.rows, 2)
    const picked = net.apply('gatherNd', [rows, index], { batchDims: 1 })
    return net.apply('transpose', [picked], { permutation: [0, 2, 1, 3] })
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

/**
 * Scores that are bounded smoothly have no fused operation: written out, for chosen rows [B, heads, R, size] alone.
 *
 * @returns the weighted sum over heads, [B, R, T]; without weights each head's, [B, heads, R, T].
 */
export function cappedRows(
  net: Network,
  chosen: Value,
  keys: Value,
  mask: Value,
  weights: Value | undefined,
  { heads, keyHeads, size, scale, softCap }: AttentionShape,
): Value {
  const wide = repeated(net, keys, keyHeads, heads, size)
  const raw = net.scaled(net.apply('matMul', [chosen, wide], { transposeB: 1 }), scale)
  const probabilities = net.apply('softmax', [net.add(net.capped(raw, softCap), mask)], { axis: -1 })
  if (weights === undefined) return probabilities
  const weighted = net.apply('mul', [probabilities, net.unsqueeze(weights, 1, 2)])
  return net.apply('sum', [weighted], { axes: [1], keepDims: 0 })
}

/** A value with other axes in front of its last two. */
const regrouped = (net: Network, x: Value, ...axes: number[]): Value =>
  net.apply('reshape', [
    x,
    net.apply('concat', [net.integers(...axes), net.apply('shape', [x], { start: -2 })], { axis: 0 }),
  ])

function repeated(net: Network, x: Value, keyHeads: number, heads: number, size: number): Value {
  if (keyHeads === heads) return x
  const apart = net.apply('expand', [net.unsqueeze(x, 2), net.integers(1, 1, heads / keyHeads, 1, 1)])
  return net.apply('reshape', [apart, net.integers(0, heads, -1, size)])
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
 * Nothing behind the last layer's queries and keys is computed. Texts are filled up behind their ends.
 */
export function tracingGraph(
  decoder: CausalDecoder,
  weights: CheckpointWeights,
  reduction: HeadReduction,
): TracingGraph {
  const net = new Network(weights)
  const ids = net.graph.input('input_ids', 'i64', ['B', 'T'])
  const rows = net.graph.input('rows', 'i64', ['B', 'R'])
  const heads = reduction === 'weighted' ? net.graph.input('weights', 'f32', ['W']) : undefined
  const sequence = new TracedSequence(net, ids, rows, heads)
  decoder.hidden(net, ids, sequence)
  const { reduced, layers } = sequence
  const outputs = reduction === 'weighted' ? [reduced.reduce((a, b) => net.add(a, b))] : reduced
  return { graph: net.graph.build(outputs), layers }
}
