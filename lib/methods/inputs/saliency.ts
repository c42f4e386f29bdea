import type { Model } from '../../model/model.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import { onePass } from './recipe.js'

export const saliencyOptions = {
  absolute: {
    kind: 'boolean',
    default: true,
    description: 'Take the absolute value of the gradient; off for signed scores.',
  },
} as const

export type SaliencyOptions = Given<typeof saliencyOptions>

/**
 * The gradient of the target in the input, by default its absolute value. One forward and one backward pass.
 *
 * Scores have the shape of the input. Source: Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks"
 * (2014), section 3.
 */
export class Saliency extends GradientMethod {
  readonly options: Resolved<typeof saliencyOptions>

  constructor(model: Model, options: SaliencyOptions = {}) {
    super(model)
    this.options = resolveOptions(saliencyOptions, options)
  }
  override recipe(): Recipe {
    return onePass(this.options.absolute ? 'absolute' : 'gradient')
  }
  override identity(): MethodIdentity {
    return { name: 'Saliency', options: this.options }
  }
}
