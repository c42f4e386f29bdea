import { Float, floats } from '../onnxWriter.js'
import { type OnnxCase, oneNode } from './case.js'

const wave = (name: string, dims: number[], low = -1) =>
  floats(name, dims, index => low + ((index * 37) % 64) / 32)
const image = { x: { shape: [2, 4, 5, 6] } }
const norm = ['scale', 'bias'].map(name => wave(name, [4]))
const statistics = [wave('mean', [4]), wave('var', [4], 0.1)].map((tensor, index) =>
  index === 0 ? tensor : floats('var', [4], i => 0.5 + i),
)

export const linearCases: OnnxCase[] = [
  oneNode('MatMul', 13, { inputs: { a: { shape: [2, 3, 4, 5] }, b: { shape: [3, 5, 2] } } }),
  oneNode('MatMul', 13, { inputs: { a: { shape: [5] }, b: { shape: [3, 5, 2] } }, note: 'vector first' }),
  oneNode('MatMul', 13, { inputs: { a: { shape: [2, 5] }, b: { shape: [5] } }, note: 'vector second' }),
  oneNode('Gemm', 13, { inputs: { a: { shape: [3, 4] } }, tensors: [wave('b', [4, 2]), wave('c', [2])] }),
  oneNode('Gemm', 13, {
    inputs: { a: { shape: [4, 3] } },
    tensors: [wave('b', [2, 4]), wave('c', [3, 1])],
    attributes: { transA: 1, transB: 1, alpha: new Float(0.5), beta: new Float(2) },
    note: 'transposed, scaled',
  }),
  oneNode('Gemm', 13, { inputs: { a: { shape: [3, 4] } }, tensors: [wave('b', [4, 2])], note: 'no bias' }),
  oneNode('Gemm', 7, { inputs: { a: { shape: [3, 4] } }, tensors: [wave('b', [4, 2]), wave('c', [1])] }),

  oneNode('BatchNormalization', 15, {
    inputs: image,
    tensors: [...norm, ...statistics],
    attributes: { epsilon: new Float(1e-3) },
  }),
  oneNode('BatchNormalization', 9, {
    inputs: image,
    tensors: [...norm, ...statistics],
    attributes: { momentum: new Float(0.5) },
  }),
  oneNode('InstanceNormalization', 6, { inputs: image, tensors: norm }),
  oneNode('GroupNormalization', 21, { inputs: image, tensors: norm, attributes: { num_groups: 2 } }),
  oneNode('LayerNormalization', 17, { inputs: image, tensors: [wave('scale', [6]), wave('bias', [6])] }),
  oneNode('LayerNormalization', 17, {
    inputs: image,
    tensors: [wave('scale', [4, 5, 6])],
    attributes: { axis: 1, epsilon: new Float(1e-2) },
    note: 'three axes, no bias',
  }),
  oneNode('RMSNormalization', 23, { inputs: image, tensors: [wave('scale', [6])] }),
  oneNode('LRN', 13, {
    inputs: image,
    attributes: { size: 3, alpha: new Float(0.1), beta: new Float(0.6), bias: new Float(1.5) },
  }),
  oneNode('LRN', 13, { inputs: image, attributes: { size: 4 }, note: 'even' }),

  ...['Softmax', 'LogSoftmax'].flatMap(op => [
    oneNode(op, 13, { inputs: image }),
    oneNode(op, 13, { inputs: image, attributes: { axis: 1 }, note: 'axis 1' }),
    oneNode(op, 11, { inputs: image, note: 'taken together' }),
    oneNode(op, 11, { inputs: image, attributes: { axis: 2 }, note: 'axis 2' }),
    oneNode(op, 11, { inputs: image, attributes: { axis: -1 }, note: 'last' }),
    oneNode(op, 9, { inputs: { x: { shape: [2, 7] } }, note: 'matrix' }),
  ]),
]
