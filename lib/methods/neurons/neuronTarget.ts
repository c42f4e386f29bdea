import { AscribeError } from '../../errors.js'
import { Target } from '../../graph/target.js'
import { resolveOneLayer } from '../../model/layerNames.js'
import type { Model } from '../../model/model.js'
import { expectInteger, typeError } from '../../validate.js'
import type { AttributeOptions } from '../inputs/gradientMethod.js'

/** A unit of a model: the layer, and its place along each axis, or one number for the place in the flattened layer. */
export interface Neuron {
  readonly layer: string
  readonly index: number | readonly number[]
}

/** The caller's unit with the layer's own name. */
export function resolveNeuron(model: Model, given: Neuron): Required<Neuron> {
  if (typeof given !== 'object' || given === null || typeof given.layer !== 'string')
    throw typeError('neuron', '{ layer, index }', given)
  const index = typeof given.index === 'number' ? [given.index] : given.index
  if (!Array.isArray(index) || index.length === 0)
    throw typeError('index', 'a number, or one for each axis', given.index)
  return {
    layer: resolveOneLayer(model, given.layer),
    index: index.map((place, at) => expectInteger(`index[${at}]`, place, 0)),
  }
}

/** The unit as the target of a call, which must not name another. */
export function neuronTarget({ layer, index }: Neuron, options: AttributeOptions): Target {
  const { target } = options
  const isDefault = target === undefined || (target instanceof Target && target.description.kind === 'top')
  if (!isDefault)
    throw new AscribeError('TARGET_INVALID', 'What is explained is the neuron; leave `target` out')
  return Target.neuron(layer, index)
}
