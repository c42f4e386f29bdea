import type { Model } from '../../model/model.js'
import { GradientMethod, type MethodIdentity, type Recipe } from '../inputs/gradientMethod.js'
import { onePass } from '../inputs/recipe.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'

export const attnLrpOptions = {
  variant: {
    kind: 'choice',
    choices: ['attnLrp', 'cpLrp'],
    default: 'attnLrp',
    description:
      'cpLrp: nothing goes back through softmaxes and gates, which are constants of the input; values and what gates open have all.',
  },
} as const

export type AttnLrpOptions = Given<typeof attnLrpOptions>

/**
 * AttnLRP, relevance for transformers: the input (for tokens, the embeddings) times a gradient in which activations pass
 * back what they gave for what they got, two factors that both depend on the input have half each (attention, gates),
 * and the scale of a norm is a constant. Scores have the shape of what is explained; sum the features of a token. One
 * forward and one backward pass.
 *
 * Third parties claim patents on layer-wise relevance propagation in some countries; see {@link LayerwiseRelevance}.
 *
 * Source: Achtibat et al., "AttnLRP: attention-aware layer-wise relevance propagation for transformers" (ICML 2024). The variant `cpLrp`: Ali et al.,
 * "XAI for transformers: better explanations through conservative propagation" (ICML 2022).
 */
export class AttnLrp extends GradientMethod {
  readonly options: Resolved<typeof attnLrpOptions>

  constructor(model: Model, options: AttnLrpOptions = {}) {
    super(model)
    this.options = resolveOptions(attnLrpOptions, options)
  }
  override recipe(): Recipe {
    return onePass('inputTimesGradient', { rules: { name: 'attnLrp', options: this.options } })
  }
  override identity(): MethodIdentity {
    return { name: 'AttnLrp', options: this.options }
  }
}
