import type { Value } from '../../graph/builder.js'
import type { Network } from './network.js'
import { cappedRows } from './rowReducer.js'
import type { AttentionShape } from './sequence.js'
import type { AttendedLayer, LayerObserver } from './stateSequence.js'

/** Where some tokens of a run look, summed over the heads of all layers while their queries and keys are there. */
export class ObservedRows implements LayerObserver {
  readonly #weights: Value
  readonly #masks = new Map<Value, Value>()
  readonly #slots: Value
  #heads = 0
  #sum: Value | undefined

  /**
   * @param rows i64 [R]: their places among the run's tokens.
   * @param slots i64 [T]: the slots that those take.
   * @param isOnly Whether the run has one token alone.
   * @param areInOrder Whether a text's tokens have slots that follow each other, so that a window is one of slots.
   */
  constructor(
    private readonly net: Network,
    private readonly rows: Value,
    slots: Value,
    private readonly areInOrder: boolean,
    readonly isOnly = false,
  ) {
    this.#weights = net.graph.input('weights', 'f32', ['W'])
    this.#slots = net.apply('gather', [slots, rows], { axis: 0 })
  }

  observe({ queries, keys, shape, mask }: AttendedLayer): void {
    const { net } = this
    const { scale, softCap, window = 0 } = shape
    const chosen = net.apply('gather', [queries, this.rows], { axis: 2 })
    const weights = this.weightsOf(shape)
    const own = this.#maskOf(mask)
    // Keys behind its own slot are no tokens of a row's text: the kernel does not read them.
    const attributes = { scale, causal: 1, window: this.areInOrder ? window : 0, keepRows: 1 }
    this.add(
      softCap === undefined
        ? net.apply('attentionRows', [chosen, keys, this.#slots, weights, own], attributes)
        : cappedRows(net, chosen, keys, own, weights, shape),
    )
  }

  weightsOf({ heads }: AttentionShape): Value {
    const weights = this.net.between(this.#weights, this.#heads, this.#heads + heads, 0)
    this.#heads += heads
    return weights
  }

  add(looks: Value): void {
    this.#sum = this.#sum === undefined ? looks : this.net.add(this.#sum, looks)
  }

  /** [B, R, C] */
  attention(): Value {
    return this.#sum!
  }

  /** [B, 1, R, C], one for all layers that are alike. */
  #maskOf(mask: Value): Value {
    const { net } = this
    const known = this.#masks.get(mask)
    if (known !== undefined) return known
    const own = net.unsqueeze(net.apply('gather', [mask, this.rows], { axis: 1 }), 1)
    this.#masks.set(mask, own)
    return own
  }
}
