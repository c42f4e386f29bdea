import type { Model } from '../../model/model.js'
import {
  type AttributeOptions,
  GradientMethod,
  type MethodIdentity,
  type Recipe,
} from '../inputs/gradientMethod.js'
import { onePass } from '../inputs/recipe.js'
import { resolveOptions } from '../options.js'
import { requireLayer } from './requireLayer.js'

/**
 * Layer activation: what a layer holds for an input; option `layer`. Scores have the shape of the layer. A forward pass.
 */
export class LayerActivation extends GradientMethod {
  constructor(model: Model, options: Record<string, never> = {}) {
    super(model)
    resolveOptions({}, options)
  }
  override recipe(): Recipe {
    return onePass('gradient', {
      pass: {
        name: 'LayerActivation',
        outputs: ({ values, explained }) =>
          values.map((value, at) => ({ name: explained.names[at]!, value })),
        cost: { forward: 1, backward: 0 },
      },
    })
  }
  override async chooseExplained(_prepared: unknown, options: AttributeOptions): Promise<AttributeOptions> {
    return requireLayer(this, options)
  }
  override identity(): MethodIdentity {
    return { name: 'LayerActivation', options: {} }
  }
}
