import { type PredictionSettings, predictionGraph } from '../../frontends/checkpoints/predictionGraph.js'
import { generating } from '../../language/decoding.js'
import type { Model, ModelValue } from '../../model/model.js'

const known = new WeakMap<Model, Map<string, Model>>()

/**
 * A language model whose only output is a function of one next token's distribution: what methods explain for a generated
 * token. Which token stands where is among its inputs, so that one plan serves all steps, side by side. Weights are shared.
 *
 * @throws AscribeError MODEL_CAPABILITY
 */
export function stepModel(model: Model, settings: PredictionSettings): Model {
  const { decoder, checkpoint } = generating(model)
  const key = JSON.stringify(settings)
  const made = known.get(model) ?? new Map<string, Model>()
  known.set(model, made)
  const before = made.get(key)
  if (before !== undefined) return before
  const graph = predictionGraph(decoder, checkpoint.weights, settings)
  const inputs = graph.inputs.flatMap((index): ModelValue[] => {
    const value = graph.values[index]
    return value?.kind === 'input' ? [{ name: value.name, dtype: value.dtype, shape: [...value.shape] }] : []
  })
  const derived = model.withGraph({
    graph,
    inputs,
    outputs: [{ name: 'objective', dtype: 'f32', shape: ['batch'] }],
    name: model.name,
    composition: `prediction ${key}`,
  })
  made.set(key, derived)
  return derived
}
