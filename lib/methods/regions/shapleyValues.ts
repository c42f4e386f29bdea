import { ExactShapleyPlayer } from '../../games/samplers/exactShapley.js'
import type { Explainable } from '../../model/explainable.js'
import type { Perturbation } from './perturbationMethod.js'
import type { RegionInput } from './regionInput.js'
import { RegionMethod, type RegionMethodOptions, sharedRegionOptions } from './regionMethod.js'

export const shapleyValuesOptions = sharedRegionOptions
export type ShapleyValuesOptions = RegionMethodOptions<typeof shapleyValuesOptions>

/**
 * Shapley values from all coalitions of at most 20 regions: exact, 2^regions passes.
 *
 * Source: Shapley, "A value for n-person games" (1953).
 */
export class ShapleyValues extends RegionMethod<typeof shapleyValuesOptions> {
  protected readonly name = 'ShapleyValues'
  constructor(model: Explainable, options: ShapleyValuesOptions = {}) {
    super(model, shapleyValuesOptions, options)
  }
  protected override get complete(): boolean {
    return true
  }
  protected override perturb({ regions }: RegionInput): Perturbation {
    return { player: new ExactShapleyPlayer(regions.count) }
  }
}
