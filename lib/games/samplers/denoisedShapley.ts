import { type Coalition, emptyCoalition, withMember } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { RandomStream } from '../randomStream.js'
import { areEqual, constantWarning, type SamplerResult } from './samplerResult.js'

export interface DenoisedShapleySettings {
  players: number
  permutations: number
  /** Share of a player's contributions that count, the greatest ones; above 0, 1 for all of them. */
  share: number
  seed: number
  /** Names the stream of random numbers beside the seed. Default 0. */
  item?: number
}

/**
 * Means of the greatest contributions: players enter one by one in random order, and of what each brought over all
 * orders only the greatest `max(1, floor(share * permutations))` count. A share of 1 gives the Shapley values by
 * permutations.
 *
 * Source: Wang et al., "TracLLM" (2025), denoised Shapley values.
 */
export class DenoisedShapleyPlayer implements CoalitionPlayer<SamplerResult> {
  readonly #settings: DenoisedShapleySettings
  readonly #draw: (sample: number) => ArrayLike<number>
  readonly #brought: number[][]
  #order: ArrayLike<number> = []
  #done = 0
  #ends: { empty: number; full: number } | undefined
  #isConstant = true

  /** @param draw Another source of orders than the seed, for enumeration. */
  constructor(settings: DenoisedShapleySettings, draw?: (sample: number) => ArrayLike<number>) {
    const { players, seed, item = 0 } = settings
    this.#settings = settings
    this.#draw = draw ?? (sample => new RandomStream(seed, item, sample).permutation(players))
    this.#brought = Array.from({ length: players }, () => [])
  }

  next(room: number): readonly Coalition[] {
    const { players, permutations } = this.#settings
    // Half a permutation is of no use: what it costs at most must fit.
    if (this.#done >= permutations || room < (this.#ends === undefined ? players + 1 : players - 1)) return []
    this.#order = this.#draw(this.#done)
    const coalitions: Coalition[] = [emptyCoalition(players)]
    for (const player of Array.from(this.#order)) coalitions.push(withMember(coalitions.at(-1)!, player))
    return coalitions
  }
  report(values: readonly Float64Array[]): void {
    for (let at = 0; at < this.#order.length; at++)
      this.#brought[this.#order[at]!]!.push(values[at + 1]![0]! - values[at]![0]!)
    this.#ends ??= { empty: values[0]![0]!, full: values.at(-1)![0]! }
    this.#isConstant &&= areEqual(values.map(value => value[0]!))
    this.#done++
  }
  result(): SamplerResult {
    const count = countedContributions(this.#settings.share, this.#done)
    const counted = this.#brought.map(each => each.toSorted((a, b) => b - a).slice(0, count))
    const mean = (list: readonly number[]) => list.reduce((sum, each) => sum + each, 0) / list.length
    // Of the greatest only: they are no independent draws, and their spread is no standard error.
    const errors =
      this.#settings.share === 1
        ? counted.map(each => {
            const center = mean(each)
            const squares = each.reduce((sum, value) => sum + (value - center) ** 2, 0)
            return each.length < 2 ? Number.NaN : Math.sqrt(squares / (each.length - 1) / each.length)
          })
        : undefined
    return {
      scores: Float64Array.from(counted, mean),
      ...(errors ? { errors: Float64Array.from(errors) } : {}),
      ...this.#ends!,
      samples: this.#done,
      warnings: this.#isConstant ? [constantWarning] : [],
    }
  }
  progress(): number {
    return this.#done / this.#settings.permutations
  }
}

/** max(1, floor(share * permutations)), of the share as it is written: 0.29 of 100 are 29. */
export const countedContributions = (share: number, permutations: number): number =>
  Math.max(1, Math.floor(Number((share * permutations).toPrecision(12))))
