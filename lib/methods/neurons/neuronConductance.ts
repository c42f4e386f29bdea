import { neuron as neuronOf } from '../../graph/targetParts.js'
import type { Model } from '../../model/model.js'
import { GradientMethod, type MethodIdentity, type Recipe } from '../inputs/gradientMethod.js'
import { quadrature } from '../inputs/quadrature.js'
import { pathOptions } from '../layers/pathOptions.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { type Neuron, resolveNeuron } from './neuronTarget.js'

export type NeuronConductanceOptions = Given<typeof pathOptions>

/**
 * Neuron conductance: what of an input's integrated gradient flows through one unit of a layer. Over the inputs it adds up
 * to the unit's conductance, over all units of a layer that everything passes to the input's integrated gradient.
 *
 * Scores have the shape of the input. Costs `steps` forward passes, and backward passes to the layer and from it.
 *
 * @param neuron Layer and place of the unit.
 * Source: Dhamdhere, Sundararajan and Yan, "How important is a neuron?" (ICLR 2019), definition 2. Captum's default rule,
 * a trapezoid whose weights do not add up to 1, is `captum-trapezoid`.
 */
export class NeuronConductance extends GradientMethod {
  readonly options: Resolved<typeof pathOptions>
  readonly neuron: Required<Neuron>

  constructor(model: Model, neuron: Neuron, options: NeuronConductanceOptions = {}) {
    super(model)
    this.neuron = resolveNeuron(model, neuron)
    this.options = resolveOptions(pathOptions, options)
    quadrature(this.options.rule, this.options.steps)
  }
  protected override get complete(): boolean {
    return false
  }
  override recipe(): Recipe {
    const { layer, index } = this.neuron
    const place = { layer, index: index as readonly number[] }
    return {
      quantity: 'integrated',
      ...quadrature(this.options.rule, this.options.steps),
      samples: 1,
      statistic: 'mean',
      seed: 0,
      pass: {
        name: `NeuronConductance ${JSON.stringify(this.neuron)}`,
        outputs: ({ builder, explained, gradients, inner, seen }) => {
          const value = inner(layer)
          const [gradient] = gradients([value])
          const unit = neuronOf(builder, place, new Map([[layer, value]]))
          const share = neuronOf(builder, place, new Map([[layer, gradient!]]))
          const seed = builder.apply('unsqueeze', [share], { axes: [0] })
          return builder.vjp([unit], [seed], [...seen]).map((found, at) => ({
            name: explained.names[at]!,
            value: builder.apply('squeeze', [found], { axes: [0] }),
          }))
        },
      },
    }
  }
  override identity(): MethodIdentity {
    return { name: 'NeuronConductance', options: { ...this.neuron, ...this.options } }
  }
}
