import type { Model } from '../../model/model.js'
import type { MethodIdentity, Recipe } from '../inputs/gradientMethod.js'
import { quadrature } from '../inputs/quadrature.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { LayerMethod } from './layerMethod.js'
import { pathOptions } from './pathOptions.js'

export type InternalInfluenceOptions = Given<typeof pathOptions>

/**
 * Internal influence: the mean gradient of the target in a layer along the straight path of the inputs from the baseline;
 * option `layer`. Scores have the shape of the layer and are not multiplied by what it holds. Costs `steps` forward passes
 * and backward passes to the layer.
 *
 * Source: Leino et al., "Influence-directed explanations for deep convolutional networks" (2018), definition 1.
 */
export class InternalInfluence extends LayerMethod {
  readonly options: Resolved<typeof pathOptions>

  constructor(model: Model, options: InternalInfluenceOptions = {}) {
    super(model)
    this.options = resolveOptions(pathOptions, options)
    quadrature(this.options.rule, this.options.steps)
  }
  protected override recipeOf(layer: string): Recipe {
    return {
      quantity: 'gradient',
      ...quadrature(this.options.rule, this.options.steps),
      samples: 1,
      statistic: 'mean',
      seed: 0,
      pass: {
        name: `InternalInfluence ${layer}`,
        outputNames: [layer],
        outputs: ({ gradients, inner }) => {
          const [value] = gradients([inner(layer)])
          return [{ name: layer, value: value! }]
        },
      },
    }
  }
  override identity(): MethodIdentity {
    return { name: 'InternalInfluence', options: this.options }
  }
}
