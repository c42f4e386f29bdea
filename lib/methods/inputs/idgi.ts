import type { Model } from '../../model/model.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'

export const idgiOptions = {
  steps: {
    kind: 'integer',
    default: 50,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Steps on the path from the baseline to the input.',
  },
} as const

export type IdgiOptions = Given<typeof idgiOptions>

/**
 * IDGI, the important direction of integrated gradients: on the straight path, what each step changes is shared out by
 * the squared gradient at its beginning, so that what moves the point without moving the target gets nothing.
 *
 * Scores have the shape of the input and add up to f(x) - f(x') exactly, but for steps that begin where the gradient is
 * 0. They have the sign of the change, not of each input's part. Costs steps + 1 forward and backward passes.
 *
 * Source: Yang, Wang and Bilgic, "IDGI: a framework to eliminate explanation noise from integrated gradients" (CVPR
 * 2023), algorithm 1.
 */
export class Idgi extends GradientMethod {
  readonly options: Resolved<typeof idgiOptions>

  constructor(model: Model, options: IdgiOptions = {}) {
    super(model)
    this.options = resolveOptions(idgiOptions, options)
  }
  override recipe(): Recipe {
    const { steps } = this.options
    return {
      quantity: 'importantDirection',
      points: Float64Array.from({ length: steps + 1 }, (_, k) => k / steps),
      weights: new Float64Array(steps + 1).fill(1),
      samples: 1,
      statistic: 'mean',
      seed: 0,
    }
  }
  override identity(): MethodIdentity {
    return { name: 'Idgi', options: this.options }
  }
}
