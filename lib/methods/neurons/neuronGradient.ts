import type { Model } from '../../model/model.js'
import {
  type AttributeOptions,
  GradientMethod,
  type MethodIdentity,
  type Recipe,
} from '../inputs/gradientMethod.js'
import { onePass } from '../inputs/recipe.js'
import { saliencyOptions } from '../inputs/saliency.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { type Neuron, neuronTarget, resolveNeuron } from './neuronTarget.js'

export const neuronGradientOptions = {
  absolute: { ...saliencyOptions.absolute, default: false },
} as const

export type NeuronGradientOptions = Given<typeof neuronGradientOptions>

/**
 * Neuron gradient: the gradient of a unit inside the model in the inputs. Scores have the shape of the input. One forward
 * and one backward pass up to the layer.
 *
 * @param neuron Layer and place of the unit.
 * Source: Captum's NeuronGradient, after Simonyan, Vedaldi and Zisserman (2014).
 */
export class NeuronGradient extends GradientMethod {
  readonly options: Resolved<typeof neuronGradientOptions>
  readonly neuron: Neuron

  constructor(model: Model, neuron: Neuron, options: NeuronGradientOptions = {}) {
    super(model)
    this.neuron = resolveNeuron(model, neuron)
    this.options = resolveOptions(neuronGradientOptions, options)
  }
  override recipe(): Recipe {
    return onePass(this.options.absolute ? 'absolute' : 'gradient')
  }
  override targetFor(options: AttributeOptions): AttributeOptions['target'] {
    return neuronTarget(this.neuron, options)
  }
  override identity(): MethodIdentity {
    return { name: 'NeuronGradient', options: { ...this.neuron, ...this.options } }
  }
}
