import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorImport, OperatorTable } from '../node.js'

interface Reduction {
  axes?: number[]
  keepDims: number
  noopWithEmptyAxes?: number
}

type Reducer = 'sum' | 'mean' | 'reduceMax' | 'reduceMin' | 'prod'

/**
 * Which axes go. They became an operand with `operandSince`; undefined means that none are named and that this
 * asks for no reduction at all.
 */
function reductionOf(node: OnnxNode, operandSince: number): Reduction | undefined {
  const keepDims = node.attributes.integer('keepdims', 1) === 0 ? 0 : 1
  const noop = node.attributes.integer('noop_with_empty_axes', 0) !== 0
  const asAttribute = node.attributes.integers('axes')
  if (isComputed(node, operandSince)) return { keepDims, ...(noop ? { noopWithEmptyAxes: 1 } : {}) }
  const axes = node.opset >= operandSince ? (node.integers(1, 'axes') ?? asAttribute) : asAttribute
  if (axes && axes.length > 0) return { axes, keepDims }
  return noop ? undefined : { keepDims }
}

/** Axes that follow from shapes or are an input: they are settled when a plan is compiled. */
const isComputed = (node: OnnxNode, operandSince: number): boolean =>
  node.opset >= operandSince && node.has(1) && node.known(1) === undefined

const operandsOf = (node: OnnxNode, x: Value, operandSince: number): Value[] =>
  isComputed(node, operandSince) ? [x, node.cast(node.host(1), 'i64')] : [x]

/** reduce(before(x)) and then `after`: all the norms are of this form. */
function reducing(
  reducer: Reducer,
  operandSince: number,
  before?: (node: OnnxNode, x: Value) => Value,
  after?: (node: OnnxNode, y: Value) => Value,
): OperatorImport {
  return node => {
    const x = node.input(0)
    const reduction = reductionOf(node, operandSince)
    const prepared = before ? before(node, x) : x
    const reduced = reduction
      ? node.apply(reducer, operandsOf(node, prepared, operandSince), reduction)
      : before
        ? prepared
        : node.apply('identity', [prepared])
    return after ? after(node, reduced) : reduced
  }
}

const square = (node: OnnxNode, x: Value) => node.apply('mul', [x, x])
const root = (node: OnnxNode, y: Value) => node.apply('sqrt', [y])
const logarithm = (node: OnnxNode, y: Value) => node.apply('log', [y])
const magnitude = (node: OnnxNode, x: Value) => node.apply('abs', [x])

/** log(sum(exp(x))), shifted by the maximum, which cancels and so needs no derivative. */
function logSumExp(node: OnnxNode): Value {
  const x = node.input(0)
  const reduction = reductionOf(node, 18)
  if (!reduction) return node.apply('identity', [x])
  const kept = { ...reduction, keepDims: 1 }
  const operands = (value: Value) => operandsOf(node, value, 18)
  const shift = node.apply('stopGradient', [node.apply('reduceMax', operands(x), kept)])
  const powers = operands(node.apply('exp', [node.apply('sub', [x, shift])]))
  if (reduction.keepDims === 0 && isComputed(node, 18)) {
    // Axes that turn out to be none may mean that none goes: a squeeze without axes takes every one of length 1.
    const sum = node.apply('sum', powers, reduction)
    return node.apply('add', [node.apply('log', [sum]), node.apply('reshapeLike', [shift, sum])])
  }
  const total = node.apply('sum', powers, kept)
  const result = node.apply('add', [node.apply('log', [total]), shift])
  if (reduction.keepDims === 1) return result
  return node.apply('squeeze', operands(result), reduction.axes ? { axes: reduction.axes } : {})
}

function extremum(op: 'argMax' | 'argMin'): OperatorImport {
  return node =>
    node.apply(op, [node.input(0)], {
      axis: node.attributes.integer('axis', 0),
      keepDims: node.attributes.integer('keepdims', 1) === 0 ? 0 : 1,
      selectLast: node.attributes.integer('select_last_index', 0) === 0 ? 0 : 1,
    })
}

function topK(node: OnnxNode): Value[] {
  // In order is one of the orders that an unordered result may have.
  node.attributes.ignore('sorted')
  const count = node.opset >= 10 ? node.host(1) : node.graph.integers([node.attributes.integer('k', 0)])
  const [values, places] = node.graph.applyMany(
    'topK',
    [node.input(0), count],
    2,
    { axis: node.attributes.integer('axis', -1), largest: node.attributes.integer('largest', 1) },
    node.source.label,
  )
  return [values!, node.define(places!, 'i64', node.rank(node.input(0)))]
}

export const reduction: OperatorTable = {
  TopK: topK,
  ReduceSum: reducing('sum', 13),
  ReduceMean: reducing('mean', 18),
  ReduceMax: reducing('reduceMax', 18),
  ReduceMin: reducing('reduceMin', 18),
  ReduceProd: reducing('prod', 18),
  ReduceL1: reducing('sum', 18, magnitude),
  ReduceL2: reducing('sum', 18, square, root),
  ReduceSumSquare: reducing('sum', 18, square),
  ReduceLogSum: reducing('sum', 18, undefined, logarithm),
  ReduceLogSumExp: logSumExp,
  ArgMax: extremum('argMax'),
  ArgMin: extremum('argMin'),
}
