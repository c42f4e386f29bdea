import type { Value } from '../../graph/builder.js'
import type { Network } from './network.js'

/** One layer's attention. */
export interface AttentionShape {
  /** Heads of queries; a multiple of the heads of keys and values. */
  readonly heads: number
  readonly keyHeads: number
  /** Size of a head of queries and keys. */
  readonly size: number
  /** Size of a head of values. Default the same. */
  readonly valueSize?: number
  readonly scale: number
  /** A query reads so many keys, its own the last of them. Default: all. */
  readonly window?: number | undefined
  /** Scores are bounded smoothly by this. */
  readonly softCap?: number | undefined
  /** Added to the scores, [1, heads, queries, keys]. */
  readonly bias?: Value | undefined
}

/** How tokens stand in a graph: where they are, and what each may read. */
export interface Sequence {
  /** i64, [T] or [B, T] */
  readonly positions: Value
  /** Positions of what may be read, i64 [K] or [B, K]. */
  readonly keyPositions: Value
  /** Whether each example has positions of its own. */
  readonly perExample: boolean
  /** Tokens that there are in all, a vector of one i64. */
  readonly length: Value
  /**
   * Queries [B, heads, T, size], keys and values [B, keyHeads, T, …] -> [B, T, heads · size of values].
   *
   * @param key Names the layer.
   */
  attend(key: string, queries: Value, keys: Value, values: Value, shape: AttentionShape): Value
}

/** Far below every score, and finite: a softmax makes exact zeros of it, and no NaN where nothing may be read. */
const hidden = -1e30

/** Zeros where `allowed`, and {@link hidden} elsewhere. */
export function maskOf(net: Network, allowed: Value): Value {
  return net.apply('where', [allowed, net.scalar(0), net.scalar(hidden)])
}

/** softmax(cap(scale · q kᵀ) + mask) v, by the fused operation where there is no cap. */
export function attention(
  net: Network,
  key: string,
  [queries, keys, values]: readonly [Value, Value, Value],
  { scale, softCap }: AttentionShape,
  mask: Value | undefined,
  causal: boolean,
): Value {
  if (softCap === undefined)
    return net.apply('attention', [queries, keys, values, mask], { scale, causal: causal ? 1 : 0 }, key)
  const raw = net.scaled(net.apply('matMul', [queries, keys], { transposeB: 1 }), scale)
  const capped = net.capped(raw, softCap)
  const scores = mask === undefined ? capped : net.add(capped, mask)
  const weights = net.graph.named(net.apply('softmax', [scores], { axis: -1 }), `${key}.weights`)
  return net.apply('matMul', [weights, values], {}, key)
}

/** Each head of keys or values as often as heads of queries read it, one after the other. */
function repeatHeads(net: Network, x: Value, keyHeads: number, heads: number, size: number): Value {
  if (keyHeads === heads) return x
  const apart = net.apply('expand', [net.unsqueeze(x, 2), net.integers(1, 1, heads / keyHeads, 1, 1)])
  return net.apply('reshape', [apart, net.integers(0, heads, -1, size)])
}

/** The whole sequence at once, as a model is explained. */
export class WholeSequence implements Sequence {
  readonly positions: Value
  readonly keyPositions: Value
  readonly perExample = false
  readonly length: Value
  readonly #masks = new Map<string, Value | undefined>()

  /**
   * @param ids [B, T]; only its shape is read.
   * @param causal Whether a token reads only those up to itself.
   * @param kept [B, keys], 1 for keys that are tokens and 0 for padding. Default: all are.
   */
  constructor(
    private readonly net: Network,
    ids: Value,
    private readonly causal: boolean,
    private readonly kept?: Value,
  ) {
    this.positions = net.counted(ids, 1)
    this.keyPositions = this.positions
    this.length = net.dimension(ids, 1)
  }

  attend(key: string, queries: Value, keys: Value, values: Value, shape: AttentionShape): Value {
    const { net } = this
    const { heads, keyHeads, size, valueSize = size, bias } = shape
    const wide = (x: Value, width: number) => repeatHeads(net, x, keyHeads, heads, width)
    // The fused operation is causal by itself; scores that are capped need it as a mask.
    const fused = shape.softCap === undefined
    const mask = this.#mask(shape.window, this.causal && (!fused || shape.window !== undefined))
    const both = mask === undefined || bias === undefined ? (mask ?? bias) : net.add(mask, bias)
    const read = attention(
      net,
      key,
      [queries, wide(keys, size), wide(values, valueSize)],
      shape,
      both,
      this.causal && fused,
    )
    return net.joinHeads(read, heads, valueSize)
  }

  /** What may be read, [1 or B, 1, T, T]; undefined: everything. One for all layers that are alike. */
  #mask(window: number | undefined, causal: boolean): Value | undefined {
    const id = `${window ?? ''} ${causal}`
    if (!this.#masks.has(id)) this.#masks.set(id, this.#makeMask(window, causal))
    return this.#masks.get(id)
  }

  #makeMask(window: number | undefined, causal: boolean): Value | undefined {
    const { net, positions, kept } = this
    const own = net.unsqueeze(positions, 1)
    const conditions: Value[] = []
    if (causal) conditions.push(net.apply('lessOrEqual', [positions, own]))
    if (window !== undefined)
      conditions.push(net.apply('less', [net.apply('sub', [own, integer(net, window)]), positions]))
    const near = conditions.length === 0 ? undefined : allOf(net, conditions)
    const shown = kept === undefined ? undefined : net.unsqueeze(net.cast(kept, 'bool'), 1, 2)
    if (near === undefined) return shown === undefined ? undefined : maskOf(net, shown)
    const square = net.unsqueeze(near, 0, 1)
    return maskOf(net, shown === undefined ? square : allOf(net, [square, shown]))
  }
}

export const integer = (net: Network, value: number): Value =>
  net.graph.constant('i64', [], BigInt64Array.of(BigInt(value)))

export const allOf = (net: Network, conditions: readonly Value[]): Value =>
  conditions.reduce((a, b) => net.apply('and', [a, b]))
