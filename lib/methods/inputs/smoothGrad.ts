import type { EnsembleRequest } from '#typings/addon.js'
import { AscribeError } from '../../errors.js'
import { Model } from '../../model/model.js'
import type { PreparedInput } from '../../model/prepareInput.js'
import { expectInteger, typeError } from '../../validate.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { biasedOption } from './biasedOption.js'
import { type AttributeOptions, GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import type { Example, Present } from './gradientResult.js'
import { Saliency } from './saliency.js'

export const smoothGradOptions = {
  samples: {
    kind: 'integer',
    default: 50,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Noisy copies of the input.',
  },
  fractionOfRange: {
    kind: 'number',
    default: 0.15,
    minimum: 0,
    description:
      "Standard deviation of the noise as a share of the example's max - min [unconfirmed: the source says input range].",
  },
  sigma: {
    kind: 'number',
    default: undefined as number | undefined,
    minimum: 0,
    description: 'Standard deviation of the noise in model space; replaces fractionOfRange.',
  },
  seed: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Of the noise; equal seeds give equal scores whatever the batch.',
  },
} as const

export type SmoothGradOptions = Given<typeof smoothGradOptions>

/** Noise around any gradient method: the base method's scores of many noisy copies, reduced by a statistic. */
abstract class NoiseAround extends GradientMethod {
  readonly base: GradientMethod
  protected abstract readonly name: string
  protected abstract readonly statistic: EnsembleRequest['statistic']
  readonly noise: Resolved<typeof smoothGradOptions>

  constructor(base: GradientMethod | Model, options: SmoothGradOptions) {
    const method = base instanceof Model ? new Saliency(base) : base
    if (!(method instanceof GradientMethod))
      throw typeError('base', 'a model, or a method that reads gradients of values', base)
    super(method.model)
    if (!method.takesNoise)
      throw new AscribeError(
        'OPTION_RANGE',
        `${method.identity().name} draws samples, walks a path or compares with the input itself, and noise cannot be put around it`,
        { hint: 'IntegratedGradients can be one without `tolerance`.' },
      )
    this.base = method
    this.noise = resolveOptions(smoothGradOptions, options)
  }
  override recipe(): Recipe {
    return this.#around(this.base.recipe())
  }
  override async recipeFor(example: Example, options: AttributeOptions): Promise<Recipe> {
    return this.#around(await this.base.recipeFor(example, options))
  }
  override targetFor(options: AttributeOptions): AttributeOptions['target'] {
    return this.base.targetFor(options)
  }
  override chooseExplained(prepared: PreparedInput, options: AttributeOptions): Promise<AttributeOptions> {
    return this.base.chooseExplained(prepared, options)
  }
  override get present(): Present | undefined {
    return this.base.present
  }
  #around(recipe: Recipe): Recipe {
    const { samples, sigma, fractionOfRange, seed } = this.noise
    return {
      ...recipe,
      samples,
      seed,
      statistic: this.statistic,
      noise: sigma === undefined ? { fractionOfRange } : { sigma },
    }
  }
  override identity(): MethodIdentity {
    const { sigma, fractionOfRange, samples, seed } = this.noise
    const base = this.base.identity()
    return {
      name: this.name,
      seed,
      options: {
        samples,
        ...(sigma === undefined ? { fractionOfRange } : { sigma }),
        base: base.name,
        ...base.options,
      },
    }
  }
}

/**
 * SmoothGrad: the mean of a method's scores over noisy copies of the input. Around {@link Saliency} the absolute
 * value is taken per sample, before averaging, as Captum's NoiseTunnel does.
 *
 * @param base A gradient method, or a model (then Saliency).
 * Source: Smilkov, Thorat, Kim, Viégas and Wattenberg, "SmoothGrad: removing noise by adding noise" (2017).
 */
export class SmoothGrad extends NoiseAround {
  protected readonly name = 'SmoothGrad'
  protected readonly statistic = 'mean'
  constructor(base: GradientMethod | Model, options: SmoothGradOptions = {}) {
    super(base, options)
  }
}

/** SmoothGrad squared: the mean of the squared scores. Source: Hooker et al., "A benchmark for interpretability methods" (2019). */
export class SmoothGradSquared extends NoiseAround {
  protected readonly name = 'SmoothGradSquared'
  protected readonly statistic = 'meanSquare'
  constructor(base: GradientMethod | Model, options: SmoothGradOptions = {}) {
    super(base, options)
  }
}

const varGradOptions = { ...smoothGradOptions, ...biasedOption }

export type VarGradOptions = Given<typeof varGradOptions>

/**
 * VarGrad: the variance of a method's scores over noisy copies of the input, by Welford's update; needs 2 samples.
 *
 * @param base A gradient method, or a model (then Saliency).
 * Source: Adebayo et al., "Local explanation methods for deep neural networks lack sensitivity to parameter values"
 * (2018).
 */
export class VarGrad extends NoiseAround {
  protected readonly name = 'VarGrad'
  protected readonly statistic: 'variance' | 'biasedVariance'
  constructor(base: GradientMethod | Model, options: VarGradOptions = {}) {
    const { biased, ...noise } = resolveOptions(varGradOptions, options)
    super(base, noise)
    if (!biased) expectInteger('samples', noise.samples, 2)
    this.statistic = biased ? 'biasedVariance' : 'variance'
  }
  override identity(): MethodIdentity {
    const { options, ...rest } = super.identity()
    return { ...rest, options: { ...options, biased: this.statistic === 'biasedVariance' } }
  }
}
