import { AscribeError } from '../../errors.js'
import type { Coalition } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { areEqual, constantWarning, type SamplerResult, samplesPerRound } from './samplerResult.js'

/** More players have more coalitions than anybody waits for. */
export const greatestExactPlayers = 20

/** Shapley values from all coalitions. Source: Shapley, "A value for n-person games" (1953). */
export class ExactShapleyPlayer implements CoalitionPlayer<SamplerResult> {
  readonly #players: number
  readonly #values: Float64Array
  #done = 0

  /** @throws AscribeError `OPTION_RANGE` for more than 20 players. */
  constructor(players: number) {
    if (players > greatestExactPlayers)
      throw new AscribeError(
        'OPTION_RANGE',
        `Exact Shapley values of ${players} regions need 2^${players} passes; at most ${greatestExactPlayers} regions`,
        { hint: 'KernelShap and ShapleyValueSampling sample them.' },
      )
    this.#players = players
    this.#values = new Float64Array(2 ** players)
  }
  next(room: number): readonly Coalition[] {
    // Scores need every coalition: a budget below that is of no use.
    if (room < this.#values.length - this.#done) return []
    const count = Math.min(samplesPerRound, this.#values.length - this.#done)
    return Array.from({ length: count }, (_, at) => Uint32Array.of(this.#done + at))
  }
  report(values: readonly Float64Array[]): void {
    for (const value of values) this.#values[this.#done++] = value[0]!
  }
  result(): SamplerResult {
    const players = this.#players
    const scores = new Float64Array(players)
    // |S|! (d - |S| - 1)! / d!
    const weights = Float64Array.from({ length: players }, (_, size) => {
      let weight = 1 / players
      for (let at = 1; at <= size; at++) weight *= at / (players - at)
      return weight
    })
    for (let set = 0; set < this.#values.length; set++) {
      let size = 0
      for (let bits = set; bits !== 0; bits &= bits - 1) size++
      for (let player = 0; player < players; player++) {
        const bit = 2 ** player
        if (set & bit) scores[player]! += weights[size - 1]! * (this.#values[set]! - this.#values[set - bit]!)
      }
    }
    return {
      scores,
      errors: new Float64Array(players),
      full: this.#values.at(-1)!,
      empty: this.#values[0]!,
      samples: this.#values.length,
      warnings: areEqual(this.#values) ? [constantWarning] : [],
    }
  }
  progress(): number {
    return this.#done / this.#values.length
  }
}
