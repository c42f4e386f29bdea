import type { Model } from '../../model/model.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { AttentionMethod } from './attentionMethod.js'
import { placeOptions, rowOptions } from './attentionOptions.js'
import { type AttentionReading, asScores } from './attentionReading.js'
import { coRelevance } from './coAttention.js'
import { selfAttention } from './selfAttention.js'
import { bothSides, hasTwoSides, twoSides } from './twoSides.js'

export const gradientXAttentionOptions = {
  layers: {
    kind: 'choice',
    choices: ['all', 'last'],
    default: 'all',
    description: "Go through every layer, or read the last one's alone, as is done for CLIP.",
  },
  identity: {
    kind: 'boolean',
    default: false,
    description: 'Count what the read tokens start with: 1 for each at its own place.',
  },
  ...rowOptions,
  ...placeOptions,
} as const

export type GradientXAttentionOptions = Given<typeof gradientXAttentionOptions>

/**
 * Gradient times attention: a relevance that goes from token to token by the positive part of (gradient of the target
 * in the attention) x (attention), mean over heads. From R = I, each layer adds its matrix times R; the read token's
 * row is the result, less the identity unless `identity` is on. Scores are at least 0, in units of the target. One
 * forward and one backward pass, for each example alone whatever the batch.
 *
 * Source: Chefer, Gur and Wolf, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
 * Transformers" (ICCV 2021), equations 5 and 6 for self-attention, 7 to 10 for encoders with their decoders.
 *
 * @throws AscribeError MODEL_CAPABILITY where the model has no attention, or the number of tokens changes on the way.
 */
export class GradientXAttention extends AttentionMethod {
  readonly options: Resolved<typeof gradientXAttentionOptions>

  constructor(model: Model, options: GradientXAttentionOptions = {}) {
    super(model)
    this.options = resolveOptions(gradientXAttentionOptions, options)
  }

  override identity(): MethodIdentity {
    return { name: 'GradientXAttention', options: this.options }
  }

  protected override reading(): AttentionReading {
    const { layers: which, identity, row, position } = this.options
    return {
      name: 'GradientXAttention',
      key: JSON.stringify(['gradientXAttention', which, identity, row, position]),
      needsGradients: true,
      row,
      position,
      select: layers => {
        if (hasTwoSides(layers))
          return twoSides('GradientXAttention', layers).slice(which === 'last' ? -2 : 0)
        const own = selfAttention('GradientXAttention', layers)
        return which === 'last' ? own.slice(-1) : own
      },
      combine: ({ builder, layers, attention, gradients, rows }) => {
        const relevance = attention.map((layer, at) => {
          const positive = builder.apply('relu', [builder.apply('mul', [gradients[at]!, layer])])
          return builder.apply('mean', [positive], { axes: [1], keepDims: 0 })
        })
        if (hasTwoSides(layers)) {
          const { read, written } = coRelevance(builder, layers, relevance, rows)
          return bothSides(builder, read, identity ? builder.apply('add', [written, rows]) : written)
        }
        // The read row alone goes through the layers, from the last to the first.
        const result = relevance.reduceRight(
          (row, matrix) => builder.apply('add', [row, builder.apply('matMul', [row, matrix])]),
          rows,
        )
        return asScores(builder, identity ? result : builder.apply('sub', [result, rows]))
      },
    }
  }
}
