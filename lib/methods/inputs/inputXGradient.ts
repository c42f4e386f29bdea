import type { Model } from '../../model/model.js'
import { resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import { onePass } from './recipe.js'

/**
 * The input times the gradient of the target in it. Scores have the shape of the input; for a linear model they add
 * up to the target less its value at 0. One forward and one backward pass.
 *
 * Source: Shrikumar, Greenside, Shcherbina and Kundaje, "Not just a black box" (2016).
 */
export class InputXGradient extends GradientMethod {
  constructor(model: Model, options: Record<string, never> = {}) {
    super(model)
    resolveOptions({}, options)
  }
  override recipe(): Recipe {
    return onePass('inputTimesGradient')
  }
  override identity(): MethodIdentity {
    return { name: 'InputXGradient', options: {} }
  }
}
