import { type Hierarchy, OwenPlayer } from '../../games/samplers/owen.js'
import type { Explainable } from '../../model/explainable.js'
import type { Regions } from '../../regions/regions.js'
import { expectObject } from '../../validate.js'
import type { Perturbation } from './perturbationMethod.js'
import type { RegionInput } from './regionInput.js'
import { limitOptions, RegionMethod, type RegionMethodOptions, sharedRegionOptions } from './regionMethod.js'

export const owenValuesOptions = { ...sharedRegionOptions, budget: limitOptions.budget } as const
export type OwenValuesOptions = RegionMethodOptions<typeof owenValuesOptions> & {
  /** Regions in nested groups, every one once. Default: halved again and again along the longer side. */
  hierarchy?: Hierarchy
}

/**
 * Owen values of regions in nested groups: Shapley values in which the members of a group come together. Groups that
 * change the value most are taken apart first; under a budget, what is not taken apart has its value shared out evenly.
 * Scores always add up.
 *
 * Source: Owen, "Values of games with a priori unions" (1977); over halved pictures as the partition explainer of shap.
 */
export class OwenValues extends RegionMethod<typeof owenValuesOptions> {
  protected readonly name = 'OwenValues'
  readonly #hierarchy: Hierarchy | undefined
  constructor(model: Explainable, options: OwenValuesOptions = {}) {
    const { hierarchy, ...rest } = expectObject('options', options) as OwenValuesOptions
    super(model, owenValuesOptions, rest)
    this.#hierarchy = hierarchy
  }
  override identity() {
    const identity = super.identity()
    const hierarchy = this.#hierarchy ?? 'halves'
    return { ...identity, options: { ...identity.options, hierarchy } }
  }
  protected override get complete(): boolean {
    return true
  }
  protected override perturb({ regions }: RegionInput): Perturbation {
    return { player: new OwenPlayer(regions.count, this.#hierarchy ?? halvedRegions(regions)) }
  }
}

/** Regions halved again and again by their centres along the longer side of what they span. */
export function halvedRegions(regions: Regions): Hierarchy {
  const { labels, count, shape } = regions
  const axes = shape.length
  const centres = Array.from({ length: count }, () => new Float64Array(axes))
  const areas = new Float64Array(count)
  for (const [place, label] of labels.entries()) {
    let rest = place
    for (let axis = axes - 1; axis >= 0; axis--) {
      centres[label]![axis]! += rest % shape[axis]!
      rest = Math.floor(rest / shape[axis]!)
    }
    areas[label]!++
  }
  for (const [region, centre] of centres.entries())
    for (let axis = 0; axis < axes; axis++) centre[axis]! /= areas[region]!
  const halve = (members: readonly number[]): Hierarchy => {
    if (members.length === 1) return members[0]!
    const span = (axis: number) => {
      const along = members.map(member => centres[member]![axis]!)
      return Math.max(...along) - Math.min(...along)
    }
    let longer = 0
    for (let axis = 1; axis < axes; axis++) if (span(axis) > span(longer)) longer = axis
    const sorted = [...members].sort((a, b) => centres[a]![longer]! - centres[b]![longer]! || a - b)
    const middle = Math.ceil(sorted.length / 2)
    return [halve(sorted.slice(0, middle)), halve(sorted.slice(middle))]
  }
  return halve(Array.from({ length: count }, (_, region) => region))
}
