import type { Model } from '../../model/model.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import { stratifiedDraws, uniformDraws } from './pathDraws.js'

export const gradientShapOptions = {
  samples: {
    kind: 'integer',
    default: 50,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Points, each on the path from one of the baselines.',
  },
  sigma: {
    kind: 'number',
    default: 0,
    minimum: 0,
    description: 'Standard deviation of the noise on the input, in model space.',
  },
  sampling: {
    kind: 'choice',
    choices: ['stratified', 'captum'],
    default: 'stratified',
    description:
      'Baselines in turn and places on the path in strata that are dealt out at random; or both drawn freely, as Captum does.',
  },
  seed: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: 0x7fff_ffff,
    description: 'Of the draws; equal seeds give equal scores whatever the batch.',
  },
} as const

export type GradientShapOptions = Given<typeof gradientShapOptions>

/**
 * GradientSHAP, also called expected gradients: (x - x') times the gradient at a random place on the path from x' to x,
 * its mean over baselines x' of a distribution. `baseline` is a tensor [baselines, ...] (or one, or a number).
 *
 * Scores have the shape of the input and add up to f(x) less the mean of f over the baselines in expectation; the result
 * carries what is missing as `checks.completeness`. Costs `samples` forward and backward passes, and a forward pass for
 * each baseline. Several inputs share one path. The noise is on the input alone, and the difference is the noisy one's.
 *
 * Sources: Lundberg and Lee, "A unified approach to interpreting model predictions" (NeurIPS 2017), the SHAP library;
 * Erion et al., "Improving performance of deep learning models with axiomatic attribution priors and expected gradients"
 * (2021), equation 3. The strata are ours: the same mean where the baselines divide the samples, at less variance.
 *
 * @throws AscribeError INPUT_SHAPE for an empty set of baselines or one of another shape.
 */
export class GradientShap extends GradientMethod {
  readonly options: Resolved<typeof gradientShapOptions>

  constructor(model: Model, options: GradientShapOptions = {}) {
    super(model)
    this.options = resolveOptions(gradientShapOptions, options)
  }
  protected override get isOneByOne(): boolean {
    return true
  }
  override recipe(): Recipe {
    const { samples, sigma, sampling, seed } = this.options
    const draw = sampling === 'captum' ? uniformDraws : stratifiedDraws
    return {
      quantity: 'integrated',
      points: Float64Array.of(1),
      weights: Float64Array.of(1),
      samples,
      statistic: 'mean',
      seed,
      ...(sigma > 0 ? { noise: { sigma } } : {}),
      draws: rows => draw(samples, rows, seed),
    }
  }
  protected override get complete(): boolean {
    return true
  }
  override identity(): MethodIdentity {
    const { seed, ...options } = this.options
    return { name: 'GradientShap', options, seed }
  }
}
