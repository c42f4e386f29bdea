import { type Coalition, complementOf, fullCoalition } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { type SamplerResult, samplesPerRound } from './samplerResult.js'

/**
 * What the value loses without each of several groups of players: `value(all) - value(all but the group)`.
 *
 * @param count How many groups there are.
 * @param groupAt The players that are removed together for a score; groups may overlap.
 */
export class LeaveOneOutPlayer implements CoalitionPlayer<SamplerResult> {
  readonly #players: number
  readonly #count: number
  readonly #groupAt: (index: number) => Coalition
  readonly #scores: Float64Array
  #full: number | undefined
  #done = 0

  constructor(players: number, count: number, groupAt: (index: number) => Coalition) {
    this.#players = players
    this.#count = count
    this.#groupAt = groupAt
    this.#scores = new Float64Array(count)
  }
  next(room: number): readonly Coalition[] {
    // All players are asked about beside the first groups: what evaluates them may share work among them.
    const all = this.#full === undefined ? [fullCoalition(this.#players)] : []
    const count = Math.max(0, Math.min(samplesPerRound, room - all.length, this.#count - this.#done))
    const without = Array.from({ length: count }, (_, at) =>
      complementOf(this.#groupAt(this.#done + at), this.#players),
    )
    return [...all, ...without]
  }
  report(values: readonly Float64Array[]): void {
    const without = this.#full === undefined ? values.slice(1) : values
    this.#full ??= values[0]![0]!
    for (const [at, value] of without.entries()) this.#scores[this.#done + at] = this.#full - value[0]!
    this.#done += without.length
  }
  result(): SamplerResult {
    return { scores: this.#scores.slice(), full: this.#full!, samples: this.#done, warnings: [] }
  }
  progress(): number {
    return this.#done / this.#count
  }
}
