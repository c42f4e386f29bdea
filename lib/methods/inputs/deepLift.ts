import type { Model } from '../../model/model.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import { onePass } from './recipe.js'

export const deepLiftOptions = {
  nonlinearity: {
    kind: 'choice',
    choices: ['rescale', 'revealCancel'],
    default: 'rescale',
    description:
      'How an activation shares out: by one quotient, or (RevealCancel) positive and negative contributions to its operand apart [unconfirmed]. The latter holds for activations of products, convolutions and sums; others keep the quotient.',
  },
  softmax: {
    kind: 'choice',
    choices: ['rowMean', 'exact', 'tensorMean'],
    default: 'rowMean',
    description:
      "How a softmax inside the model shares out: by the published rule, which does not keep the sum, by its parts, which does, or by Captum's form of the rule, which takes off one mean of the whole tensor in place of each row's.",
  },
  maxPool: {
    kind: 'choice',
    choices: ['crossMaximum', 'gradient'],
    default: 'crossMaximum',
    description:
      'How a max pooling shares out: to the maxima of input and baseline, which keeps the sum, or by its gradient, which does not: what is left of that rule in Captum beside a rectifier.',
  },
} as const

export type DeepLiftOptions = Given<typeof deepLiftOptions>

/**
 * DeepLIFT with the rescale rule: what the target gains over its value for the baseline, shared out among the inputs
 * by what each activation gained for what it was given.
 *
 * Scores have the shape of the input and add up to f(input) - f(baseline), which the result carries as
 * `checks.completeness`. Two values that are multiplied (attention, gates) share their product as two players share a
 * game, half for each order. A softmax inside the model follows the published rule (the mean of its row taken off),
 * which does not keep the sum: the warning RULE_FALLBACK names it. `softmax: 'exact'` goes by its parts (exponentials
 * over their sum) and keeps it; for transformers it is the one to use. A max pooling shares out what it gained to the
 * maxima of input and baseline, windows that overlap included. The input and its baseline go through the model
 * together, which costs two forward and two backward passes.
 *
 * With `nonlinearity: 'revealCancel'`, what positive contributions to an activation's operand gain is told apart from what
 * negative ones lose, so that neither hides where they cancel; it keeps the sum too.
 *
 * Captum (0.8.0) follows the same rules, but its results depend on the other examples of a batch (`softmax: 'tensorMean'`
 * is what it makes of an example alone), it loses contributions where windows overlap, and where a pooling stands beside
 * an activation it loses the pooling's rule (`maxPool: 'gradient'`).
 *
 * Source: Shrikumar, Greenside and Kundaje, "Learning important features through propagating activation differences"
 * (ICML 2017), sections 3.3, 3.5.1 and 3.5.3.
 */
export class DeepLift extends GradientMethod {
  readonly options: Resolved<typeof deepLiftOptions>

  constructor(model: Model, options: DeepLiftOptions = {}) {
    super(model)
    this.options = resolveOptions(deepLiftOptions, options)
  }
  override recipe(): Recipe {
    // At the path's end, where the rules give the multiplier of the whole way.
    return onePass('integrated', { rules: { name: 'deepLift', compares: true, options: this.options } })
  }
  override identity(): MethodIdentity {
    return { name: 'DeepLift', options: this.options }
  }
}
