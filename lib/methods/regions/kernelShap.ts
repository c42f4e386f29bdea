import { KernelShapPlayer } from '../../games/samplers/kernelShap.js'
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

export const kernelShapOptions = {
  ...sharedRegionOptions,
  samples: {
    kind: 'integer',
    default: 800,
    minimum: 1,
    maximum: 10_000_000,
    description: 'Coalitions that are drawn; where that many hold all of them, each is taken once.',
  },
  constraint: {
    kind: 'choice',
    choices: ['exact', 'soft', 'none'],
    default: 'exact',
    description:
      'How scores add up: exact; soft as Captum (two end points of weight 1,000,000 among the samples); none as Xplique.',
  },
  paired: {
    kind: 'boolean',
    default: true,
    description: 'Draw each coalition with its complement, which makes errors smaller.',
  },
  ...limitOptions,
  ...seedOption,
} as const
export type KernelShapOptions = RegionMethodOptions<typeof kernelShapOptions>

/**
 * KernelSHAP: Shapley values of regions by weighted least squares over random coalitions. Scores are signed and add up to
 * the target's value at the input less that at the baseline.
 *
 * Source: Lundberg and Lee, "A unified approach to interpreting model predictions" (2017), theorem 2. The constraint is
 * eliminated exactly; the forms of Captum and Xplique are options.
 *
 * @throws AscribeError `OPTION_RANGE` for fewer than 2 regions, or fewer samples than regions + 1.
 */
export class KernelShap extends RegionMethod<typeof kernelShapOptions> {
  protected readonly name = 'KernelShap'
  constructor(model: Explainable, options: KernelShapOptions = {}) {
    super(model, kernelShapOptions, options)
  }
  protected override get complete(): boolean {
    return this.options.constraint !== 'none'
  }
  protected override perturb({ regions }: RegionInput): Perturbation {
    const { samples, constraint, paired, seed } = this.options
    return { player: new KernelShapPlayer({ players: regions.count, samples, constraint, paired, seed }) }
  }
}
