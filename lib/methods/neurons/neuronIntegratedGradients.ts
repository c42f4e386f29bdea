import type { Model } from '../../model/model.js'
import type { AttributeOptions, MethodIdentity } from '../inputs/gradientMethod.js'
import { IntegratedGradients, type IntegratedGradientsOptions } from '../inputs/integratedGradients.js'
import { type Neuron, neuronTarget, resolveNeuron } from './neuronTarget.js'

/**
 * Neuron integrated gradients: integrated gradients of a unit inside the model. Scores have the shape of the input and add
 * up to what the unit gains over the baseline; the model is run up to the layer. See {@link IntegratedGradients} for costs
 * and options.
 *
 * @param neuron Layer and place of the unit.
 * Source: Sundararajan, Taly and Yan (ICML 2017), with the unit in the place of the output.
 */
export class NeuronIntegratedGradients extends IntegratedGradients {
  readonly neuron: Neuron

  constructor(model: Model, neuron: Neuron, options: IntegratedGradientsOptions = {}) {
    super(model, options)
    this.neuron = resolveNeuron(model, neuron)
  }
  override targetFor(options: AttributeOptions): AttributeOptions['target'] {
    return neuronTarget(this.neuron, options)
  }
  override identity(): MethodIdentity {
    const { options } = super.identity()
    return { name: 'NeuronIntegratedGradients', options: { ...this.neuron, ...options } }
  }
}
