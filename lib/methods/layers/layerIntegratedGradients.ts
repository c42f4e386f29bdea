import { isFloating, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import type { PreparedInput } from '../../model/prepareInput.js'
import type { AttributeOptions, MethodIdentity, Recipe } from '../inputs/gradientMethod.js'
import type { Example } from '../inputs/gradientResult.js'
import { quadrature } from '../inputs/quadrature.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { LayerMethod } from './layerMethod.js'
import { alongPath, pointOnPath } from './path.js'
import { pathOptions } from './pathOptions.js'

export const layerIntegratedGradientsOptions = {
  ...pathOptions,
  path: {
    kind: 'choice',
    choices: ['input', 'layer'],
    default: 'input',
    description:
      "The path that the layer takes as the inputs move straight from the baseline [unconfirmed]; or the straight path between the layer's own values, as Captum takes it.",
  },
} as const

export type LayerIntegratedGradientsOptions = Given<typeof layerIntegratedGradientsOptions>

/**
 * Layer integrated gradients: the integral of the gradient of the target in a layer (option `layer`) along the way that
 * the layer goes while the inputs go straight from the baseline to where they are; or (`path: 'layer'`) along the straight
 * way between what the layer holds for both.
 *
 * Scores have the shape of the layer and add up to f(x) - f(baseline) for a layer that everything passes, up to the error
 * of the quadrature. Costs `steps` forward and backward passes, and for `path: 'input'` as many derivatives along the path.
 *
 * Source: Sundararajan, Taly and Yan (ICML 2017), at a layer as Dhamdhere, Sundararajan and Yan (ICLR 2019) have it.
 */
export class LayerIntegratedGradients extends LayerMethod {
  readonly options: Resolved<typeof layerIntegratedGradientsOptions>

  constructor(model: Model, options: LayerIntegratedGradientsOptions = {}) {
    super(model)
    this.options = resolveOptions(layerIntegratedGradientsOptions, options)
    quadrature(this.options.rule, this.options.steps)
  }
  protected override get complete(): boolean {
    return true
  }
  protected override recipeOf(layer: string): Recipe {
    const path = quadrature(this.options.rule, this.options.steps)
    const shared = { samples: 1, statistic: 'mean', seed: 0 } as const
    if (this.options.path === 'layer') return { ...shared, quantity: 'integrated', ...path }
    return {
      ...shared,
      quantity: 'gradient',
      points: new Float64Array(path.points.length).fill(1),
      weights: path.weights,
      pass: {
        name: `LayerIntegratedGradients ${layer}`,
        positions: { values: path.points, atInput: [1], atBaseline: [0] },
        readsBaselines: true,
        seen: parts => pointOnPath(parts, parts.position!),
        outputNames: [layer],
        outputs: parts => {
          const value = parts.inner(layer)
          const [gradient] = parts.gradients([value])
          return [{ name: layer, value: parts.builder.apply('mul', [gradient!, alongPath(parts, value)]) }]
        },
        cost: { forward: 1, backward: 2 },
      },
    }
  }
  override recipeFor(example: Example, options: AttributeOptions): Recipe {
    return this.options.path === 'layer' ? this.recipe() : super.recipeFor(example, options)
  }
  override async chooseExplained(
    prepared: PreparedInput,
    options: AttributeOptions,
  ): Promise<AttributeOptions> {
    if (this.options.path === 'input') return super.chooseExplained(prepared, options)
    return { ...options, layer: this.layerOf(options), baseline: this.#ofInputs(options) }
  }
  /** The baseline as one of the model's inputs, so that the layer has what it holds for it. */
  #ofInputs({ baseline = 0 }: AttributeOptions): Exclude<AttributeOptions['baseline'], undefined> {
    if (typeof baseline === 'object' && !('dtype' in baseline)) return baseline
    const inputs = this.model.inputs.filter(({ dtype }) => isFloating(dtype))
    if (inputs.length === 0 || (typeof baseline === 'object' && inputs.length > 1))
      throw new AscribeError('INPUT_MISSING', 'Say which input the baseline belongs to: { name: baseline }', {
        hint: 'Of a model of tokens: { ids: padded }.',
      })
    return Object.fromEntries(
      inputs.map(({ name }): [string, number | Tensor] => [name, baseline as number | Tensor]),
    )
  }
  override identity(): MethodIdentity {
    return { name: 'LayerIntegratedGradients', options: this.options }
  }
}
