import type { Model } from '../../model/model.js'
import { resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'

/**
 * DeepLIFT with the rescale rule: what the target gains over its value for the baseline, shared out among the inputs
 * by what each activation gained for what it was given.
 *
 * Scores have the shape of the input and add up to f(input) - f(baseline), which the result carries as
 * `checks.completeness`. Two values that are multiplied (attention, gates) share their product as two players share a
 * game, half for each order. A softmax inside the model follows the published rule (the mean of its row taken off),
 * which does not keep the sum: the warning RULE_FALLBACK names it. Explain logits, which is the default. The input and
 * its baseline go through the model together: two forward and two backward passes.
 *
 * Source: Shrikumar, Greenside and Kundaje, "Learning important features through propagating activation differences"
 * (ICML 2017), sections 3.3 and 3.5.1.
 */
export class DeepLift extends GradientMethod {
  constructor(model: Model, options: Record<string, never> = {}) {
    super(model)
    resolveOptions({}, options)
  }
  override recipe(): Recipe {
    return {
      // At the path's end, where the rules give the multiplier of the whole way.
      quantity: 'integrated',
      points: Float64Array.of(1),
      weights: Float64Array.of(1),
      samples: 1,
      statistic: 'mean',
      seed: 0,
      rules: { name: 'deepLift', compares: true },
    }
  }
  override identity(): MethodIdentity {
    return { name: 'DeepLift', options: {} }
  }
}
