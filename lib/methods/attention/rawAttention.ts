import type { Model } from '../../model/model.js'
import { rangeError } from '../../validate.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { AttentionMethod } from './attentionMethod.js'
import { headOptions, placeOptions, rowOptions } from './attentionOptions.js'
import { type AttentionReading, asScores, fuseHeads } from './attentionReading.js'
import { bothSides, hasTwoSides, twoSides } from './twoSides.js'

export const rawAttentionOptions = {
  attention: {
    kind: 'integer',
    default: -1,
    description:
      "Which of the model's attention layers is read, from 0; negative numbers count from the last.",
  },
  ...headOptions,
  ...rowOptions,
  ...placeOptions,
} as const

export type RawAttentionOptions = Given<typeof rawAttentionOptions>

/**
 * Raw attention: the probabilities with which one layer's token (the class token, the one that predicts, or all that the
 * target reads, averaged) looks at each token, mean over heads. Scores are from 0 to 1 and add up to 1 with class
 * tokens counted; of a model that reads one text and writes another a layer of its decoder is read, and those of either text add up
 * to 1. It says where a layer looks, not what the output follows from. One forward pass, and a backward pass
 * through the last layers where `row` is `auto`.
 *
 * @throws AscribeError MODEL_CAPABILITY where the model has no attention; OPTION_RANGE for a layer it does not have.
 */
export class RawAttention extends AttentionMethod {
  readonly options: Resolved<typeof rawAttentionOptions>

  constructor(model: Model, options: RawAttentionOptions = {}) {
    super(model)
    this.options = resolveOptions(rawAttentionOptions, options)
  }

  override identity(): MethodIdentity {
    return { name: 'RawAttention', options: this.options }
  }

  protected override reading(): AttentionReading {
    const { attention, heads, row, position } = this.options
    return {
      name: 'RawAttention',
      key: JSON.stringify(['raw', attention, heads, row, position]),
      needsGradients: false,
      row,
      position,
      select: all => {
        const sides = hasTwoSides(all) ? twoSides('RawAttention', all) : undefined
        const layers = sides?.filter(({ side }) => side === 'cross') ?? all
        const layer = layers.at(attention)
        if (layer === undefined)
          throw rangeError('attention', `one of the model's ${layers.length} attention layers`, attention)
        // What is read is of two sides where the layer before it looks at what was written.
        return sides === undefined ? [layer] : sides.slice(sides.indexOf(layer) - 1, sides.indexOf(layer) + 1)
      },
      combine: ({ builder, attention, rows }) => {
        const [first, second] = attention.map(each =>
          builder.apply('matMul', [rows, fuseHeads(builder, each, heads)]),
        )
        return second === undefined ? asScores(builder, first!) : bothSides(builder, second, first!)
      },
    }
  }
}
