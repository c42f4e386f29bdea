import { type Coalition, complementOf, fullCoalition } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { type SamplerResult, samplesPerRound } from './samplerResult.js'

/**
 * What the value loses without each of several groups of players: `value(all) - value(all but the group)`.
 *
 * @param groups Players that are removed together, for each score. They may overlap.
 */
export class LeaveOneOutPlayer implements CoalitionPlayer<SamplerResult> {
  readonly #players: number
  readonly #groups: readonly Coalition[]
  readonly #scores: Float64Array
  #full: number | undefined
  #done = 0
  #asked = 0

  constructor(players: number, groups: readonly Coalition[]) {
    this.#players = players
    this.#groups = groups
    this.#scores = new Float64Array(groups.length)
  }
  next(room: number): readonly Coalition[] {
    if (this.#full === undefined) return [fullCoalition(this.#players)]
    this.#asked = Math.max(0, Math.min(samplesPerRound, room, this.#groups.length - this.#done))
    return this.#groups
      .slice(this.#done, this.#done + this.#asked)
      .map(group => complementOf(group, this.#players))
  }
  report(values: readonly Float64Array[]): void {
    if (this.#full === undefined) {
      this.#full = values[0]![0]!
      return
    }
    for (const [at, value] of values.entries()) this.#scores[this.#done + at] = this.#full - value[0]!
    this.#done += values.length
  }
  result(): SamplerResult {
    return { scores: this.#scores.slice(), full: this.#full!, samples: this.#done, warnings: [] }
  }
  progress(): number {
    return this.#groups.length === 0 ? 1 : this.#done / this.#groups.length
  }
}
