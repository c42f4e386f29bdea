import type { Value } from '../../../graph/builder.js'
import { elementType } from '../dataTypes.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { checkKernel, windowOf } from './window.js'

/** What 8-bit integers stand for: (q - zero) · scale, along an axis or for all elements. */
interface Grid {
  scale: Value
  zero: Value | undefined
  dtype: 'u8' | 'i8'
}

const bounds = { u8: [0, 255], i8: [-128, 127] } as const

/** A scale or zero point for each index of an axis, shaped to meet the tensor; one for all stays as it is. */
function alongAxis(node: OnnxNode, value: Value, x: Value, axis: number): Value {
  if (node.rank(value) === 0) return value
  const rank = node.requireRank(x)
  // A vector has one axis, whatever the default says; a vector of one scale is one for all there.
  if (rank <= 1) return value
  const at = axis < 0 ? axis + rank : axis
  if (at < 0 || at >= Math.max(rank, 1)) node.invalid(`axis is ${axis} for rank ${rank}`)
  return node.apply('reshape', [
    value,
    node.graph.integers(Array.from({ length: rank }, (_, k) => (k === at ? -1 : 1))),
  ])
}

/** Scales of blocks of an axis as scales of its elements. */
function ofBlocks(node: OnnxNode, value: Value, x: Value, axis: number, size: number): Value {
  const number = (n: number) => node.graph.constant('i64', [], BigInt64Array.of(BigInt(n)))
  const length = node.apply('shape', [x], axis === -1 ? { start: -1 } : { start: axis, end: axis + 1 })
  const count = node.apply('squeeze', [length], { axes: [0] })
  const block = node.apply('div', [node.apply('range', [number(0), count, number(1)]), number(size)])
  return node.apply('gather', [value, block], { axis })
}

/** Brings a scale or zero point to the tensor: one for all, one for each index of the axis, or one for each block. */
function spread(node: OnnxNode, value: Value, x: Value, axis: number): Value {
  const size = node.attributes.integer('block_size', 0)
  return size > 0 ? ofBlocks(node, value, x, axis, size) : alongAxis(node, value, x, axis)
}

/** The grid of a result, by the positions of its scale and zero point. */
function gridOf(node: OnnxNode, x: Value, scale: number, zero: number, axis: number): Grid {
  const zeroPoint = node.has(zero) ? node.input(zero) : undefined
  const named = node.attributes.integer('output_dtype', 0)
  const dtype =
    zeroPoint !== undefined ? node.dtype(zeroPoint) : named === 0 ? 'u8' : elementType(named).compute
  if (dtype !== 'u8' && dtype !== 'i8') node.unsupported(`element type ${dtype ?? 'of its zero point'}`)
  return {
    scale: spread(node, node.cast(node.input(scale), 'f32'), x, axis),
    zero: zeroPoint && spread(node, node.cast(zeroPoint, 'f32'), x, axis),
    dtype,
  }
}

/**
 * round(x / scale) + zero, cut to what the integers hold. The derivative of a result that is read again is that of the
 * cut alone (straight through the rounding).
 *
 * Source: Bengio, Léonard and Courville, "Estimating or propagating gradients through stochastic neurons" (2013).
 */
function quantise(node: OnnxNode, x: Value, { scale, zero, dtype }: Grid): Value {
  const [low, high] = bounds[dtype]
  const scaled = node.apply('round', [node.apply('div', [x, scale])])
  const shifted = zero === undefined ? scaled : node.apply('add', [scaled, zero])
  const cut = node.apply('clip', [shifted], { min: low, max: high })
  const integers = node.apply('cast', [cut], { to: dtype })
  const bound = (end: number) => {
    const edge = node.scalar(end, scaled)
    return node.apply('mul', [zero === undefined ? edge : node.apply('sub', [edge, zero]), scale])
  }
  const inside = node.apply('max', [node.apply('min', [x, bound(high)]), bound(low)])
  // Zero, with the derivative of the integers.
  const zeroes = node.apply('sub', [inside, node.apply('stopGradient', [inside])])
  node.carry(integers, node.apply('div', [zeroes, scale]))
  return integers
}

function dequantise(node: OnnxNode, q: Value, scale: Value, zero: Value | undefined): Value {
  const plain = node.cast(q, 'f32')
  const centred = zero === undefined ? plain : node.apply('sub', [plain, zero])
  const exact = node.apply('mul', [centred, scale])
  const carried = node.carriedBy(q)
  return carried === undefined ? exact : node.apply('add', [exact, node.apply('mul', [carried, scale])])
}

/** An operand of an operator on quantised tensors, as the numbers that it stands for. */
function operand(node: OnnxNode, at: number, axis: number): { value: Value; scale: Value } {
  const q = node.input(at)
  const { scale, zero } = gridOf(node, q, at + 1, at + 2, axis)
  return { value: dequantise(node, q, scale, zero), scale }
}

function dynamic(node: OnnxNode): Value[] {
  const x = node.input(0)
  const zero = node.scalar(0, x)
  const most = node.apply('max', [node.apply('reduceMax', [x], { keepDims: 0 }), zero])
  const least = node.apply('min', [node.apply('reduceMin', [x], { keepDims: 0 }), zero])
  const range = node.apply('div', [node.apply('sub', [most, least]), node.scalar(255, x)])
  const exact = node.apply('where', [node.apply('equal', [range, zero]), node.scalar(1, x), range])
  // The grid is taken as it is: straight through the rounding means through nothing else either.
  const scale = node.apply('stopGradient', [exact])
  const point = node.apply(
    'clip',
    [node.apply('round', [node.apply('neg', [node.apply('div', [least, scale])])])],
    {
      min: 0,
      max: 255,
    },
  )
  const integers = quantise(node, x, { scale, zero: point, dtype: 'u8' })
  return [integers, scale, node.apply('cast', [point], { to: 'u8' })]
}

/** Integers less their zero points, exactly. */
function centredIntegers(
  node: OnnxNode,
  at: number,
  zeroAt: number,
  perRow: 'rows' | 'columns' | 'channels',
): Value {
  const plain = node.cast(node.input(at), 'i32')
  if (!node.has(zeroAt)) return plain
  const zero = node.cast(node.input(zeroAt), 'i32')
  const isVector = node.rank(zero) === 1
  const shaped =
    !isVector || perRow === 'columns'
      ? zero
      : perRow === 'rows'
        ? node.apply('unsqueeze', [zero], { axes: [1] })
        : alongAxis(node, zero, plain, 0)
  return node.apply('sub', [plain, shaped])
}

/** The derivative of a product of integers, in either operand that has one. */
function carryProduct(
  node: OnnxNode,
  result: Value,
  [a, b]: readonly [Value, Value],
  product: (a: Value, b: Value) => Value,
): void {
  const [da, db] = [node.carriedBy(node.input(0)), node.carriedBy(node.input(1))]
  const terms = [
    ...(da ? [product(da, node.cast(b, 'f32'))] : []),
    ...(db ? [product(node.cast(a, 'f32'), db)] : []),
  ]
  if (terms.length > 0)
    node.carry(
      result,
      terms.reduce((sum, term) => node.apply('add', [sum, term])),
    )
}

/** An operator that both reads and gives quantised tensors: what it does to the numbers in between. */
const between =
  (operands: number, compute: (node: OnnxNode, values: Value[]) => Value) =>
  (node: OnnxNode): Value => {
    const values = Array.from({ length: operands }, (_, at) => operand(node, 3 * at, 0).value)
    const result = compute(node, values)
    return quantise(node, result, gridOf(node, result, 3 * operands, 3 * operands + 1, 0))
  }

function quantisedGemm(node: OnnxNode): Value {
  const flags = {
    ...(node.attributes.integer('transA', 0) ? { transposeA: 1 } : {}),
    ...(node.attributes.integer('transB', 0) ? { transposeB: 1 } : {}),
  }
  const alpha = node.attributes.real('alpha', 1)
  const [a, b] = [operand(node, 0, 0), operand(node, 3, flags.transposeB ? 0 : 1)]
  const plain = node.apply('matMul', [a.value, b.value], flags)
  const scaled = alpha === 1 ? plain : node.apply('mul', [plain, node.scalar(alpha, plain)])
  const unit = node.apply('mul', [a.scale, node.cast(node.input(4), 'f32')])
  const product = node.has(6)
    ? node.apply('add', [
        scaled,
        node.apply('mul', [
          node.cast(node.input(6), 'f32'),
          alpha === 1 ? unit : node.apply('mul', [unit, node.scalar(alpha, unit)]),
        ]),
      ])
    : scaled
  return node.has(7) ? quantise(node, product, gridOf(node, product, 7, 8, 0)) : product
}

function quantisedConcat(node: OnnxNode): Value {
  const axis = node.attributes.integer('axis', 0)
  const count = Math.floor((node.inputCount - 2) / 3)
  const parts = Array.from({ length: count }, (_, at) => operand(node, 2 + 3 * at, 0).value)
  const joined = node.apply('concat', parts, { axis })
  return quantise(node, joined, gridOf(node, joined, 0, 1, 0))
}

/** Quantised operators that ONNX Runtime's quantiser writes besides those of ONNX. */
export const microsoftQuantised: OperatorTable = {
  'com.microsoft.QLinearAdd': between(2, (node, [a, b]) => node.apply('add', [a, b])),
  'com.microsoft.QLinearMul': between(2, (node, [a, b]) => node.apply('mul', [a, b])),
  'com.microsoft.QLinearSigmoid': between(1, (node, [x]) => node.apply('sigmoid', [x])),
  'com.microsoft.QLinearLeakyRelu': between(1, (node, [x]) =>
    node.apply('leakyRelu', [x], { alpha: node.attributes.real('alpha', 0.01) }),
  ),
  'com.microsoft.QLinearGlobalAveragePool': between(1, (node, [x]) => {
    if (node.attributes.integer('channels_last', 0) !== 0) node.unsupported('channels last')
    return node.apply('globalAveragePool', [x])
  }),
  'com.microsoft.QLinearConcat': quantisedConcat,
  'com.microsoft.QGemm': quantisedGemm,
}

export const quantisedOperators: OperatorTable = {
  QuantizeLinear: node => {
    node.attributes.ignore('saturate', 'precision')
    const x = node.cast(node.input(0), 'f32')
    return quantise(node, x, gridOf(node, x, 1, 2, node.attributes.integer('axis', 1)))
  },
  DequantizeLinear: node => {
    node.attributes.ignore('output_dtype')
    const q = node.input(0)
    const axis = node.attributes.integer('axis', 1)
    const scale = spread(node, node.cast(node.input(1), 'f32'), q, axis)
    const zero = node.has(2) ? spread(node, node.cast(node.input(2), 'f32'), q, axis) : undefined
    return dequantise(node, q, scale, zero)
  },
  DynamicQuantizeLinear: dynamic,
  QLinearMatMul: node => {
    const [a, b] = [operand(node, 0, -2), operand(node, 3, -1)]
    const product = node.apply('matMul', [a.value, b.value])
    return quantise(node, product, gridOf(node, product, 6, 7, -2))
  },
  QLinearConv: node => {
    checkKernel(node, 3)
    const [x, w] = [operand(node, 0, 1), operand(node, 3, 0)]
    const bias = node.has(8)
      ? node.apply('mul', [
          node.cast(node.input(8), 'f32'),
          node.apply('mul', [x.scale, node.cast(node.input(4), 'f32')]),
        ])
      : undefined
    const product = node.apply('conv', [x.value, w.value, ...(bias ? [bias] : [])], {
      ...windowOf(node),
      group: node.attributes.integer('group', 1),
    })
    return quantise(node, product, gridOf(node, product, 6, 7, 1))
  },
  // In doubles, which hold every sum of products exactly.
  ConvInteger: node => {
    checkKernel(node)
    const exact = (value: Value) => node.apply('cast', [value], { to: 'f64' })
    const operands = [
      centredIntegers(node, 0, 2, 'channels'),
      centredIntegers(node, 1, 3, 'channels'),
    ] as const
    const window = { ...windowOf(node), group: node.attributes.integer('group', 1) }
    const product = node.apply('cast', [node.apply('conv', operands.map(exact), window)], { to: 'i32' })
    carryProduct(node, product, operands, (a, b) => node.apply('conv', [a, b], window))
    return product
  },
  MatMulInteger: node => {
    const operands = [centredIntegers(node, 0, 2, 'rows'), centredIntegers(node, 1, 3, 'columns')] as const
    const product = node.apply('matMul', [...operands])
    carryProduct(node, product, operands, (a, b) => node.apply('matMul', [a, b]))
    return product
  },
}
