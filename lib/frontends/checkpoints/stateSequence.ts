import type { Value } from '../../graph/builder.js'
import type { Network } from './network.js'
import { type AttentionShape, attention, type Sequence } from './sequence.js'

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

/** Sums up where tokens look, layer by layer. */
export interface LayerObserver {
  /** Whether a run has one token alone, so that attention itself sums up what it makes anyway. */
  readonly isOnly: boolean
  /** Weights of the heads of the next layer. */
  weightsOf(shape: AttentionShape): Value
  /** @param looks [B, R, C] */
  add(looks: Value): void
  /** Reads a layer's rows by themselves. */
  observe(layer: AttendedLayer): void
}

/**
 * Tokens whose keys and values lie in states of C slots, [B, keyHeads, C, size] for each layer: those of a run are
 * written behind those of earlier ones.
 */
export abstract class StateSequence implements Sequence {
  abstract readonly positions: Value
  abstract readonly keyPositions: Value
  abstract readonly perExample: boolean
  abstract readonly length: Value
  readonly #masks = new Map<number | undefined, Value>()
  readonly #stacked = new Map<number | undefined, Value>()

  /**
   * @param batch Sequences of the states.
   * @param first i64 [1]: the slot of the run's first token.
   * @param observer Is told where tokens look.
   */
  constructor(
    protected readonly net: Network,
    private readonly batch: number | string,
    private readonly first: Value,
    private readonly observer?: LayerObserver,
  ) {}

  /** What each token may read by its place and a window, [B, T, C]. */
  protected abstract makeMask(window: number | undefined): Value

  attend(key: string, queries: Value, keys: Value, values: Value, shape: AttentionShape): Value {
    const { net } = this
    const { heads, keyHeads, size, valueSize = size, window } = shape
    const written = (name: string, rows: Value, width: number) => {
      const state = net.graph.state(`${key}.${name}`, 'f32', [this.batch, keyHeads, 'C', width])
      return net.apply('appendState', [state, rows, this.first], { axis: 2 })
    }
    const all = [written('keys', keys, size), written('values', values, valueSize)] as const
    // Heads of queries that share keys stand one below the other, so that no key is copied.
    const stacked =
      heads === keyHeads ? queries : net.apply('reshape', [queries, net.integers(0, keyHeads, -1, size)])
    const mask = this.#stackedMask(window, heads / keyHeads)
    const scored = shape.bias === undefined ? mask : net.add(mask, shape.bias)
    const layer = { key, queries, keys: all[0], shape, mask: this.#mask(window) }
    const read = this.#read([stacked, ...all], scored, layer)
    const apart =
      heads === keyHeads ? read : net.apply('reshape', [read, net.integers(0, heads, -1, valueSize)])
    return net.joinHeads(apart, heads, valueSize)
  }

  #read(operands: readonly [Value, Value, Value], mask: Value, layer: AttendedLayer): Value {
    const { net, observer } = this
    const { key, shape } = layer
    const weights = observer?.isOnly && shape.softCap === undefined ? observer.weightsOf(shape) : undefined
    if (weights === undefined) {
      const read = attention(net, key, operands, shape, mask, false)
      observer?.observe(layer)
      return read
    }
    const inputs = [...operands, mask, weights]
    const attributes = { scale: shape.scale }
    const [read, looks] = net.graph.applyMany('observedAttention', inputs, 2, attributes, key)
    observer!.add(net.unsqueeze(looks!, 1))
    return read!
  }

  /** One for all layers that are alike. */
  #mask(window: number | undefined): Value {
    const known = this.#masks.get(window) ?? this.makeMask(window)
    this.#masks.set(window, known)
    return known
  }

  /** [B, 1, shared · T, C] */
  #stackedMask(window: number | undefined, shared: number): Value {
    const known = this.#stacked.get(window)
    if (known !== undefined) return known
    const { net } = this
    const mask = net.unsqueeze(this.#mask(window), 1)
    const each = net.apply('expand', [mask, net.integers(1, shared, 1, 1)])
    const stacked = shared === 1 ? mask : net.apply('reshape', [each, net.integers(0, 1, -1, 0)])
    this.#stacked.set(window, stacked)
    return stacked
  }
}
