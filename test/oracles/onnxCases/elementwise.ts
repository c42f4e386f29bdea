import { Float, floats, tensor } from '../onnxWriter.js'
import { type CaseInput, type OnnxCase, oneNode } from './case.js'

const x = { x: { shape: [2, 3, 4, 5] } }
const positive = { x: { shape: [2, 3], low: 0.1, high: 3 } }
const unit = { x: { shape: [2, 3], low: -0.9, high: 0.9 } }
const above = { x: { shape: [2, 3], low: 1.1, high: 3 } }

const plain = [
  'Abs',
  'Neg',
  'Sign',
  'Exp',
  'Floor',
  'Ceil',
  'Round',
  'Erf',
  'Sin',
  'Cos',
  'Tan',
  'Atan',
  'Sinh',
  'Cosh',
  'Tanh',
  'Asinh',
]
const activations = [
  'Relu',
  'Sigmoid',
  'Softplus',
  'Softsign',
  'HardSwish',
  'Mish',
  'LeakyRelu',
  'ThresholdedRelu',
  'Elu',
  'Celu',
  'Selu',
  'HardSigmoid',
  'Gelu',
  'Shrink',
]

function binary(
  op: string,
  opset: number,
  more: { b?: CaseInput; outputType?: 'bool'; a?: CaseInput } = {},
): OnnxCase {
  return oneNode(op, opset, {
    inputs: { a: more.a ?? { shape: [2, 3, 4] }, b: more.b ?? { shape: [3, 1] } },
    ...(more.outputType ? { outputType: more.outputType } : {}),
  })
}

const whole = (shape: number[]): CaseInput => ({ shape, dtype: 'i64', low: -9, high: 9 })
const divisor: CaseInput = { shape: [3, 1], dtype: 'i64', values: [-4, 3, 7] }
const truth = (shape: number[]): CaseInput => ({ shape, dtype: 'bool' })

export const elementwiseCases: OnnxCase[] = [
  ...plain.map(op => oneNode(op, 20, { inputs: x })),
  ...['Sqrt', 'Log', 'Reciprocal'].map(op => oneNode(op, 13, { inputs: positive })),
  ...['Asin', 'Acos', 'Atanh'].map(op => oneNode(op, 20, { inputs: unit })),
  oneNode('Acosh', 20, { inputs: above }),
  oneNode('Round', 11, {
    inputs: { x: { shape: [6], values: [0.5, 1.5, 2.5, -0.5, -1.5, 0.49] } },
    note: 'halves',
  }),

  ...activations.map(op =>
    oneNode(op, op === 'HardSwish' ? 14 : op === 'Mish' ? 18 : op === 'Gelu' ? 20 : 13, { inputs: x }),
  ),
  oneNode('LeakyRelu', 6, { inputs: x, attributes: { alpha: new Float(0.3) } }),
  oneNode('Elu', 6, { inputs: x, attributes: { alpha: new Float(0.7) } }),
  oneNode('Celu', 12, { inputs: x, attributes: { alpha: new Float(1.7) } }),
  oneNode('Selu', 6, { inputs: x, attributes: { alpha: new Float(2), gamma: new Float(0.5) } }),
  oneNode('HardSigmoid', 6, { inputs: x, attributes: { alpha: new Float(0.4), beta: new Float(0.3) } }),
  oneNode('Gelu', 20, { inputs: x, attributes: { approximate: 'tanh' }, note: 'tanh' }),
  oneNode('Swish', 24, { inputs: x }),
  oneNode('Swish', 24, { inputs: x, attributes: { alpha: new Float(1.7) }, note: 'steeper' }),
  oneNode('Shrink', 9, { inputs: x, attributes: { lambd: new Float(1), bias: new Float(0.25) } }),
  oneNode('PRelu', 16, { inputs: x, tensors: [floats('slope', [3, 1, 1])] }),
  oneNode('PRelu', 9, { inputs: x, tensors: [floats('slope', [1])] }),
  oneNode('PRelu', 6, { inputs: x, tensors: [floats('slope', [3])], note: 'per channel' }),
  oneNode('Clip', 6, { inputs: x, attributes: { min: new Float(-0.5), max: new Float(1) } }),
  oneNode('Clip', 6, { inputs: x, attributes: { max: new Float(1) }, note: 'above only' }),
  oneNode('Clip', 13, {
    inputs: x,
    tensors: [tensor('lo', [], Float32Array.of(0)), tensor('hi', [], Float32Array.of(1))],
  }),
  oneNode('Clip', 13, {
    inputs: x,
    operands: ['x', '', 'hi'],
    tensors: [tensor('hi', [], Float32Array.of(1))],
    note: 'above only',
  }),
  oneNode('Clip', 13, {
    inputs: x,
    tensors: [tensor('lo', [], Float32Array.of(1)), tensor('hi', [], Float32Array.of(-1))],
    note: 'crossing',
  }),
  oneNode('Clip', 13, {
    inputs: { ...x, lo: { shape: [], values: [-1] }, hi: { shape: [], values: [0.5] } },
    note: 'bounds as inputs',
  }),
  oneNode('Clip', 13, {
    inputs: { x: whole([6]) },
    operands: ['x', '', 'hi'],
    tensors: [tensor('hi', [], BigInt64Array.of(3n))],
    outputType: 'i64',
    note: 'whole numbers',
  }),

  ...['Add', 'Sub', 'Mul', 'Div'].map(op => binary(op, 14, { b: { shape: [3, 1], low: 0.5, high: 2 } })),
  ...['Add', 'Sub', 'Mul'].map(op =>
    oneNode(op, 14, {
      inputs: { a: whole([2, 3, 4]), b: divisor },
      outputType: 'i64',
      note: 'whole numbers',
    }),
  ),
  oneNode('Div', 14, {
    inputs: { a: whole([2, 3, 4]), b: divisor },
    outputType: 'i64',
    note: 'whole numbers',
  }),
  oneNode('Mod', 13, {
    inputs: { a: whole([2, 3, 4]), b: divisor },
    outputType: 'i64',
    note: 'whole numbers',
  }),
  oneNode('Mod', 13, {
    inputs: { a: whole([2, 3, 4]), b: divisor },
    attributes: { fmod: 1 },
    outputType: 'i64',
    note: 'truncated',
  }),
  oneNode('Mod', 13, {
    inputs: { a: { shape: [2, 3] }, b: { shape: [3], values: [0.7, -0.6, 1.1] } },
    attributes: { fmod: 1 },
  }),
  oneNode('Pow', 15, { inputs: { a: { shape: [2, 3], low: 0.1 }, b: { shape: [3] } } }),
  oneNode('Pow', 15, {
    inputs: { a: { shape: [2, 3] } },
    tensors: [tensor('b', [], BigInt64Array.of(2n))],
    note: 'whole exponent',
  }),
  ...['Min', 'Max', 'Sum', 'Mean'].map(op =>
    oneNode(op, 13, { inputs: { a: { shape: [2, 3] }, b: { shape: [3] }, c: { shape: [2, 1] } } }),
  ),
  ...['Min', 'Max', 'Sum', 'Mean'].map(op =>
    oneNode(op, 13, { inputs: { a: { shape: [2, 3] } }, note: 'one operand' }),
  ),
  oneNode('Add', 6, {
    inputs: { a: { shape: [2, 3, 4, 5] } },
    tensors: [floats('b', [3])],
    attributes: { broadcast: 1, axis: 1 },
    note: 'axis',
  }),
  oneNode('Mul', 6, {
    inputs: { a: { shape: [2, 3, 4] } },
    tensors: [floats('b', [3, 4])],
    attributes: { broadcast: 1 },
    note: 'trailing',
  }),

  ...['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual'].map(op =>
    oneNode(op, 16, {
      inputs: { a: whole([2, 3]), b: { shape: [3], dtype: 'i64', values: [-1, 0, 2] } },
      outputType: 'bool',
    }),
  ),
  ...['Less', 'Greater'].map(op => binary(op, 9, { outputType: 'bool' })),
  ...['And', 'Or', 'Xor'].map(op =>
    binary(op, 7, { a: truth([2, 3, 4]), b: truth([3, 1]), outputType: 'bool' }),
  ),
  oneNode('Not', 13, { inputs: { a: truth([7]) }, outputType: 'bool' }),
  oneNode('Where', 16, { inputs: { c: truth([2, 1, 4]), a: { shape: [3, 4] }, b: { shape: [2, 3, 1] } } }),
  oneNode('IsNaN', 13, {
    inputs: { x: { shape: [3], values: [1, Number.NaN, Number.POSITIVE_INFINITY] } },
    outputType: 'bool',
  }),
  oneNode('IsInf', 10, {
    inputs: { x: { shape: [3], values: [Number.NEGATIVE_INFINITY, Number.NaN, Number.POSITIVE_INFINITY] } },
    attributes: { detect_negative: 0 },
    outputType: 'bool',
  }),
  oneNode('Cast', 13, {
    inputs: { x: { shape: [6], values: [-1.7, -0.5, 0, 0.5, 1.7, 300] } },
    attributes: { to: 7 },
    outputType: 'i64',
  }),
  oneNode('Cast', 13, { inputs: { x: whole([6]) }, attributes: { to: 1 }, note: 'to float' }),
  oneNode('Cast', 13, {
    inputs: { x: whole([6]) },
    attributes: { to: 9 },
    outputType: 'bool',
    note: 'to bool',
  }),
  oneNode('Cast', 13, {
    inputs: { x: { shape: [4], dtype: 'f64', values: [0.1, -1e-3, 16777217, 1e39] } },
    attributes: { to: 1 },
    note: 'from double',
  }),
  oneNode('Cast', 13, {
    inputs: { x: { shape: [3], values: [0.1, -2.5, 3] } },
    attributes: { to: 11 },
    outputType: 'f64',
    note: 'to double',
  }),
  oneNode('CastLike', 15, { inputs: { x: whole([6]), like: { shape: [1] } } }),
]
