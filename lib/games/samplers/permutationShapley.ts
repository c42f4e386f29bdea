import { type Coalition, emptyCoalition, withMember } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { RandomStream } from '../randomStream.js'
import { areEqual, constantWarning, relativeError, type SamplerResult } from './samplerResult.js'

export interface PermutationShapleySettings {
  players: number
  permutations: number
  /** Each permutation is followed by its reverse. */
  antithetic: boolean
  seed: number
}

/**
 * Shapley values by permutations: players enter one by one in random order, and each has the mean of what it brought.
 * After every permutation the scores add up to the value of all less that of nobody.
 *
 * Source: Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value based on sampling" (2009).
 */
export class PermutationShapleyPlayer implements CoalitionPlayer<SamplerResult> {
  readonly #settings: PermutationShapleySettings
  readonly #sums: Float64Array
  /** Of the samples of the error, which are the pairs where permutations are antithetic. */
  readonly #paired: Float64Array
  readonly #squares: Float64Array
  #order: Int32Array = new Int32Array(0)
  #done = 0
  #ends: { empty: number; full: number } | undefined
  #isConstant = true
  /** What the first of an antithetic pair brought; a pair is one sample of the error. */
  #first: Float64Array | undefined
  #units = 0

  constructor(settings: PermutationShapleySettings) {
    this.#settings = settings
    this.#sums = new Float64Array(settings.players)
    this.#paired = new Float64Array(settings.players)
    this.#squares = new Float64Array(settings.players)
  }

  next(room: number): readonly Coalition[] {
    const { players, permutations, antithetic, seed } = this.#settings
    // Half a permutation is of no use: what it costs at most must fit.
    if (this.#done >= permutations || room < (this.#ends === undefined ? players + 1 : players - 1)) return []
    const drawn = antithetic ? this.#done >>> 1 : this.#done
    this.#order = new RandomStream(seed, 0, drawn).permutation(players)
    if (antithetic && this.#done % 2 === 1) this.#order.reverse()
    const coalitions: Coalition[] = [emptyCoalition(players)]
    for (const player of this.#order) coalitions.push(withMember(coalitions.at(-1)!, player))
    return coalitions
  }
  report(values: readonly Float64Array[]): void {
    const { players, antithetic } = this.#settings
    const brought = new Float64Array(players)
    for (const [at, player] of this.#order.entries()) brought[player] = values[at + 1]![0]! - values[at]![0]!
    this.#ends ??= { empty: values[0]![0]!, full: values.at(-1)![0]! }
    this.#isConstant &&= areEqual(values.map(value => value[0]!))
    this.#done++
    for (const [player, change] of brought.entries()) this.#sums[player]! += change
    if (antithetic && this.#first === undefined) {
      this.#first = brought
      return
    }
    const sample = this.#first
      ? brought.map((change, player) => (change + this.#first![player]!) / 2)
      : brought
    for (const [player, change] of sample.entries()) {
      this.#paired[player]! += change
      this.#squares[player]! += change * change
    }
    this.#units++
    this.#first = undefined
  }
  result(): SamplerResult {
    const scores = this.#sums.map(sum => sum / this.#done)
    return {
      scores,
      errors: this.#errors(),
      ...this.#ends!,
      samples: this.#done,
      warnings: this.#isConstant ? [constantWarning] : [],
    }
  }
  standardError(): number | undefined {
    if (this.#units < 2) return undefined
    const scores = this.#sums.map(sum => sum / this.#done)
    return relativeError(scores, this.#errors())
  }
  progress(): number {
    return this.#done / this.#settings.permutations
  }

  #errors(): Float64Array {
    const units = this.#units
    if (units < 2) return new Float64Array(this.#squares.length).fill(Number.NaN)
    return this.#squares.map((squares, player) => {
      const mean = this.#paired[player]! / units
      return Math.sqrt(Math.max(0, squares / units - mean * mean) / (units - 1))
    })
  }
}
