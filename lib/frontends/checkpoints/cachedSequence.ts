import type { Value } from '../../graph/builder.js'
import type { Network } from './network.js'
import { allOf, integer, maskOf } from './sequence.js'
import { type LayerObserver, StateSequence } from './stateSequence.js'

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

/** The next tokens of sequences side by side. Texts of unequal lengths end in one slot and begin in slots of their own. */
export class CachedSequence extends StateSequence {
  readonly positions: Value
  readonly keyPositions: Value
  readonly perExample = true
  readonly length: Value

  /** @param contextLength Positions that the model has; those of padding may lie beyond and are moved inside. */
  constructor(
    net: Network,
    private readonly inputs: CachedInputs,
    contextLength: number,
    observer?: LayerObserver,
  ) {
    const { slots, starts, places } = inputs
    super(net, 'B', net.between(slots, 0, 1, 0), observer)
    this.length = inputs.length
    const from = net.unsqueeze(starts, 1)
    const counted = net.apply('max', [net.apply('sub', [net.unsqueeze(slots, 0), from]), integer(net, 0)])
    const isBounded = Number.isFinite(contextLength)
    this.positions = isBounded ? net.apply('min', [counted, integer(net, contextLength - 1)]) : counted
    this.keyPositions = net.apply('sub', [net.unsqueeze(places, 0), from])
  }

  protected makeMask(window: number | undefined): Value {
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
