import { AscribeError } from '../../errors.js'
import { expectInteger } from '../../validate.js'
import {
  type Coalition,
  coalitionOf,
  complementOf,
  emptyCoalition,
  fullCoalition,
  isMember,
} from '../coalition.js'
import { LeastSquares, type LeastSquaresSolution } from '../leastSquares.js'
import type { CoalitionPlayer } from '../play.js'
import { RandomStream } from '../randomStream.js'
import { atOnce, type Sliced } from '../sliced.js'
import { constantWarning, relativeError, type SamplerResult, samplesPerRound } from './samplerResult.js'

/**
 * How scores are made to add up: `exact` eliminates one score; `soft` gives nobody and everybody the weight 1,000,000,
 * as Captum does; `none` leaves it, as Xplique does.
 */
export type ShapConstraint = 'exact' | 'soft' | 'none'

export interface KernelShapSettings {
  players: number
  samples: number
  constraint: ShapConstraint
  /** Draw each coalition with its complement. */
  paired: boolean
  seed: number
}

const endPointWeight = 1e6

/**
 * KernelSHAP: least squares over coalitions whose sizes k are drawn with weight (d - 1) / (k (d - k)). All coalitions
 * are taken, each once with its weight, where the samples allow it.
 *
 * Source: Lundberg and Lee, "A unified approach to interpreting model predictions" (2017), theorem 2.
 */
export class KernelShapPlayer implements CoalitionPlayer<SamplerResult> {
  readonly #settings: KernelShapSettings
  readonly #equations: LeastSquares
  readonly #enumerates: boolean
  readonly #total: number
  /** Cumulated probabilities of sizes 1 to d - 1. */
  readonly #sizes: Float64Array
  #ends: { empty: number; full: number } | undefined
  #asked: Coalition[] = []
  /** Reported, and not in the equations yet. */
  readonly #waiting: [Coalition, number][] = []
  #done = 0
  #known: { lowest: number; highest: number } = { lowest: Infinity, highest: -Infinity }
  #solution: LeastSquaresSolution | undefined

  constructor(settings: KernelShapSettings) {
    const { players, samples, constraint } = settings
    this.#settings = settings
    if (players < 2)
      throw new AscribeError(
        'OPTION_RANGE',
        'KernelSHAP needs at least 2 regions; one has the whole difference',
      )
    this.#enumerates = players <= 30 && 2 ** players - 2 <= samples
    // The end points count among Captum's samples; the others' are the coalitions between them.
    this.#total = this.#enumerates ? 2 ** players - 2 : constraint === 'soft' ? samples - 2 : samples
    if (!this.#enumerates && this.#total < players + 1)
      throw new AscribeError(
        'OPTION_RANGE',
        `${samples} samples do not decide ${players} scores: at least ${players + (constraint === 'soft' ? 3 : 1)} are needed`,
      )
    expectInteger('samples', samples, 1)
    this.#equations = new LeastSquares(constraint === 'exact' ? players - 1 : players + 1)
    const weights = Float64Array.from({ length: players - 1 }, (_, at) => 1 / ((at + 1) * (players - at - 1)))
    const sum = weights.reduce((all, weight) => all + weight, 0)
    let before = 0
    this.#sizes = weights.map(weight => {
      before += weight / sum
      return before
    })
  }

  next(room: number): readonly Coalition[] {
    const { players } = this.#settings
    if (this.#ends === undefined) return [emptyCoalition(players), fullCoalition(players)]
    const count = Math.max(0, Math.min(samplesPerRound, this.#total - this.#done, room))
    this.#asked = Array.from({ length: count }, (_, at) => this.#coalition(this.#done + at))
    return this.#asked
  }

  report(values: readonly Float64Array[]): void {
    const { constraint, players } = this.#settings
    this.#solution = undefined
    for (const [value] of values) {
      this.#known.lowest = Math.min(this.#known.lowest, value!)
      this.#known.highest = Math.max(this.#known.highest, value!)
    }
    if (this.#ends === undefined) {
      const [empty, full] = [values[0]![0]!, values[1]![0]!]
      this.#ends = { empty, full }
      if (constraint === 'soft') {
        this.#add(emptyCoalition(players), empty, endPointWeight)
        this.#add(fullCoalition(players), full, endPointWeight)
      }
      return
    }
    for (const [at, value] of values.entries()) this.#waiting.push([this.#asked[at]!, value[0]!])
    this.#done += values.length
  }

  *settle(forResult: boolean): Sliced<void> {
    const { players } = this.#settings
    while (this.#waiting.length > 0) {
      const [coalition, value] = this.#waiting.shift()!
      this.#add(coalition, value, this.#enumerates ? this.#weight(coalition) : 1)
      yield 2 * players * players
    }
    if (forResult && this.#done > 0) this.#solution ??= yield* this.#equations.solving()
  }

  result(): SamplerResult {
    const { players, constraint } = this.#settings
    const ends = this.#ends!
    const warnings: { code: string; message: string }[] = []
    const isConstant = this.#known.lowest === this.#known.highest
    if (isConstant) warnings.push(constantWarning)
    if (this.#done === 0 && players > 1)
      return { scores: new Float64Array(players), ...ends, samples: 0, warnings }
    atOnce(this.settle(true))
    const { solution, errors, rank, sumVariance } = this.#solution!
    if (rank < this.#equations.unknowns && !isConstant && this.#done >= this.#total)
      warnings.push({
        code: 'ILL_CONDITIONED',
        message: `The coalitions decide ${rank} of ${this.#equations.unknowns} numbers; draw more samples.`,
      })
    // Enumerated coalitions are all there are: the least-squares fit is the answer, not an estimate of it.
    const isExact = this.#enumerates && this.#done >= this.#total
    const known = isExact ? new Float64Array(errors.length) : errors
    if (constraint !== 'exact')
      return {
        scores: isConstant ? new Float64Array(players) : solution.slice(0, players),
        errors: known.slice(0, players),
        intercept: solution[players]!,
        ...ends,
        samples: this.#done,
        warnings,
      }
    const difference = ends.full - ends.empty
    const last = difference - solution.reduce((sum, score) => sum + score, 0)
    const lastError = isExact ? 0 : Math.sqrt(sumVariance)
    return {
      scores: Float64Array.of(...solution, last),
      errors: Float64Array.of(...known, lastError),
      intercept: ends.empty,
      ...ends,
      samples: this.#done,
      warnings,
    }
  }

  standardError(): number | undefined {
    if (this.#done === 0) return undefined
    const { scores, errors } = this.result()
    return relativeError(scores, errors!)
  }
  progress(): number {
    return this.#total === 0 ? (this.#ends ? 1 : 0) : this.#done / this.#total
  }

  #add(coalition: Coalition, value: number, weight: number): void {
    const { players, constraint } = this.#settings
    const member = (player: number) => (isMember(coalition, player) ? 1 : 0)
    if (constraint !== 'exact') {
      const row = Float64Array.from({ length: players + 1 }, (_, at) => (at === players ? 1 : member(at)))
      this.#equations.add(row, value, weight)
      return
    }
    // The last score is what the others leave of the difference, so that it leaves the equations.
    const { empty, full } = this.#ends!
    const last = member(players - 1)
    const row = Float64Array.from({ length: players - 1 }, (_, at) => member(at) - last)
    this.#equations.add(row, value - empty - last * (full - empty), weight)
  }

  /** The sample of this number. */
  #coalition(sample: number): Coalition {
    const { players, paired, seed } = this.#settings
    if (this.#enumerates) return Uint32Array.of(sample + 1)
    const pair = paired ? sample >>> 1 : sample
    const stream = new RandomStream(seed, 0, pair)
    const share = stream.uniform()
    const found = this.#sizes.findIndex(limit => share < limit)
    const size = found < 0 ? players - 1 : found + 1
    const coalition = coalitionOf(players, stream.permutation(players, size))
    return paired && sample % 2 === 1 ? complementOf(coalition, players) : coalition
  }

  /** Of one enumerated coalition: (d - 1) / (C(d, k) k (d - k)). */
  #weight(coalition: Coalition): number {
    const { players } = this.#settings
    let size = 0
    for (let player = 0; player < players; player++) if (isMember(coalition, player)) size++
    let choices = 1
    for (let at = 0; at < size; at++) choices = (choices * (players - at)) / (at + 1)
    return (players - 1) / (choices * size * (players - size))
  }
}
