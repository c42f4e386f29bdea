import type { Model } from '../../model/model.js'
import type { MethodIdentity, Recipe } from '../inputs/gradientMethod.js'
import { quadrature, quadratureRules } from '../inputs/quadrature.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { LayerMethod } from './layerMethod.js'
import { pointOnPath, positionColumn } from './path.js'

export const layerConductanceOptions = {
  steps: {
    kind: 'integer',
    default: 50,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Parts of the path from the baseline to the input.',
  },
  points: {
    kind: 'choice',
    choices: ['whole', 'captum'],
    default: 'whole',
    description:
      "Even parts of the whole path with the gradient in their middles; or Captum's, which begin and end with the first and last point of `rule` and take the gradient at their beginnings.",
  },
  rule: {
    kind: 'choice',
    choices: quadratureRules,
    default: 'gausslegendre',
    description: "Points of Captum's parts; not read otherwise.",
  },
} as const

export type LayerConductanceOptions = Given<typeof layerConductanceOptions>

/**
 * Layer conductance: how much of what the target gains along the path of the inputs flows through each unit of a layer
 * (option `layer`): its change over each part of the path, times the gradient of the target in it.
 *
 * Scores have the shape of the layer and add up to f(x) - f(baseline) for a layer that everything passes, as
 * `checks.completeness` has it. For each part one forward and one backward pass, and two forward passes up to the layer.
 *
 * Source: Dhamdhere, Sundararajan and Yan, "How important is a neuron?" (ICLR 2019), definition 1.
 */
export class LayerConductance extends LayerMethod {
  readonly options: Resolved<typeof layerConductanceOptions>

  constructor(model: Model, options: LayerConductanceOptions = {}) {
    super(model)
    this.options = resolveOptions(layerConductanceOptions, options)
    const { points, rule, steps } = this.options
    if (points === 'captum') quadrature(rule, steps + 1)
  }
  protected override get complete(): boolean {
    return true
  }
  protected override recipeOf(layer: string): Recipe {
    const { steps } = this.options
    return {
      quantity: 'gradient',
      points: new Float64Array(steps).fill(1),
      weights: new Float64Array(steps).fill(1),
      samples: 1,
      statistic: 'mean',
      seed: 0,
      pass: {
        name: `LayerConductance ${layer}`,
        positions: { values: this.#parts(), atInput: [1, 1, 1], atBaseline: [0, 0, 0] },
        readsBaselines: true,
        seen: parts => pointOnPath(parts, positionColumn(parts, 0)),
        outputNames: [layer],
        outputs: parts => {
          const { builder, gradients, inner, innerFor } = parts
          const [gradient] = gradients([inner(layer)])
          const at = (column: number) => innerFor(layer, pointOnPath(parts, positionColumn(parts, column)))
          const change = builder.apply('sub', [at(2), at(1)])
          return [{ name: layer, value: builder.apply('mul', [change, gradient!]) }]
        },
        cost: { forward: 3, backward: 1 },
      },
    }
  }
  /** Of each part: where the gradient is taken, where it begins and where it ends. */
  #parts(): Float64Array {
    const { steps, points, rule } = this.options
    if (points === 'whole')
      return Float64Array.from({ length: 3 * steps }, (_, at) => {
        const part = Math.floor(at / 3)
        return (part + [0.5, 0, 1][at % 3]!) / steps
      })
    const places = quadrature(rule, steps + 1).points
    return Float64Array.from(
      { length: 3 * steps },
      (_, at) => places[Math.floor(at / 3) + [0, 0, 1][at % 3]!]!,
    )
  }
  override identity(): MethodIdentity {
    return { name: 'LayerConductance', options: this.options }
  }
}
