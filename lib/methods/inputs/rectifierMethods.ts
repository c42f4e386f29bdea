import type { Model } from '../../model/model.js'
import { resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import { onePass } from './recipe.js'

/** A backward pass in which rectifiers have a rule of their own. */
abstract class RectifierMethod extends GradientMethod {
  protected abstract readonly name: string
  protected abstract readonly rules: 'guided' | 'deconvolution'

  constructor(model: Model, options: Record<string, never> = {}) {
    super(model)
    resolveOptions({}, options)
  }
  override recipe(): Recipe {
    return onePass('gradient', { rules: { name: this.rules } })
  }
  override identity(): MethodIdentity {
    return { name: this.name, options: {} }
  }
}

/**
 * Guided backpropagation: the gradient, of which each ReLU passes back only what is positive, and only where it was
 * open. Scores have the shape of the input, signed. One forward and one backward pass.
 *
 * Its maps look sharp and say little of the classifier: they hardly change when the upper layers' weights are replaced
 * by random ones (Adebayo et al., "Sanity checks for saliency maps", 2018).
 *
 * Source: Springenberg, Dosovitskiy, Brox and Riedmiller, "Striving for simplicity: the all convolutional net" (2015),
 * section 3.4.
 *
 * @throws AscribeError DERIVATIVE_UNSUPPORTED for models with smooth relatives of ReLU (GELU, SiLU, ELU …), for which
 *   the rule is not defined. Other activations keep their derivative, with the warning RULE_FALLBACK.
 */
export class GuidedBackprop extends RectifierMethod {
  protected readonly name = 'GuidedBackprop'
  protected readonly rules = 'guided'
}

/**
 * Deconvolution: the gradient, of which each ReLU passes back what is positive, whether it was open or not. Scores have
 * the shape of the input, signed. One forward and one backward pass. See {@link GuidedBackprop} for what such maps are
 * worth, and for errors.
 *
 * Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (ECCV 2014), section 2.1.
 */
export class Deconvolution extends RectifierMethod {
  protected readonly name = 'Deconvolution'
  protected readonly rules = 'deconvolution'
}
