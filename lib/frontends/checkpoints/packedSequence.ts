import type { Value } from '../../graph/builder.js'
import type { Network } from './network.js'
import { integer, maskOf } from './sequence.js'
import { type LayerObserver, StateSequence } from './stateSequence.js'

/** What a graph of packed texts is told at each run. */
export interface PackedInputs {
  /** i64 [1]: the slot of the first token of this run. */
  readonly first: Value
  /** i64 [T]: the position of each token in its text. */
  readonly positions: Value
  /** i64 [C]: the same of the token that each slot holds. */
  readonly keyPositions: Value
  /** f32 [1, T, C]: added to scores, 0 for slots that a token reads. */
  readonly shown: Value
  /** i64 [1]: tokens of a text of these. */
  readonly length: Value
}

/** Texts that lie one behind the other in one run, over a cache that they share: a token reads those of its own text. */
export class PackedSequence extends StateSequence {
  readonly positions: Value
  readonly keyPositions: Value
  readonly perExample = false
  readonly length: Value

  constructor(
    net: Network,
    private readonly inputs: PackedInputs,
    observer?: LayerObserver,
  ) {
    super(net, 1, inputs.first, observer)
    this.positions = inputs.positions
    this.keyPositions = inputs.keyPositions
    this.length = inputs.length
  }

  protected makeMask(window: number | undefined): Value {
    const { net } = this
    const { shown } = this.inputs
    if (window === undefined) return shown
    const oldest = net.apply('sub', [net.unsqueeze(this.positions, 1), integer(net, window)])
    return net.add(shown, net.unsqueeze(maskOf(net, net.apply('less', [oldest, this.keyPositions])), 0))
  }
}
