import type { Value } from '../../graph/builder.js'
import type { AttendedLayer } from './cachedSequence.js'
import type { Network } from './network.js'
import { cappedRows } from './tracingGraph.js'

/** Where one token of a step looks, summed over the heads of all layers while their queries and keys are there. */
export class ObservedRow {
  readonly #weights: Value
  readonly #masks = new Map<Value, Value>()
  #heads = 0
  #sum: Value | undefined

  /**
   * @param row Its place among the step's tokens.
   * @param slots The slots that those take.
   */
  constructor(
    private readonly net: Network,
    private readonly row: Value,
    private readonly slots: Value,
  ) {
    this.#weights = net.graph.input('weights', 'f32', ['W'])
  }

  observe({ queries, keys, shape, mask }: AttendedLayer): void {
    const { net } = this
    const { heads, scale, softCap, window = 0 } = shape
    const chosen = net.unsqueeze(net.apply('gather', [queries, this.row], { axis: 2 }), 2)
    const weights = net.between(this.#weights, this.#heads, this.#heads + heads, 0)
    this.#heads += heads
    const own = this.#maskOf(mask)
    let read: Value
    if (softCap === undefined) {
      const slot = net.unsqueeze(net.apply('gather', [this.slots, this.row], { axis: 0 }), 0)
      // Keys behind its own slot are no tokens yet: the kernel does not read them.
      read = net.apply('attentionRows', [chosen, keys, slot, weights, own], { scale, causal: 1, window })
    } else {
      const rows = cappedRows(net, chosen, keys, own, weights, shape)
      read = net.apply('squeeze', [rows], { axes: [1] })
    }
    this.#sum = this.#sum === undefined ? read : net.add(this.#sum, read)
  }

  /** [B, C] */
  attention(): Value {
    return this.#sum!
  }

  /** [B, 1, 1, C], one for all layers that are alike. */
  #maskOf(mask: Value): Value {
    const { net } = this
    const known = this.#masks.get(mask)
    if (known !== undefined) return known
    const own = net.unsqueeze(net.apply('gather', [mask, this.row], { axis: 1 }), 1, 2)
    this.#masks.set(mask, own)
    return own
  }
}
