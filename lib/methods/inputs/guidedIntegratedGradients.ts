import type { Model } from '../../model/model.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import { onePass } from './recipe.js'

export const guidedIntegratedGradientsOptions = {
  steps: {
    kind: 'integer',
    default: 200,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Steps of the path; each waits for the gradient of the one before it.',
  },
  fraction: {
    kind: 'number',
    default: 0.25,
    minimum: 0,
    maximum: 1,
    description: 'Share of the inputs, those with the least gradients, that move at a time.',
  },
  maximumDistance: {
    kind: 'number',
    default: 0.02,
    minimum: 0,
    maximum: 1,
    description: 'How far, as a share of its way, an input may be before or behind the straight path.',
  },
  rule: {
    kind: 'choice',
    choices: ['trapezoid', 'left'],
    default: 'trapezoid',
    description:
      "The gradient of a step: the mean of those at its ends, or that at its beginning, as the authors' software has it.",
  },
} as const

export type GuidedIntegratedGradientsOptions = Given<typeof guidedIntegratedGradientsOptions>

/**
 * Guided integrated gradients: a path from the baseline to the input on which the inputs with the least gradients move
 * first, within a corridor around the straight path; gradients times moves, summed. A step's gradient is the mean of
 * those at its ends; the authors' software (`rule: 'left'`) has that at its beginning, by which a step's inputs were chosen
 * for being small, so that it says too little of what they do.
 *
 * Scores have the shape of the input and add up to f(x) - f(x') up to the error of the steps, which the result carries as
 * `checks.completeness`. Costs steps + 1 forward and backward passes, one after the other; examples of a list go side by
 * side.
 *
 * Source: Kapishnikov et al., "Guided integrated gradients: an adaptive path method for removing noise" (CVPR 2021),
 * algorithm 1; the corridor and the other defaults are those of the authors' software.
 */
export class GuidedIntegratedGradients extends GradientMethod {
  readonly options: Resolved<typeof guidedIntegratedGradientsOptions>

  constructor(model: Model, options: GuidedIntegratedGradientsOptions = {}) {
    super(model)
    this.options = resolveOptions(guidedIntegratedGradientsOptions, options)
  }
  override recipe(): Recipe {
    return { ...onePass('integrated'), walk: { kind: 'guided', ...this.options } }
  }
  override identity(): MethodIdentity {
    return { name: 'GuidedIntegratedGradients', options: this.options }
  }
}
