import { Float, integers, tensor, valueInfo } from '../onnxWriter.js'
import { type CaseInput, declare, type OnnxCase, oneNode } from './case.js'

const x = { x: { shape: [2, 3, 4] } }
const cube: Record<string, CaseInput> = { x: { shape: [2, 3, 4], declared: ['A', 'B', 'C'] } }
const index = (shape: number[], values: number[]): CaseInput => ({ shape, dtype: 'i64', values })
const reducers = [
  'ReduceSum',
  'ReduceMean',
  'ReduceMax',
  'ReduceMin',
  'ReduceProd',
  'ReduceL1',
  'ReduceL2',
  'ReduceSumSquare',
  'ReduceLogSumExp',
]

const flattenBySizes: OnnxCase = {
  name: 'Shape, Gather, Concat, Reshape of a symbolic size',
  model: {
    opset: 13,
    inputs: declare(cube),
    tensors: [tensor('zero', [], BigInt64Array.of(0n)), integers('axes', [0]), integers('rest', [-1])],
    nodes: [
      { op: 'Shape', outputs: ['s'] },
      { op: 'Gather', inputs: ['s', 'zero'], outputs: ['n'] },
      { op: 'Unsqueeze', inputs: ['n', 'axes'], outputs: ['n1'] },
      { op: 'Concat', inputs: ['n1', 'rest'], outputs: ['to'], attributes: { axis: 0 } },
      { op: 'Reshape', inputs: ['x', 'to'] },
    ],
    outputs: [valueInfo('y')],
  },
  inputs: cube,
  outputs: ['y'],
}

export const shapeCases: OnnxCase[] = [
  flattenBySizes,
  oneNode('Shape', 13, { inputs: cube, outputType: 'i64' }),
  oneNode('Shape', 15, { inputs: cube, attributes: { start: -2, end: -1 }, outputType: 'i64' }),
  oneNode('Size', 13, { inputs: cube, outputType: 'i64' }),
  oneNode('Reshape', 13, { inputs: cube, tensors: [integers('s', [0, -1])] }),
  oneNode('Reshape', 14, {
    inputs: { x: { shape: [0, 3], declared: ['A', 3] } },
    tensors: [integers('s', [3, 0])],
    attributes: { allowzero: 1 },
    note: 'zeros allowed',
  }),
  oneNode('Flatten', 13, { inputs: cube }),
  oneNode('Flatten', 13, { inputs: cube, attributes: { axis: -1 }, note: 'axis -1' }),
  oneNode('Flatten', 9, { inputs: cube, attributes: { axis: 0 }, note: 'axis 0' }),
  oneNode('Squeeze', 13, { inputs: { x: { shape: [1, 3, 1] } }, tensors: [integers('axes', [-1])] }),
  oneNode('Squeeze', 11, { inputs: { x: { shape: [1, 3, 1] } }, attributes: { axes: [0, 2] } }),
  oneNode('Squeeze', 13, { inputs: { x: { shape: [1, 3, 1] } }, note: 'all' }),
  oneNode('Unsqueeze', 13, { inputs: cube, tensors: [integers('axes', [0, -1])] }),
  oneNode('Unsqueeze', 11, { inputs: cube, attributes: { axes: [1, 4] } }),
  oneNode('Transpose', 13, { inputs: cube }),
  oneNode('Transpose', 13, { inputs: cube, attributes: { perm: [1, 2, 0] }, note: 'perm' }),
  oneNode('Concat', 13, {
    inputs: { a: { shape: [2, 3] }, b: { shape: [2, 1] }, c: { shape: [2, 2] } },
    attributes: { axis: -1 },
  }),
  oneNode('Split', 13, {
    inputs: { x: { shape: [7, 2] } },
    tensors: [integers('sizes', [2, 5])],
    outputs: ['p', 'q'],
  }),
  oneNode('Split', 11, {
    inputs: { x: { shape: [2, 7] } },
    attributes: { axis: 1, split: [3, 4] },
    outputs: ['p', 'q'],
  }),
  oneNode('Split', 13, {
    inputs: { x: { shape: [2, 6], declared: ['A', 'B'] } },
    attributes: { axis: -1 },
    outputs: ['p', 'q', 'r'],
    note: 'equal parts',
  }),
  oneNode('Split', 18, {
    inputs: { x: { shape: [7, 2], declared: ['A', 2] } },
    attributes: { num_outputs: 3 },
    outputs: ['p', 'q', 'r'],
    note: 'uneven parts',
  }),
  oneNode('Slice', 9, {
    inputs: x,
    attributes: { starts: [1, -2], ends: [2, 9223372036854775807n as never], axes: [1, 2] },
  }),
  oneNode('Slice', 13, {
    inputs: x,
    operands: ['x', 's', 'e'],
    tensors: [integers('s', [0, 1]), integers('e', [2, 3])],
  }),
  oneNode('Slice', 13, {
    inputs: x,
    tensors: [integers('s', [-1, 0]), integers('e', [-9, 4]), integers('a', [2, 1]), integers('t', [-2, 2])],
    note: 'backwards',
  }),
  oneNode('Expand', 13, { inputs: { x: { shape: [3, 1] } }, tensors: [integers('s', [2, 1, 4])] }),
  oneNode('Tile', 13, { inputs: x, tensors: [integers('r', [1, 2, 3])] }),
  ...['constant', 'reflect', 'edge', 'wrap'].map(mode =>
    oneNode('Pad', 19, {
      inputs: x,
      tensors: [integers('p', [0, 1, 2, 0, 2, 1])],
      attributes: { mode },
      note: mode,
    }),
  ),
  oneNode('Pad', 13, {
    inputs: x,
    tensors: [integers('p', [0, 1, 2, 0, 0, -1]), tensor('v', [], Float32Array.of(7))],
    note: 'value, cropping',
  }),
  oneNode('Pad', 18, {
    inputs: x,
    operands: ['x', 'p', '', 'a'],
    tensors: [integers('p', [1, 2, 0, 1]), integers('a', [2, 0])],
    note: 'axes',
  }),
  oneNode('Pad', 10, { inputs: x, attributes: { pads: [0, 1, 2, 0, 2, 1], value: new Float(0.5) } }),

  ...reducers.flatMap(op => {
    const operandSince = op === 'ReduceSum' ? 13 : 18
    return [
      oneNode(op, operandSince, { inputs: x, tensors: [integers('axes', [-1, 0])] }),
      oneNode(op, operandSince, { inputs: x, attributes: { keepdims: 0 }, note: 'all' }),
      oneNode(op, 11, { inputs: x, attributes: { axes: [1], keepdims: 0 } }),
    ]
  }),
  oneNode('ReduceSum', 13, {
    inputs: x,
    attributes: { noop_with_empty_axes: 1 },
    note: 'no axes, no reduction',
  }),
  oneNode('ReduceLogSum', 18, {
    inputs: { x: { shape: [2, 3], low: 0.1, high: 2 } },
    tensors: [integers('axes', [1])],
  }),
  ...['ArgMax', 'ArgMin'].flatMap(op => [
    oneNode(op, 13, { inputs: x, attributes: { axis: 1 }, outputType: 'i64' }),
    oneNode(op, 13, {
      inputs: { x: { shape: [2, 4], values: [1, 3, 3, 1, 0, 0, 2, 2] } },
      attributes: { axis: -1, keepdims: 0, select_last_index: 1 },
      outputType: 'i64',
      note: 'last',
    }),
  ]),

  oneNode('Gather', 13, { inputs: { ...x, i: index([2, 2], [0, -1, 2, 1]) }, attributes: { axis: 1 } }),
  oneNode('Gather', 13, { inputs: x, tensors: [tensor('i', [], BigInt64Array.of(-1n))], note: 'one' }),
  oneNode('GatherElements', 13, { inputs: { x: { shape: [3, 3] }, i: index([2, 3], [1, 2, 0, 2, 0, -3]) } }),
  oneNode('GatherND', 13, { inputs: { ...x, i: index([2, 2], [0, 1, 1, -1]) } }),
  oneNode('GatherND', 13, {
    inputs: { ...x, i: index([2, 1], [1, 2]) },
    attributes: { batch_dims: 1 },
    note: 'batch',
  }),
  oneNode('ScatterElements', 13, {
    inputs: { x: { shape: [3, 3] }, i: index([2, 3], [1, 0, 2, 0, 2, 1]), u: { shape: [2, 3] } },
  }),
  oneNode('Scatter', 9, {
    inputs: { x: { shape: [3, 3] }, i: index([3, 2], [1, 0, 2, 0, 0, 1]), u: { shape: [3, 2] } },
    attributes: { axis: 1 },
  }),
  oneNode('ScatterElements', 18, {
    inputs: { x: { shape: [1, 5] }, i: index([1, 3], [1, 1, -2]), u: { shape: [1, 3] } },
    attributes: { axis: 1, reduction: 'add' },
    note: 'add',
  }),
  oneNode('ScatterND', 16, {
    inputs: { x: { shape: [4, 2] }, i: index([2, 1], [3, 1]), u: { shape: [2, 2] } },
  }),
  oneNode('OneHot', 11, {
    inputs: { i: index([2, 2], [0, 2, -1, 1]) },
    tensors: [tensor('d', [], BigInt64Array.of(3n)), tensor('v', [2], Float32Array.of(-1, 2))],
  }),
  oneNode('OneHot', 11, {
    inputs: { i: index([3], [0, 2, 1]) },
    tensors: [tensor('d', [1], BigInt64Array.of(3n)), tensor('v', [2], Float32Array.of(0, 1))],
    attributes: { axis: 0 },
    note: 'axis 0',
  }),
  oneNode('CumSum', 14, { inputs: x, tensors: [tensor('a', [], BigInt64Array.of(1n))] }),
  oneNode('CumSum', 14, {
    inputs: x,
    tensors: [tensor('a', [], BigInt64Array.of(-1n))],
    attributes: { exclusive: 1, reverse: 1 },
    note: 'exclusive, reverse',
  }),
  oneNode('Trilu', 14, { inputs: x }),
  oneNode('Trilu', 14, {
    inputs: x,
    tensors: [tensor('k', [], BigInt64Array.of(-1n))],
    attributes: { upper: 0 },
    note: 'lower',
  }),
  oneNode('Range', 11, {
    inputs: {},
    tensors: [
      tensor('s', [], BigInt64Array.of(10n)),
      tensor('l', [], BigInt64Array.of(1n)),
      tensor('d', [], BigInt64Array.of(-3n)),
    ],
    outputType: 'i64',
  }),
  oneNode('Range', 11, {
    inputs: {},
    tensors: [
      tensor('s', [], Float32Array.of(0.5)),
      tensor('l', [], Float32Array.of(3)),
      tensor('d', [], Float32Array.of(0.75)),
    ],
    note: 'float',
  }),
  oneNode('ConstantOfShape', 9, {
    inputs: {},
    tensors: [integers('s', [2, 3])],
    attributes: { value: tensor('', [1], Float32Array.of(1.5)) },
  }),
  oneNode('ConstantOfShape', 9, { inputs: {}, tensors: [integers('s', [2, 3])], note: 'zeros' }),
  oneNode('ConstantOfShape', 9, {
    inputs: {},
    tensors: [integers('s', [2])],
    attributes: { value: tensor('', [1], Float32Array.of(Number.POSITIVE_INFINITY)) },
    note: 'infinity',
  }),
  oneNode('Identity', 16, { inputs: x }),
  oneNode('Dropout', 13, { inputs: x, tensors: [tensor('r', [], Float32Array.of(0.3))] }),
  oneNode('Dropout', 7, { inputs: x, attributes: { ratio: new Float(1) }, note: 'all' }),
]
