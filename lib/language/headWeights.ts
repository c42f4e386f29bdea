import { AscribeError } from '../errors.js'
import type { TracedLayer } from '../frontends/checkpoints/rowReducer.js'
import { type HeadReduction, type TracingGraph, tracingGraph } from '../frontends/checkpoints/tracingGraph.js'
import type { Model } from '../model/model.js'
import { expectNumbers } from '../validate.js'
import { generating } from './decoding.js'

const graphs = new WeakMap<Model, Map<HeadReduction, TracingGraph>>()

/** The layers whose attention is read, in order. @throws AscribeError MODEL_CAPABILITY */
export function tracedLayers(model: Model): readonly TracedLayer[] {
  return tracingGraphOf(model).layers
}

/** The graph that reads attention, made once for each model. @throws AscribeError MODEL_CAPABILITY */
export function tracingGraphOf(model: Model, reduction: HeadReduction = 'weighted'): TracingGraph {
  const { decoder, checkpoint } = generating(model)
  const own = graphs.get(model) ?? new Map<HeadReduction, TracingGraph>()
  graphs.set(model, own)
  const known = own.get(reduction)
  if (known !== undefined) return known
  const made = tracingGraph(decoder, checkpoint.weights, reduction)
  own.set(reduction, made)
  return made
}

/**
 * Weights of all heads of all layers in order; where none are given, of their mean.
 *
 * @throws AscribeError INPUT_SHAPE where there are not as many as heads; INPUT_VALUE, OPTION_TYPE, MODEL_CAPABILITY.
 */
export function headWeightsOf(model: Model, given?: ArrayLike<number>): Float32Array {
  const layers = tracedLayers(model)
  const heads = layers.reduce((sum, layer) => sum + layer.heads, 0)
  if (given === undefined) return new Float32Array(heads).fill(1 / heads)
  expectNumbers('headWeights', given)
  if (given.length !== heads)
    throw new AscribeError(
      'INPUT_SHAPE',
      `There are ${given.length} weights of heads, and the model's ${layers.length} layers have ${heads} heads`,
    )
  const weights = Float32Array.from(given)
  if (!weights.every(Number.isFinite))
    throw new AscribeError('INPUT_VALUE', 'A weight of a head is no finite number')
  return weights
}
