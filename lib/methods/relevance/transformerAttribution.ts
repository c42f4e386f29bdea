import type { Model } from '../../model/model.js'
import { AttentionMethod } from '../attention/attentionMethod.js'
import { placeOptions, rowOptions } from '../attention/attentionOptions.js'
import { type AttentionReading, asScores } from '../attention/attentionReading.js'
import { selfAttention } from '../attention/selfAttention.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'

export const transformerAttributionOptions = {
  identity: {
    kind: 'boolean',
    default: false,
    description: 'Count what the read tokens start with: 1 for each at its own place.',
  },
  ...rowOptions,
  ...placeOptions,
} as const

export type TransformerAttributionOptions = Given<typeof transformerAttributionOptions>

/**
 * Transformer attribution: what goes from token to token is the positive part of (gradient of the target in the attention)
 * x (relevance of the attention), mean over heads; the product of (I + that) over all layers, read at the tokens that the
 * target reads. Relevance is AttnLRP's, attention x its gradient by those rules, in place of the rules of the paper
 * [unconfirmed]. Scores are at least 0. One forward and two backward passes.
 *
 * Third parties claim patents on layer-wise relevance propagation in some countries; see {@link LayerwiseRelevance}.
 *
 * Source: Chefer, Gur and Wolf, "Transformer Interpretability Beyond Attention Visualization" (CVPR 2021), equations 13
 * to 15.
 *
 * @throws AscribeError MODEL_CAPABILITY where the model has no attention, or the number of tokens changes on the way.
 */
export class TransformerAttribution extends AttentionMethod {
  readonly options: Resolved<typeof transformerAttributionOptions>

  constructor(model: Model, options: TransformerAttributionOptions = {}) {
    super(model)
    this.options = resolveOptions(transformerAttributionOptions, options)
  }

  override identity(): MethodIdentity {
    return { name: 'TransformerAttribution', options: this.options }
  }

  protected override reading(): AttentionReading {
    const { identity, row, position } = this.options
    return {
      name: 'TransformerAttribution',
      key: JSON.stringify(['transformerAttribution', identity, row, position]),
      needsGradients: true,
      rules: { name: 'attnLrp' },
      row,
      position,
      select: layers => selfAttention('TransformerAttribution', layers),
      combine: ({ builder, attention, gradients, ruledGradients, rows }) => {
        const steps = attention.map((layer, at) => {
          const relevance = builder.apply('mul', [layer, ruledGradients[at]!])
          const positive = builder.apply('relu', [builder.apply('mul', [gradients[at]!, relevance])])
          return builder.apply('mean', [positive], { axes: [1], keepDims: 0 })
        })
        const result = steps.reduceRight(
          (own, matrix) => builder.apply('add', [own, builder.apply('matMul', [own, matrix])]),
          rows,
        )
        return asScores(builder, identity ? result : builder.apply('sub', [result, rows]))
      },
    }
  }
}
