import type { Value } from '../../graph/builder.js'
import type { Model } from '../../model/model.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { AttentionMethod } from './attentionMethod.js'
import { placeOptions } from './attentionOptions.js'
import { type AttentionReading, asScores } from './attentionReading.js'
import { selfAttention } from './selfAttention.js'
import { bothSides, hasTwoSides, twoSides } from './twoSides.js'

export const leGradOptions = {
  scores: {
    kind: 'choice',
    choices: ['target', 'layers'],
    default: 'target',
    description:
      "Whose gradient a layer has: that of the target itself, or of a score of its own, which the model makes of the mean of the layer's tokens in the place of the last one's, as in the paper.",
  },
  ...placeOptions,
} as const

export type LeGradOptions = Given<typeof leGradOptions>

/**
 * LeGrad: the positive part of the target's gradient in every layer's attention, mean over heads, queries and layers:
 * which tokens the target wants to be looked at more. Scores are at least 0, in units of the target. One forward and
 * one backward pass. Where a query may not look (at padding, or at tokens that follow it) nothing counts, though the
 * gradient there is not zero.
 *
 * Of a model that reads one text and writes another, a token has the mean over the layers that look at its text (of what was
 * read, the encoder's and those in which written tokens look at it): our own extension, of which the paper says nothing.
 *
 * Source: Bousselham et al., "LeGrad" (2024). There, and in the library torch-cam, a layer has the gradient of a
 * score of its own, which `scores: 'layers'` gives, at the cost of the head and one block backwards for each layer; the default is the formula with
 * the target itself.
 *
 * @throws AscribeError MODEL_CAPABILITY where the model has no attention, or the number of tokens changes on the way; with scores of
 *   layers also where blocks are not built of a sum around attention and another around what follows it.
 */
export class LeGrad extends AttentionMethod {
  readonly options: Resolved<typeof leGradOptions>

  constructor(model: Model, options: LeGradOptions = {}) {
    super(model)
    this.options = resolveOptions(leGradOptions, options)
  }

  override identity(): MethodIdentity {
    return { name: 'LeGrad', options: this.options }
  }

  protected override reading(): AttentionReading {
    const { scores } = this.options
    return {
      name: 'LeGrad',
      key: JSON.stringify(['leGrad', scores]),
      needsGradients: true,
      hasOwnScores: scores === 'layers',
      row: 'mean',
      position: undefined,
      select: layers =>
        hasTwoSides(layers) && scores === 'target'
          ? twoSides('LeGrad', layers)
          : selfAttention('LeGrad', layers),
      combine: ({ builder, layers, attention, gradients }) => {
        const zero = builder.scalar(0)
        const maps = gradients.map((gradient, at) => {
          const isRead = builder.apply('greater', [attention[at]!, zero])
          const positive = builder.apply('where', [isRead, builder.apply('relu', [gradient]), zero])
          const heads = builder.apply('mean', [positive], { axes: [1], keepDims: 0 })
          return builder.apply('mean', [heads], { axes: [1], keepDims: 1 })
        })
        /** [N, 1, keys], the mean over some layers. */
        const mean = (of: readonly Value[]) =>
          builder.apply('mul', [
            of.reduce((total, map) => builder.apply('add', [total, map])),
            builder.scalar(1 / of.length),
          ])
        if (!hasTwoSides(layers)) return asScores(builder, mean(maps))
        const written = maps.filter((_, at) => layers[at]!.side === 'self')
        return bothSides(builder, mean(maps.filter(map => !written.includes(map))), mean(written))
      },
    }
  }
}
