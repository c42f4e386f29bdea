import type { GraphDescription } from '#typings/addon.js'
import { isFloating } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { GraphBuilder } from '../graph/builder.js'
import { onlyNeeded } from '../graph/onlyNeeded.js'
import { embeddingLookups } from '../model/embeddings.js'
import type { Model } from '../model/model.js'

/**
 * The gradient of the sum of the first output, [1, …] for every floating-point input, or for the embeddings of a model of
 * tokens.
 *
 * @throws AscribeError `MODEL_CAPABILITY` where there is none of these.
 */
export function gradientGraph(model: Model): GraphDescription {
  const builder = new GraphBuilder()
  const values = builder.include(model.graph)
  const first = model.outputs[0]
  const output = first && model.output(values, first.name)
  const lookups = embeddingLookups(model).map(({ layer }) => layer)
  const names =
    lookups.length > 0
      ? lookups
      : model.inputs.filter(({ dtype }) => isFloating(dtype)).map(({ name }) => name)
  const wanted = names.flatMap(name => values.get(name) ?? [])
  if (output === undefined || wanted.length === 0)
    throw new AscribeError('MODEL_CAPABILITY', 'The model has no input that its output has a gradient in')
  const one = builder.constant('f32', [1, 1], Float32Array.of(1))
  const seed = builder.apply('expandLike', [one, output], { leading: 1 })
  return onlyNeeded(builder.build(builder.vjp([output], [seed], wanted)))
}
