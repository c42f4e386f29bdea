import type { Value } from '../../../graph/builder.js'
import { elementType } from '../dataTypes.js'
import { readKnown } from '../elements.js'
import type { OnnxNode, OperatorTable } from '../node.js'

/** Values that come from sizes and numbers alone, and what passes a value on. */
function constantOfShape(node: OnnxNode): Value {
  const tensor = node.attributes.tensor('value')
  if (!tensor) return node.apply('constantOfShape', [node.host(0)], { value: 0, dtype: 'f32' })
  const known = readKnown(tensor)
  if (!known) node.unsupported(`element type ${elementType(tensor.dataType).name}`)
  if (known.data.length !== 1) node.invalid(`value has ${known.data.length} elements, expected 1`)
  const value = Number(known.data[0])
  if (!Number.isFinite(value) || (known.dtype === 'i64' && !Number.isSafeInteger(value))) {
    // What an attribute cannot hold exactly goes in as a constant.
    return node.apply('expand', [node.graph.constant(known.dtype, [], known.data), node.host(0)])
  }
  return node.apply('constantOfShape', [node.host(0)], { value, dtype: known.dtype })
}

function castTo(node: OnnxNode): Value {
  // How out-of-range values saturate in 8-bit floats, which the engine does not have.
  node.attributes.ignore('saturate', 'round_mode')
  if (!node.attributes.has('to')) node.invalid('to is missing')
  const { name, compute } = elementType(node.attributes.integer('to', 0))
  if (compute === undefined) node.unsupported(`to ${name}`)
  const cast = node.apply('cast', [node.input(0)], { to: compute })
  // Integers that stand for numbers become them here: a quantised product before it is scaled.
  const carried = compute === 'f32' ? node.carriedBy(node.input(0)) : undefined
  return carried === undefined ? cast : node.apply('add', [cast, carried])
}

/** The second output says which elements were kept: in a model that is not trained, all of them. */
function dropout(node: OnnxNode): Value[] {
  node.attributes.ignore('seed')
  if (node.opset < 7) node.attributes.ignore('is_test')
  const training = node.has(2) ? node.known(2) : undefined
  const x = node.input(0)
  const given = node.opset >= 12 ? node.known(1)?.data[0] : node.attributes.real('ratio', 0.5)
  const ratio = given === undefined ? 0.5 : Number(given)
  // Training that drops nothing drops nothing.
  if (node.has(2) && ratio !== 0 && (!training || Number(training.data[0]) !== 0))
    node.unsupported('training mode')
  if (!(ratio >= 0 && ratio <= 1)) node.invalid(`ratio is ${ratio}, expected 0 to 1`)
  // A ratio of 1 would leave nothing to train; outside training it says nothing.
  const kept = ratio < 1 ? node.apply('dropout', [x], { ratio }) : node.apply('identity', [x])
  if (!node.wants(1)) return [kept]
  return [kept, node.apply('constantOfShape', [node.apply('shape', [x])], { value: 1, dtype: 'bool' })]
}

/** A cosine window: the first half of it where the second mirrors it. */
const window =
  (weights: readonly number[]) =>
  (node: OnnxNode): Value => {
    const { name, compute } = elementType(node.attributes.integer('output_datatype', 1))
    if (compute === undefined) node.unsupported(`element type ${name}`)
    const number = (value: number) => node.graph.constant('i64', [], BigInt64Array.of(BigInt(value)))
    const count = node.apply('reshape', [node.cast(node.host(0), 'i64'), node.graph.integers([])])
    const steps = node.cast(node.apply('range', [number(0), count, number(1)]), 'f32')
    const length = node.cast(count, 'f32')
    const periodic = node.attributes.integer('periodic', 1) !== 0
    const span = periodic ? length : node.apply('sub', [length, node.graph.scalar(1)])
    const turn = node.apply('div', [node.apply('mul', [steps, node.graph.scalar(2 * Math.PI)]), span])
    const sum = weights.slice(1).reduce((total, weight, at) => {
      const cosine = node.apply('cos', [node.apply('mul', [turn, node.graph.scalar(at + 1)])])
      return node.apply('add', [total, node.apply('mul', [cosine, node.graph.scalar(weight)])])
    }, node.graph.scalar(weights[0]!))
    return node.cast(sum, compute)
  }

/** Ones on a diagonal of a matrix of zeros. */
function eyeLike(node: OnnxNode): Value {
  const x = node.input(0)
  const to = node.attributes.has('dtype')
    ? elementType(node.attributes.integer('dtype', 1)).compute
    : node.dtype(x)
  if (to === undefined) node.unsupported('an element type that is not known')
  const k = node.attributes.integer('k', 0)
  const number = (value: number) => node.graph.constant('i64', [], BigInt64Array.of(BigInt(value)))
  const along = (axis: number) => {
    const length = node.apply('squeeze', [node.apply('shape', [x], { start: axis, end: axis + 1 })], {
      axes: [0],
    })
    return node.apply('unsqueeze', [node.apply('range', [number(0), length, number(1)])], {
      axes: [1 - axis],
    })
  }
  const hit = node.apply('equal', [node.apply('add', [along(0), number(k)]), along(1)])
  return node.apply('cast', [hit], { to })
}

export const generate: OperatorTable = {
  EyeLike: eyeLike,
  HannWindow: window([0.5, -0.5]),
  HammingWindow: window([25 / 46, -21 / 46]),
  BlackmanWindow: window([0.42, -0.5, 0.08]),
  ConstantOfShape: constantOfShape,
  Range: node => node.apply('range', [node.host(0), node.host(1), node.host(2)]),
  Identity: node => node.apply('identity', [node.input(0)]),
  Cast: castTo,
  CastLike: node => {
    node.attributes.ignore('saturate', 'round_mode')
    const to = node.dtype(node.input(1)) ?? node.unsupported('an operand of unknown element type')
    return node.apply('cast', [node.input(0)], { to })
  },
  Dropout: dropout,
}
