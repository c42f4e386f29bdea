import type { Model } from '../../model/model.js'
import {
  type AttributeOptions,
  GradientMethod,
  type MethodIdentity,
  type Recipe,
} from '../inputs/gradientMethod.js'
import { onePass } from '../inputs/recipe.js'
import { resolveOptions } from '../options.js'
import { requireLayer } from './requireLayer.js'

/**
 * Layer gradient x activation: what a layer holds times the gradient of the target in it; option `layer`. Scores have the
 * shape of the layer. One forward and one backward pass of what follows the layer.
 *
 * Source: Captum's LayerGradientXActivation, after Shrikumar et al., "Not just a black box" (2016).
 */
export class LayerGradientXActivation extends GradientMethod {
  constructor(model: Model, options: Record<string, never> = {}) {
    super(model)
    resolveOptions({}, options)
  }
  override recipe(): Recipe {
    return onePass('inputTimesGradient')
  }
  override async chooseExplained(_prepared: unknown, options: AttributeOptions): Promise<AttributeOptions> {
    return requireLayer(this, options)
  }
  override identity(): MethodIdentity {
    return { name: 'LayerGradientXActivation', options: {} }
  }
}
