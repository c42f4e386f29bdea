import type { Value } from '../../graph/builder.js'
import type { Network } from './network.js'
import { type AttentionShape, allOf, attention, integer, maskOf, type Sequence } from './sequence.js'

/** What a graph of cached steps is told at each run. */
export interface CachedInputs {
  /** i64 [T]: the slots that the tokens of this run take, one after the other. */
  readonly slots: Value
  /** i64 [C]: all slots that there are, 0, 1, … */
  readonly places: Value
  /** i64 [B]: the first slot of each sequence; those before it are padding. */
  readonly starts: Value
  /** i64 [1]: tokens of the longest sequence. */
  readonly length: Value
}

/** What a layer attends with, before it does. */
export interface AttendedLayer {
  readonly key: string
  readonly queries: Value
  /** All keys so far, [B, keyHeads, C, size]. */
  readonly keys: Value
  readonly shape: AttentionShape
  /** What each token may read, [B, T, C]. */
  readonly mask: Value
}

/**
 * The next tokens of sequences whose keys and values lie in states, [B, keyHeads, capacity, size] for each layer. Keys
 * of this run are written behind those of earlier ones. Texts of unequal lengths end in one slot and begin in slots of
 * their own.
 */
export class CachedSequence implements Sequence {
  readonly positions: Value
  readonly keyPositions: Value
  readonly perExample = true
  readonly length: Value
  readonly #first: Value
  readonly #masks = new Map<number | undefined, Value>()

  /**
   * @param contextLength Positions that the model has; those of padding may lie beyond and are moved inside.
   * @param observe Is shown every layer.
   */
  constructor(
    private readonly net: Network,
    private readonly inputs: CachedInputs,
    contextLength: number,
    private readonly observe?: (layer: AttendedLayer) => void,
  ) {
    const { slots, starts, places } = inputs
    this.length = inputs.length
    this.#first = net.between(slots, 0, 1, 0)
    const from = net.unsqueeze(starts, 1)
    const counted = net.apply('max', [net.apply('sub', [net.unsqueeze(slots, 0), from]), integer(net, 0)])
    const isBounded = Number.isFinite(contextLength)
    this.positions = isBounded ? net.apply('min', [counted, integer(net, contextLength - 1)]) : counted
    this.keyPositions = net.apply('sub', [net.unsqueeze(places, 0), from])
  }

  attend(key: string, queries: Value, keys: Value, values: Value, shape: AttentionShape): Value {
    const { net } = this
    const { heads, keyHeads, size, valueSize = size, window } = shape
    const written = (name: string, rows: Value, width: number) => {
      const state = net.graph.state(`${key}.${name}`, 'f32', ['B', keyHeads, 'C', width])
      return net.apply('appendState', [state, rows, this.#first], { axis: 2 })
    }
    const all = [written('keys', keys, size), written('values', values, valueSize)] as const
    this.observe?.({ key, queries, keys: all[0], shape, mask: this.#mask(window) })
    // Heads of queries that share keys stand one below the other, so that no key is copied.
    const stacked =
      heads === keyHeads ? queries : net.apply('reshape', [queries, net.integers(0, keyHeads, -1, size)])
    const mask = this.#stackedMask(window, heads / keyHeads)
    const scored = shape.bias === undefined ? mask : net.add(mask, shape.bias)
    const read = attention(net, key, [stacked, ...all], shape, scored, false)
    const apart =
      heads === keyHeads ? read : net.apply('reshape', [read, net.integers(0, heads, -1, valueSize)])
    return net.joinHeads(apart, heads, valueSize)
  }

  /** [B, 1, shared · T, C] */
  #stackedMask(window: number | undefined, shared: number): Value {
    const known = this.#masks.get(window)
    if (known !== undefined) return known
    const { net } = this
    const mask = net.unsqueeze(this.#mask(window), 1)
    const each = net.apply('expand', [mask, net.integers(1, shared, 1, 1)])
    const stacked = shared === 1 ? mask : net.apply('reshape', [each, net.integers(0, 1, -1, 0)])
    this.#masks.set(window, stacked)
    return stacked
  }

  /** [B, T, C] */
  #mask(window: number | undefined): Value {
    const { net } = this
    const own = net.unsqueeze(this.inputs.slots, 1)
    const at = this.inputs.places
    const conditions = [net.apply('lessOrEqual', [at, own])]
    if (window !== undefined)
      conditions.push(net.apply('less', [net.apply('sub', [own, integer(net, window)]), at]))
    const isOwn = net.apply('equal', [at, own])
    const isToken = net.apply('greaterOrEqual', [net.unsqueeze(at, 0), net.unsqueeze(this.inputs.starts, 1)])
    // A row of padding reads itself alone.
    const isRead = net.apply('or', [net.unsqueeze(isOwn, 0), net.unsqueeze(isToken, 1)])
    return maskOf(net, allOf(net, [net.unsqueeze(allOf(net, conditions), 0), isRead]))
  }
}
