import type { Model } from '../../model/model.js'
import { GradientMethod, type MethodIdentity, type Recipe } from '../inputs/gradientMethod.js'
import { onePass } from '../inputs/recipe.js'
import { resolveOptions } from '../options.js'

/**
 * AttnLRP, relevance for transformers: the input (for tokens, the embeddings) times a gradient in which activations pass
 * back what they gave for what they got, two factors that both depend on the input have half each (attention, gates),
 * and the scale of a norm is a constant. Scores have the shape of what is explained; sum the features of a token. One
 * forward and one backward pass.
 *
 * Third parties claim patents on layer-wise relevance propagation in some countries; see {@link LayerwiseRelevance}.
 *
 * Source: Achtibat et al., "AttnLRP: attention-aware layer-wise relevance propagation for transformers" (ICML 2024).
 */
export class AttnLrp extends GradientMethod {
  constructor(model: Model, options: Record<string, never> = {}) {
    super(model)
    resolveOptions({}, options)
  }
  override recipe(): Recipe {
    return onePass('inputTimesGradient', { rules: { name: 'attnLrp' } })
  }
  override identity(): MethodIdentity {
    return { name: 'AttnLrp', options: {} }
  }
}
