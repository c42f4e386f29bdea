import type { Coalition } from '../../games/coalition.js'
import type { CoalitionPlayer } from '../../games/play.js'
import { RandomStream } from '../../games/randomStream.js'
import { GreedySearch, type GreedySearchOptions, type SearchResult } from './greedySearch.js'

/** Regions split at random into parts of nearly equal sizes; each part in ascending order. */
export function randomParts(players: number, parts: number, seed: number): number[][] {
  const shuffled = new RandomStream(seed, 0, 0).permutation(players)
  return Array.from({ length: parts }, (_, part) =>
    Array.from(
      shuffled.slice(Math.floor((part * players) / parts), Math.floor(((part + 1) * players) / parts)),
    ).sort((a, b) => a - b),
  )
}

/**
 * Greedy selection inside random parts of the regions, then among those that were chosen there: k regions of a large
 * number with fewer evaluations. Sets that come up again are known.
 *
 * Source: the option `sub-n` of SMDL's code (arXiv 2402.09164); that each part chooses as many regions as are wanted in
 * the end is [unconfirmed].
 */
export class PartitionedSearch implements CoalitionPlayer<SearchResult> {
  readonly #options: GreedySearchOptions & { limit: number }
  readonly #parts: readonly (readonly number[])[]
  readonly #chosen: number[] = []
  #place = 0
  #current: GreedySearch
  #inputs = 0
  #nearTies = 0

  constructor(options: GreedySearchOptions & { limit: number }, parts: number, seed: number) {
    this.#options = options
    this.#parts = randomParts(options.players, parts, seed)
    this.#current = this.#searchAmong(this.#parts[0]!)
  }

  #searchAmong(candidates: readonly number[]): GreedySearch {
    const limit = Math.min(this.#options.limit, candidates.length)
    return new GreedySearch({ ...this.#options, candidates, limit })
  }

  next(): readonly Coalition[] {
    for (;;) {
      const asked = this.#current.next()
      if (asked.length > 0 || this.#place === this.#parts.length) return asked
      const { order, chosen, searchInputs, nearTies } = this.#current.result()
      this.#chosen.push(...order.slice(0, chosen))
      this.#inputs += searchInputs
      this.#nearTies += nearTies
      this.#place++
      const isLast = this.#place === this.#parts.length
      this.#current = this.#searchAmong(
        isLast ? this.#chosen.toSorted((a, b) => a - b) : this.#parts[this.#place]!,
      )
    }
  }
  report(values: readonly Float64Array[]): void {
    this.#current.report(values)
  }
  progress(): number {
    return (this.#place + this.#current.progress()) / (this.#parts.length + 1)
  }
  result(): SearchResult {
    const result = this.#current.result()
    return {
      ...result,
      searchInputs: this.#inputs + result.searchInputs,
      nearTies: this.#nearTies + result.nearTies,
    }
  }
}
