import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { counted, dimension, flag, joined } from './parts.js'
import { windowOf } from './window.js'

function kernelOf(node: OnnxNode): number[] {
  return node.attributes.integers('kernel_shape') ?? node.invalid('kernel_shape is missing')
}

function normOf(node: OnnxNode): number {
  const p = node.attributes.integer('p', 2)
  return p >= 1 ? p : node.invalid(`p is ${p}, expected 1 or more`)
}

/** (sum of |x|^p over windows)^(1/p), the sum as an average with the padding counted, times the window's size. */
function lpPool(node: OnnxNode): Value {
  const x = node.input(0)
  const kernel = kernelOf(node)
  if (flag(node, 'ceil_mode') === 1) node.unsupported('ceil_mode')
  const p = normOf(node)
  const powers = node.apply('pow', [node.apply('abs', [x]), node.scalar(p, x)])
  const mean = node.apply('averagePool', [powers], { kernel, ...windowOf(node), countIncludePad: 1 })
  const size = kernel.reduce((product, length) => product * length, 1)
  return node.apply('pow', [node.apply('mul', [mean, node.scalar(size, x)]), node.scalar(1 / p, x)])
}

const product = (node: OnnxNode, sizes: Value): Value =>
  node.apply('prod', [sizes], { axes: [0], keepDims: 1 })

/** ONNX counts the places of maxima through the whole tensor, the graph language within each plane. */
function maxPool(node: OnnxNode): Value | Value[] {
  const x = node.input(0)
  const columnMajor = flag(node, 'storage_order') === 1
  const attributes = { kernel: kernelOf(node), ...windowOf(node), ceilMode: flag(node, 'ceil_mode') }
  if (!node.wants(1)) return node.apply('maxPool', [x], attributes)
  const spatial = node.requireRank(x) - 2
  const [y, within] = node.applyMany('maxPool', [x], 2, attributes)
  let places = node.cast(within!, 'i64')
  if (columnMajor) {
    // The first spatial axis runs fastest.
    let rest = places
    let stride: Value = node.graph.integers([1])
    const lengths = Array.from({ length: spatial }, (_, axis) => dimension(node, x, axis + 2))
    const coordinates = lengths
      .toReversed()
      .map(length => {
        const at = node.apply('mod', [rest, length])
        rest = node.apply('div', [rest, length])
        return at
      })
      .toReversed()
    places = coordinates
      .map((at, axis) => {
        const part = node.apply('mul', [at, stride])
        stride = node.apply('mul', [stride, lengths[axis]!])
        return part
      })
      .reduce((sum, part) => node.apply('add', [sum, part]))
  }
  const planes = product(node, node.apply('shape', [x], { start: 0, end: 2 }))
  const numbers = counted(node, node.apply('squeeze', [planes], { axes: [0] }))
  const area = product(node, node.apply('shape', [x], { start: 2 }))
  const ones = Array.from({ length: spatial }, () => 1)
  const begins = node.apply('reshape', [
    node.apply('mul', [numbers, area]),
    joined(node, node.apply('shape', [x], { start: 0, end: 2 }), ...ones),
  ])
  const whole = node.define(node.apply('add', [places, begins]), 'i64', spatial + 2)
  return [node.define(y!, node.dtype(x), spatial + 2), whole]
}

/** Maxima put back to where they were found, among zeros. */
function maxUnpool(node: OnnxNode): Value {
  const [x, places] = [node.input(0), node.cast(node.input(1), 'i64')]
  const kernel = kernelOf(node)
  const spatial = kernel.length
  const { strides = kernel.map(() => 1), pads = [...kernel, ...kernel].map(() => 0) } = windowOf(node)
  const vector = (values: number[]) => node.graph.integers(values)
  const steps = node.apply('sub', [node.apply('shape', [x], { start: 2 }), node.graph.integers([1])])
  const sizes = node.apply('add', [
    node.apply('mul', [steps, vector(strides)]),
    vector(kernel.map((size, axis) => size - pads[axis]! - pads[axis + spatial]!)),
  ])
  const shape = joined(node, node.apply('shape', [x], { start: 0, end: 2 }), sizes)
  const flat = (value: Value) => node.apply('reshape', [value, node.graph.integers([-1])])
  const empty = node.apply('expand', [node.scalar(0, x), product(node, shape)])
  const filled = node.apply('scatterElements', [empty, flat(places), flat(x)], { axis: 0 })
  const picture = node.define(node.apply('reshape', [filled, shape]), node.dtype(x), spatial + 2)
  if (!node.has(2)) return picture
  // A larger picture keeps it in its first corner.
  const missing = node.apply('sub', [node.cast(node.host(2), 'i64'), shape])
  const none = vector(Array.from({ length: spatial + 2 }, () => 0))
  return node.apply('pad', [picture, joined(node, none, missing), node.scalar(0, x)])
}

export const pooling: OperatorTable = {
  MaxPool: maxPool,
  MaxUnpool: maxUnpool,
  GlobalLpPool: node => {
    const x = node.input(0)
    const p = normOf(node)
    const axes = Array.from({ length: node.requireRank(x) - 2 }, (_, axis) => axis + 2)
    const powers = node.apply('pow', [node.apply('abs', [x]), node.scalar(p, x)])
    return node.apply('pow', [node.apply('sum', [powers], { axes }), node.scalar(1 / p, x)])
  },
  AveragePool: node =>
    node.apply('averagePool', [node.input(0)], {
      kernel: kernelOf(node),
      ...windowOf(node),
      ceilMode: flag(node, 'ceil_mode'),
      countIncludePad: flag(node, 'count_include_pad'),
    }),
  LpPool: lpPool,
  GlobalAveragePool: node => node.apply('globalAveragePool', [node.input(0)]),
  GlobalMaxPool: node => node.apply('globalMaxPool', [node.input(0)]),
}
