import type { EnsembleResult } from '#typings/addon.js'
import type { Model } from '../../model/model.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import { quadrature, quadratureRules } from './quadrature.js'

export const integratedGradientsOptions = {
  steps: {
    kind: 'integer',
    default: 50,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Points on the path from the baseline to the input.',
  },
  rule: {
    kind: 'choice',
    choices: quadratureRules,
    default: 'gausslegendre',
    description: 'Quadrature along the path.',
  },
  tolerance: {
    kind: 'number',
    default: undefined as number | undefined,
    minimum: 0,
    exclusive: true,
    description: 'Double the steps until |delta| is below this share of |f(input) - f(baseline)|.',
  },
  maximumSteps: {
    kind: 'integer',
    default: 3200,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Where doubling for the tolerance stops.',
  },
} as const

export type IntegratedGradientsOptions = Given<typeof integratedGradientsOptions>

/**
 * Integrated gradients: (x - x') times the mean gradient along the straight path from the baseline x' to x.
 *
 * Scores have the shape of the input and add up to f(x) - f(x') up to the error of the quadrature, which the result
 * carries as `checks.completeness`. Networks with ReLUs have kinks along the path, so every rule converges like 1/n.
 * Costs `steps` forward and backward passes. Several inputs share one path.
 *
 * Source: Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks" (ICML 2017).
 */
export class IntegratedGradients extends GradientMethod {
  readonly options: Resolved<typeof integratedGradientsOptions>

  constructor(model: Model, options: IntegratedGradientsOptions = {}) {
    super(model)
    this.options = resolveOptions(integratedGradientsOptions, options)
    const { rule, steps, tolerance, maximumSteps } = this.options
    quadrature(rule, tolerance === undefined ? steps : Math.max(steps, maximumSteps))
  }
  protected override get isOneByOne(): boolean {
    return this.options.tolerance !== undefined
  }
  override get takesNoise(): boolean {
    return this.options.tolerance === undefined
  }
  override recipe(): Recipe {
    return this.#recipe(this.options.steps)
  }
  #recipe(steps: number): Recipe {
    return {
      quantity: 'integrated',
      ...quadrature(this.options.rule, steps),
      samples: 1,
      statistic: 'mean',
      seed: 0,
    }
  }
  override identity(): MethodIdentity {
    const { tolerance, ...others } = this.options
    return {
      name: 'IntegratedGradients',
      options: tolerance === undefined ? others : { ...others, tolerance },
    }
  }
  protected override async ensemble(
    run: (recipe: Recipe) => Promise<EnsembleResult>,
  ): Promise<{ result: EnsembleResult; details?: Record<string, number> }> {
    const { tolerance, maximumSteps } = this.options
    let { steps } = this.options
    let result = await run(this.#recipe(steps))
    if (tolerance === undefined) return { result }
    let forwardPasses = result.forwardPasses
    let backwardPasses = result.backwardPasses
    let milliseconds = result.milliseconds
    const missed = () => {
      const difference = result.objective[0]! - result.baselineObjective![0]!
      return Math.abs(result.sums[0]! - difference) >= tolerance * Math.abs(difference) && difference !== 0
    }
    while (missed() && 2 * steps <= maximumSteps) {
      steps *= 2
      result = await run(this.#recipe(steps))
      forwardPasses += result.forwardPasses
      backwardPasses += result.backwardPasses
      milliseconds += result.milliseconds
    }
    return { result: { ...result, forwardPasses, backwardPasses, milliseconds }, details: { steps } }
  }
}
