import { type Coalition, coalitionOf, emptyCoalition } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { areEqual, constantWarning, type SamplerResult, samplesPerRound } from './samplerResult.js'

/** What each player is worth by itself: `value({i}) - value({})`. */
export class SingleContributionPlayer implements CoalitionPlayer<SamplerResult> {
  readonly #players: number
  readonly #values: number[] = []
  #empty: number | undefined

  constructor(players: number) {
    this.#players = players
  }
  next(room: number): readonly Coalition[] {
    if (this.#empty === undefined) return [emptyCoalition(this.#players)]
    const done = this.#values.length
    const count = Math.max(0, Math.min(samplesPerRound, room, this.#players - done))
    return Array.from({ length: count }, (_, at) => coalitionOf(this.#players, [done + at]))
  }
  report(values: readonly Float64Array[]): void {
    if (this.#empty === undefined) this.#empty = values[0]![0]!
    else this.#values.push(...values.map(value => value[0]!))
  }
  result(): SamplerResult {
    const empty = this.#empty!
    const scores = new Float64Array(this.#players)
    for (const [player, value] of this.#values.entries()) scores[player] = value - empty
    return {
      scores,
      empty,
      samples: this.#values.length,
      warnings: areEqual([empty, ...this.#values]) ? [constantWarning] : [],
    }
  }
  progress(): number {
    return this.#values.length / this.#players
  }
}
