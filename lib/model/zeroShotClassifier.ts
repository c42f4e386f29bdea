import { type Tensor, validateTensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { expectNumber, expectObject, expectString, expectStrings } from '../validate.js'
import { compose } from './compose.js'
import type { Model } from './model.js'

export interface ZeroShotOptions {
  /** Embeddings of the classes' texts, [classes, features], of any length: directions count. */
  embeddings: Tensor
  /** The classes, in the order of their embeddings. */
  labels?: readonly string[]
  /** The model's value that is an image's embedding [N, features]. Default: its first output. */
  embedding?: string
  /** What cosines are multiplied with before a softmax is taken of them. Default 100, as CLIP and ImageBind have it. */
  scale?: number
}

/**
 * A classifier from an image tower and embeddings of texts: logits are the scaled cosines between an image's embedding
 * and each class's. One graph, so that every method explains it, gradients among them.
 *
 * Source: Radford et al., "Learning transferable visual models from natural language supervision" (2021), figure 3.
 *
 * @returns A model with outputs `logits` [N, classes] and `embedding` [N, features], of length 1.
 * @throws AscribeError `INPUT_SHAPE`, `INPUT_VALUE` where an embedding has no direction, `LAYER_NOT_FOUND`.
 */
export function zeroShotClassifier(model: Model, options: ZeroShotOptions): Model {
  const { labels, embedding } = expectObject('options', options) as unknown as ZeroShotOptions
  const scale = expectNumber('scale', options.scale ?? 100)
  const { shape, data } = validateTensor(options.embeddings, 'embeddings')
  const [classes, features] = shape
  if (classes === undefined || features === undefined || shape.length !== 2)
    throw new AscribeError(
      'INPUT_SHAPE',
      `The embeddings have shape [${shape.join(', ')}], expected [classes, features]`,
    )
  if (labels !== undefined) expectStrings('labels', labels)
  if (embedding !== undefined) expectString('embedding', embedding)
  if (labels !== undefined && labels.length !== classes)
    throw new AscribeError('INPUT_SHAPE', `There are ${labels.length} labels for ${classes} embeddings`)
  const directions = new Float32Array(classes * features)
  for (let row = 0; row < classes; row++) {
    const own = Float64Array.from({ length: features }, (_, at) => Number(data[row * features + at]))
    const norm = Math.hypot(...own)
    if (!(norm > 0) || !Number.isFinite(norm))
      throw new AscribeError(
        'INPUT_VALUE',
        `The embedding of class ${row} has norm ${norm}, so it has no direction`,
      )
    directions.set(
      own.map(value => value / norm),
      row * features,
    )
  }
  return compose(
    model,
    (graph, outputs, values) => {
      const name = embedding ?? model.outputs[0]?.name ?? ''
      const vectors = outputs.get(name) ?? values.get(name)
      if (vectors === undefined)
        throw new AscribeError('LAYER_NOT_FOUND', `The model has no value called "${name}"`)
      const rows = graph.apply('flatten', [vectors], { axis: 1 })
      const squares = graph.apply('sum', [graph.apply('mul', [rows, rows])], { axes: [-1], keepDims: 1 })
      const unit = graph.apply('div', [rows, graph.apply('sqrt', [squares])])
      const texts = graph.constant('f32', [classes, features], directions)
      const cosines = graph.apply('matMul', [unit, texts], { transposeB: 1 })
      return { logits: graph.apply('mul', [cosines, graph.scalar(scale)]), embedding: unit }
    },
    labels === undefined ? {} : { labels },
  )
}
