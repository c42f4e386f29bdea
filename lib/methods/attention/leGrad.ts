import type { Model } from '../../model/model.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { AttentionMethod } from './attentionMethod.js'
import { placeOptions } from './attentionOptions.js'
import type { AttentionReading } from './attentionReading.js'
import { selfAttention } from './selfAttention.js'

export const leGradOptions = { ...placeOptions } as const

export type LeGradOptions = Given<typeof leGradOptions>

/**
 * LeGrad: the positive part of the target's gradient in every layer's attention, mean over heads, queries and layers:
 * which tokens the target wants to be looked at more. Scores are at least 0, in units of the target. One forward and
 * one backward pass.
 *
 * Source: Bousselham et al., "LeGrad" (2024), in the form of the library torch-cam: the gradient of the target itself in
 * every layer, not of each layer's own output behind the head.
 *
 * @throws AscribeError MODEL_CAPABILITY where the model has no attention, or the number of tokens changes on the way.
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
    return {
      name: 'LeGrad',
      key: 'leGrad',
      needsGradients: true,
      row: 'mean',
      position: undefined,
      select: layers => selfAttention('LeGrad', layers),
      combine: ({ builder, gradients }) => {
        const maps = gradients.map(gradient =>
          builder.apply('mean', [builder.apply('relu', [gradient])], { axes: [1, 2], keepDims: 0 }),
        )
        const sum = maps.reduce((total, map) => builder.apply('add', [total, map]))
        return builder.apply('mul', [sum, builder.scalar(1 / maps.length)])
      },
    }
  }
}
