import type { OutputEntry } from '../../attribution/types.js'
import type { Ending } from '../../games/play.js'
import { regionAreas } from '../../regions/regions.js'
import type { SearchResult } from './greedySearch.js'
import type { RegionInput } from './regionInput.js'
import {
  areaUnder,
  type CurvePoint,
  coveredShares,
  deletionCurve,
  highestConfidence,
  insertionCurve,
} from './searchCurves.js'

/** What a search found for one input and one class. */
export interface RegionSearchInit {
  readonly input: RegionInput
  /** The class that was explained. */
  readonly target: number
  /** What the model says of the whole. */
  readonly output: readonly OutputEntry[]
  readonly result: SearchResult
  readonly ending: Ending
  /** Sets that were evaluated. */
  readonly evaluations: number
}

/** Shares of the area up to which the highest confidence is told. */
export const confidenceShares = [0.25, 0.5, 0.75, 1] as const

/** A region that speaks against the target: its probability falls when the region is shown. */
export interface MisleadingRegion {
  readonly region: number
  /** Its place in the order, from 0. */
  readonly place: number
  /** By how much the target's probability falls when it joins those before it. */
  readonly drop: number
  /** Its share of the area. */
  readonly area: number
}

/**
 * An order of regions with its curves. Areas are counted in the places that a region covers.
 */
export class RegionSearch implements RegionSearchInit {
  readonly input: RegionInput
  readonly target: number
  readonly output: readonly OutputEntry[]
  readonly result: SearchResult
  readonly ending: Ending
  readonly evaluations: number
  /** Places of each region. */
  readonly areas: Float64Array

  constructor(init: RegionSearchInit) {
    this.input = init.input
    this.target = init.target
    this.output = init.output
    this.result = init.result
    this.ending = init.ending
    this.evaluations = init.evaluations
    this.areas = regionAreas(init.input.regions)
  }

  /** Regions from the most to the least responsible. */
  get order(): readonly number[] {
    return this.result.order
  }
  /** Probability of the target over the share of the area that is shown, most responsible regions first. */
  get insertion(): readonly CurvePoint[] {
    return insertionCurve(this.result, this.areas)
  }
  /** Probability of the target over the share of the area that is taken away, most responsible regions first. */
  get deletion(): readonly CurvePoint[] {
    return deletionCurve(this.result, this.areas)
  }
  /** Whether every prefix of the order was evaluated; a search that was stopped has gaps. */
  get isComplete(): boolean {
    return this.result.prefixes.every(scores => scores !== undefined)
  }
  /** Area under the insertion curve; undefined where the search was stopped. */
  get insertionArea(): number | undefined {
    return this.isComplete ? areaUnder(this.insertion) : undefined
  }
  /** Area under the deletion curve; undefined where the search was stopped. */
  get deletionArea(): number | undefined {
    return this.isComplete ? areaUnder(this.deletion) : undefined
  }

  /**
   * The highest probability of the target of what the first regions show, within this share of the area.
   *
   * @returns undefined where the first region alone covers more.
   */
  highestConfidence(share = 1): { probability: number; area: number } | undefined {
    return highestConfidence(this.insertion, share)
  }

  /**
   * Regions behind the peak of the target's probability that lower it when they are shown, the worst one first: for a
   * wrong prediction and its true class, what misled the model.
   */
  misleading(): MisleadingRegion[] {
    const { order, prefixes, chosen, rejected } = this.result
    const shares = coveredShares(order, this.areas)
    const peak = this.highestConfidence()
    if (peak === undefined) return []
    const regions = order.flatMap((region, place): MisleadingRegion[] => {
      const [before, after] = [prefixes[place - 1], prefixes[place]]
      // Undecided regions have no place of their own.
      const isDecided = place < chosen || place >= order.length - rejected
      if (!isDecided || before === undefined || after === undefined) return []
      if (shares[place]! <= peak.area) return []
      const drop = before.consistency - after.consistency
      return drop > 0 ? [{ region, place, drop, area: shares[place]! - shares[place - 1]! }] : []
    })
    return regions.sort((a, b) => b.drop - a.drop || a.place - b.place)
  }
}
