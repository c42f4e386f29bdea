import { Float, floats, integers, tensor } from '../onnxWriter.js'
import { type CaseInput, type OnnxCase, oneNode } from './case.js'

const x = { x: { shape: [2, 3, 4] } }
const image = { x: { shape: [1, 2, 5, 7] } }
const channels = { x: { shape: [2, 4, 5, 6] } }
const ones = { x: { shape: [1, 3, 1, 2] } }
const whole: Record<string, CaseInput> = { x: { shape: [2, 3, 4], dtype: 'i64', low: -9, high: 9 } }
const number = (name: string, value: number) => tensor(name, [], Float32Array.of(value))
const wave = (name: string, dims: number[], low = -1) =>
  floats(name, dims, index => low + ((index * 37) % 64) / 32)
const statistics = [
  wave('scale', [4]),
  wave('bias', [4]),
  wave('mean', [4]),
  floats('var', [4], i => 0.5 + i),
]
const last = 9223372036854775807n as never
const scales = (...values: number[]) => tensor('s', [values.length], Float32Array.from(values))
const sizes = (...values: number[]) => integers('s', values)

/**
 * The same operators as earlier and later operator sets write them: attributes that became operands, and back. The
 * oldest set that the runtime reads is 7, where forms of the sets 1 to 6 still stand.
 */
export const operatorSetCases: OnnxCase[] = [
  ...['ReduceMean', 'ReduceMax', 'ReduceL2', 'ReduceLogSumExp'].flatMap(op => [
    oneNode(op, 13, { inputs: x, attributes: { axes: [-1, 0] }, note: 'negative axes' }),
    oneNode(op, 18, {
      inputs: x,
      tensors: [integers('axes', [-2])],
      attributes: { keepdims: 0 },
      note: 'dropped',
    }),
    oneNode(op, 18, { inputs: x, tensors: [integers('axes', [])], note: 'no axes named' }),
    oneNode(op, 18, { inputs: x, attributes: { noop_with_empty_axes: 1 }, note: 'none' }),
  ]),
  ...['ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceProd'].map(op =>
    oneNode(op, 12, { inputs: whole, attributes: { axes: [1] }, outputType: 'i64', note: 'whole numbers' }),
  ),
  oneNode('ReduceSum', 11, { inputs: x, attributes: { axes: [0, -1] }, note: 'negative axes' }),
  oneNode('ArgMax', 11, { inputs: x, attributes: { axis: -1 }, outputType: 'i64' }),

  oneNode('Clip', 6, { inputs: x, note: 'unbounded' }),
  oneNode('Clip', 11, { inputs: x, tensors: [number('lo', -0.5), number('hi', 0.25)] }),
  oneNode('Clip', 12, { inputs: x, tensors: [number('lo', -0.5)], note: 'below only' }),

  ...['reflect', 'edge'].map(mode =>
    oneNode('Pad', 7, { inputs: x, attributes: { pads: [0, 1, 2, 1, 0, 1], mode }, note: mode }),
  ),
  oneNode('Pad', 7, { inputs: x, attributes: { pads: [0, -1, 2, 1, 0, -1] }, note: 'cropping' }),
  oneNode('Pad', 11, { inputs: x, tensors: [integers('p', [0, 1, 2, 1, 0, 1]), number('v', -3)] }),
  oneNode('Pad', 18, {
    inputs: x,
    tensors: [integers('p', [1, 2]), number('v', 0.5), integers('a', [-1])],
    note: 'value, negative axis',
  }),

  oneNode('Slice', 7, { inputs: x, attributes: { starts: [0, 1], ends: [1, last] }, note: 'leading axes' }),
  oneNode('Slice', 10, {
    inputs: x,
    tensors: [integers('s', [-3, 0]), integers('e', [9, 3]), integers('a', [-1, 1]), integers('t', [2, 1])],
    note: 'steps',
  }),
  oneNode('Slice', 11, {
    inputs: x,
    tensors: [integers('s', [3]), integers('e', [-5]), integers('a', [2]), integers('t', [-1])],
    note: 'to the beginning',
  }),

  oneNode('Squeeze', 7, { inputs: ones, note: 'all' }),
  oneNode('Squeeze', 11, { inputs: ones, attributes: { axes: [-2] }, note: 'negative axis' }),
  oneNode('Squeeze', 13, { inputs: ones, tensors: [integers('axes', [0, -2])], note: 'two axes' }),
  oneNode('Unsqueeze', 11, { inputs: x, attributes: { axes: [-1, 0] }, note: 'negative axis' }),
  oneNode('Unsqueeze', 13, { inputs: x, tensors: [integers('axes', [3, 1])], note: 'unordered' }),
  oneNode('Split', 7, { inputs: { x: { shape: [4, 2] } }, outputs: ['p', 'q'], note: 'halves' }),

  ...['nearest', 'linear', 'cubic'].flatMap(mode => [
    oneNode('Resize', 11, {
      inputs: image,
      tensors: [floats('roi', [0]), scales(1, 1, 2, 1.5)],
      attributes: { mode, coordinate_transformation_mode: 'align_corners' },
      note: `${mode}, empty roi`,
    }),
    oneNode('Resize', 11, {
      inputs: image,
      operands: ['x', 'none', 'none', 's'],
      tensors: [floats('none', [0]), sizes(1, 2, 3, 11)],
      attributes: { mode, coordinate_transformation_mode: 'pytorch_half_pixel' },
      note: `${mode}, sizes`,
    }),
    oneNode('Resize', 18, {
      inputs: image,
      operands: ['x', '', 's'],
      tensors: [scales(1.5, 2)],
      attributes: { mode, axes: [3, 2] },
      note: `${mode}, scales of unordered axes`,
    }),
  ]),
  oneNode('Resize', 19, {
    inputs: image,
    operands: ['x', '', 's'],
    tensors: [scales(1, 1, 0.7, 1.3)],
    attributes: { mode: 'linear', coordinate_transformation_mode: 'half_pixel_symmetric' },
    note: 'symmetric',
  }),
  oneNode('Resize', 13, {
    inputs: image,
    operands: ['x', '', 's'],
    tensors: [scales(1, 1, 2, 3)],
    attributes: { mode: 'cubic', cubic_coeff_a: new Float(-0.5), exclude_outside: 1 },
    note: 'another cubic, outside excluded',
  }),
  oneNode('Upsample', 9, {
    inputs: image,
    tensors: [scales(1, 1, 2, 3)],
    attributes: { mode: 'linear' },
    note: 'linear',
  }),
  oneNode('Upsample', 7, { inputs: image, attributes: { scales: new Float([1, 1, 1, 2]) }, note: 'nearest' }),

  ...[7, 14].map(opset => oneNode('BatchNormalization', opset, { inputs: channels, tensors: statistics })),
  ...[9, 15].map(opset =>
    oneNode('BatchNormalization', opset, {
      inputs: { x: { shape: [3, 4] } },
      tensors: statistics,
      note: 'of vectors',
    }),
  ),
  oneNode('GroupNormalization', 18, {
    inputs: channels,
    tensors: [wave('scale', [2]), wave('bias', [2])],
    attributes: { num_groups: 2, epsilon: new Float(1e-2) },
  }),
  oneNode('LayerNormalization', 17, {
    inputs: channels,
    tensors: [wave('scale', [5, 6]), wave('bias', [5, 6])],
    attributes: { axis: -2 },
    note: 'two axes',
  }),
  oneNode('Dropout', 10, { inputs: x, attributes: { ratio: new Float(0.3) } }),
  oneNode('Dropout', 12, { inputs: x, tensors: [number('r', 0.3)], outputs: ['y'] }),

  oneNode('Flatten', 7, { inputs: x }),
  oneNode('Reshape', 7, { inputs: x, tensors: [integers('s', [0, 2, -1])] }),
  oneNode('Gather', 7, { inputs: x, tensors: [integers('i', [2, 0])], attributes: { axis: 1 } }),
  oneNode('Gemm', 11, {
    inputs: { a: { shape: [3, 4] } },
    tensors: [wave('b', [2, 4])],
    attributes: { transB: 1 },
    note: 'transposed, no bias',
  }),
  oneNode('AveragePool', 7, {
    inputs: image,
    attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 },
  }),
  oneNode('AveragePool', 10, {
    inputs: image,
    attributes: { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 },
  }),
  oneNode('MaxPool', 8, {
    inputs: image,
    attributes: { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] },
  }),
  oneNode('MaxPool', 10, {
    inputs: image,
    attributes: { kernel_shape: [2, 2], dilations: [1, 2], ceil_mode: 1 },
  }),
  oneNode('DepthToSpace', 11, {
    inputs: { x: { shape: [1, 8, 2, 3] } },
    attributes: { blocksize: 2, mode: 'CRD' },
  }),
  oneNode('Pow', 7, { inputs: { a: { shape: [2, 3], low: 0.1 } }, tensors: [floats('b', [3])] }),
]
