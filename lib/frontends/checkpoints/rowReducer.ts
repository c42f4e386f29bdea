import type { Value } from '../../graph/builder.js'
import type { Network } from './network.js'
import { type AttentionShape, integer } from './sequence.js'

/** One layer whose attention is read. */
export interface TracedLayer {
  readonly key: string
  readonly heads: number
}

/** Where chosen rows look, layer by layer, reduced while queries and keys are there: matrices of attention never exist. */
export class RowReducer {
  readonly layers: TracedLayer[] = []
  readonly reduced: Value[] = []

  constructor(
    private readonly net: Network,
    /** Of all heads of all layers, [W]; absent where heads are kept apart. */
    private readonly weights: Value | undefined,
  ) {}

  /**
   * Takes the next layer's rows: with weights their sum over heads, [B, R, keys], else each head's, [B, heads, R, keys].
   *
   * @param chosen Queries of the rows, [B, heads, R, size].
   * @param mask Added to scores, broadcast to [B, 1, R, keys].
   */
  reduce(key: string, chosen: Value, keys: Value, mask: Value, shape: AttentionShape): void {
    const { net } = this
    const { heads, keyHeads, size, scale } = shape
    const first = this.layers.reduce((sum, layer) => sum + layer.heads, 0)
    this.layers.push({ key, heads })
    const weights = this.weights && net.between(this.weights, first, first + heads, 0)
    if (shape.softCap !== undefined) {
      this.reduced.push(cappedRows(net, chosen, keys, mask, weights, shape))
      return
    }
    const count = net.apply('squeeze', [net.dimension(chosen, 2)], { axes: [0] })
    const positions = net.apply('range', [integer(net, 0), count, integer(net, 1)])
    const attributes = { scale, causal: 0, keepRows: 1 }
    if (weights !== undefined) {
      this.reduced.push(net.apply('attentionRows', [chosen, keys, positions, weights, mask], attributes))
      return
    }
    // Each head as an example of its own.
    const wide = repeated(net, keys, keyHeads, heads, size)
    const masks = net.apply('expand', [mask, net.integers(1, heads, 1, 1)])
    const [q, k, m] = [chosen, wide, masks].map(x => regrouped(net, x, -1, 1))
    const read = net.apply('attentionRows', [q, k, positions, undefined, m], attributes)
    this.reduced.push(regrouped(net, read, -1, heads))
  }

  /** The sum over all layers. */
  total(): Value {
    return this.reduced.reduce((a, b) => this.net.add(a, b))
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
