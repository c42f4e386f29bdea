import { coalitionOf } from '../../games/coalition.js'
import { LeaveOneOutPlayer } from '../../games/samplers/leaveOneOut.js'
import type { Explainable } from '../../model/explainable.js'
import type { Perturbation } from './perturbationMethod.js'
import type { RegionInput } from './regionInput.js'
import { limitOptions, RegionMethod, type RegionMethodOptions, sharedRegionOptions } from './regionMethod.js'

export const leaveOneOutOptions = { ...sharedRegionOptions, budget: limitOptions.budget } as const
export type LeaveOneOutOptions = RegionMethodOptions<typeof leaveOneOutOptions>

/**
 * What the target loses without each region: one pass a region, and one for the whole.
 *
 * Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 4.2, over regions.
 */
export class LeaveOneOut extends RegionMethod<typeof leaveOneOutOptions> {
  protected readonly name = 'LeaveOneOut'
  constructor(model: Explainable, options: LeaveOneOutOptions = {}) {
    super(model, leaveOneOutOptions, options)
  }
  protected override perturb({ regions: { count } }: RegionInput): Perturbation {
    return { player: new LeaveOneOutPlayer(count, count, region => coalitionOf(count, [region])) }
  }
}
