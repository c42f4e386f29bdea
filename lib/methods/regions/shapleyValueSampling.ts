import { PermutationShapleyPlayer } from '../../games/samplers/permutationShapley.js'
import type { Explainable } from '../../model/explainable.js'
import type { Perturbation } from './perturbationMethod.js'
import type { RegionInput } from './regionInput.js'
import {
  limitOptions,
  RegionMethod,
  type RegionMethodOptions,
  seedOption,
  sharedRegionOptions,
} from './regionMethod.js'

export const shapleyValueSamplingOptions = {
  ...sharedRegionOptions,
  permutations: {
    kind: 'integer',
    default: 25,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Random orders in which regions enter; each costs a pass for every region.',
  },
  antithetic: {
    kind: 'boolean',
    default: false,
    description: 'Follow each order with its reverse.',
  },
  ...limitOptions,
  ...seedOption,
} as const
export type ShapleyValueSamplingOptions = RegionMethodOptions<typeof shapleyValueSamplingOptions>

/**
 * Shapley values of regions by random permutations. Scores add up after every permutation.
 *
 * Source: Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value based on sampling" (2009); 25
 * permutations as Captum.
 */
export class ShapleyValueSampling extends RegionMethod<typeof shapleyValueSamplingOptions> {
  protected readonly name = 'ShapleyValueSampling'
  constructor(model: Explainable, options: ShapleyValueSamplingOptions = {}) {
    super(model, shapleyValueSamplingOptions, options)
  }
  protected override get complete(): boolean {
    return true
  }
  protected override perturb({ regions }: RegionInput): Perturbation {
    const { permutations, antithetic, seed } = this.options
    return {
      player: new PermutationShapleyPlayer({ players: regions.count, permutations, antithetic, seed }),
    }
  }
}
