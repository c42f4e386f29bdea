import type { Coalition } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { areEqual, constantWarning, type SamplerResult } from './samplerResult.js'
import { type SobolEstimator, sobolIndex } from './sobolIndices.js'

export interface SobolSettings {
  players: number
  /** Rows of the design. */
  samples: number
  estimator: SobolEstimator
}

/**
 * A row of the design as it stands for a coalition: the row, and the player whose column comes from the other design
 * (0: none, player + 1 otherwise).
 */
export const designRow = (row: number, player: number | undefined): Coalition =>
  Uint32Array.of(row, player === undefined ? 0 : player + 1)

/** Players of a game whose coalitions are {@link designRow}s: two words. */
export const designPlayers = 64

/**
 * Total-order Sobol indices: how much of the value's variance a player takes part in, over masks that are real numbers.
 * Row by row, so that what is known after some rows is the answer with fewer samples. Scores are unsigned.
 *
 * Source: Fel, Cadène, Chalvidal, Cord, Vigouroux and Serre, "Look at the variance!" (2021).
 */
export class SobolPlayer implements CoalitionPlayer<SamplerResult> {
  readonly #settings: SobolSettings
  readonly #base: number[] = []
  readonly #mixed: number[][]

  constructor(settings: SobolSettings) {
    this.#settings = settings
    this.#mixed = Array.from({ length: settings.players }, () => [])
  }
  next(room: number): readonly Coalition[] {
    const { players, samples } = this.#settings
    const row = this.#base.length
    if (row >= samples || room < players + 1) return []
    return [
      designRow(row, undefined),
      ...Array.from({ length: players }, (_, player) => designRow(row, player)),
    ]
  }
  report(values: readonly Float64Array[]): void {
    this.#base.push(values[0]![0]!)
    for (const [player, column] of this.#mixed.entries()) column.push(values[player + 1]![0]!)
  }
  result(): SamplerResult {
    const { players, estimator } = this.#settings
    const samples = this.#base.length
    if (samples < 2 || (areEqual(this.#base) && this.#mixed.every(areEqual)))
      return { scores: new Float64Array(players), samples, warnings: [constantWarning] }
    return {
      scores: Float64Array.from(this.#mixed, column => sobolIndex(estimator, this.#base, column)),
      samples,
      warnings: [],
    }
  }
  progress(): number {
    return this.#base.length / this.#settings.samples
  }
}
