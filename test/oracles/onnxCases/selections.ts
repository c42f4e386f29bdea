import { type AttributeGiven, Float, floats, integers, tensor, valueInfo } from '../onnxWriter.js'
import { type CaseInput, declare, type OnnxCase, oneNode } from './case.js'

const whole = (shape: number[], values: number[], dtype: CaseInput['dtype'] = 'i64'): CaseInput => ({
  shape,
  dtype,
  values,
})
const wave = (name: string, dims: number[]) => floats(name, dims, at => Math.sin(1.3 * at + dims.length))
const scattered = whole([3, 4], [0, 1, 0, -2, 0, 0, 3, 0, 1, 0, 0, 5], 'f32')
const boxes: CaseInput = {
  shape: [2, 4, 4],
  values: [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 10, 1, 11, 1, 1, 0, 0.2].flatMap(v => [v, v]).slice(0, 32),
}
const scores: CaseInput = { shape: [2, 2, 4], low: 0, high: 1 }
const number = (name: string, value: number) => tensor(name, [1], BigInt64Array.of(BigInt(value)))
const real = (name: string, value: number) => tensor(name, [1], Float32Array.of(value))

/** Boxes computed by the model, the chosen ones read, and their number in a shape: three stages. */
const detector: OnnxCase = {
  name: 'NonMaxSuppression of what the model computes, and what follows',
  model: {
    opset: 13,
    inputs: declare({ boxes, scores }),
    tensors: [
      number('most', 3),
      real('overlap', 0.4),
      integers('last', [2]),
      integers('flat', [-1]),
      integers('twice', [2]),
    ],
    nodes: [
      { op: 'Relu', inputs: ['boxes'], outputs: ['b'] },
      { op: 'Sigmoid', inputs: ['scores'], outputs: ['s'] },
      { op: 'NonMaxSuppression', inputs: ['b', 's', 'most', 'overlap'], outputs: ['chosen'] },
      { op: 'Gather', inputs: ['chosen', 'last'], outputs: ['column'], attributes: { axis: 1 } },
      { op: 'Reshape', inputs: ['column', 'flat'], outputs: ['which'] },
      { op: 'Gather', inputs: ['b', 'which'], outputs: ['kept'], attributes: { axis: 1 } },
      { op: 'NonZero', inputs: ['kept'], outputs: ['places'] },
      { op: 'Shape', inputs: ['places'], outputs: ['size'] },
      { op: 'ConstantOfShape', inputs: ['size'], outputs: ['zeros'] },
      { op: 'ReduceSum', inputs: ['kept'], outputs: ['sum'], attributes: { keepdims: 0 } },
      { op: 'Add', inputs: ['zeros', 'sum'], outputs: ['y'] },
    ],
    outputs: [valueInfo('y'), valueInfo('kept')],
  },
  inputs: { boxes, scores },
  outputs: ['y', 'kept'],
}

const unique = (note: string, attributes: Record<string, AttributeGiven>, x: CaseInput): OnnxCase =>
  oneNode('Unique', 11, {
    note,
    inputs: { x },
    attributes,
    outputs: ['y', 'first', 'inverse', 'counts'],
    outputTypes: { first: 'i64', inverse: 'i64', counts: 'i64' },
  })

const columns = { strides: [1, 2], dilations: [2, 1], pads: [0, 1, 1, 0] }

/** Operators that choose, whose results are as long as the data say, and integers as bits. */
export const selectionCases: readonly OnnxCase[] = [
  detector,
  oneNode('NonZero', 13, { inputs: { x: scattered }, outputType: 'i64' }),
  oneNode('Compress', 11, {
    inputs: { x: { shape: [3, 4] }, c: whole([4], [0, 1, 0, 1], 'bool') },
    attributes: { axis: 1 },
  }),
  oneNode('Compress', 11, {
    note: 'flat',
    inputs: { x: { shape: [3, 4] }, c: whole([5], [0, 1, 0, 1, 1], 'bool') },
  }),
  unique('sorted', {}, whole([7], [2, 1, 1, 3, 4, 3, -1], 'f32')),
  unique('as they come', { sorted: 0 }, whole([7], [2, 1, 1, 3, 4, 3, -1], 'f32')),
  unique('rows', { axis: 0 }, whole([4, 3], [1, 0, 0, 1, 0, 0, 2, 3, 4, 1, 0, -1], 'f32')),
  unique('columns', { axis: -1 }, whole([2, 4], [1, 1, 0, 1, 2, 2, 3, 0], 'f32')),
  oneNode('NonMaxSuppression', 11, {
    inputs: { boxes, scores },
    tensors: [number('most', 2), real('overlap', 0.5), real('least', 0.3)],
    outputType: 'i64',
  }),
  oneNode('NonMaxSuppression', 11, {
    note: 'centred',
    inputs: {
      boxes: { shape: [1, 6, 4], low: 0.2, high: 1.5 },
      scores: { shape: [1, 1, 6], low: 0, high: 1 },
    },
    tensors: [number('most', 9), real('overlap', 0.2)],
    attributes: { center_point_box: 1 },
    outputType: 'i64',
  }),
  ...[
    ['avg', 'half_pixel', 2],
    ['avg', 'output_half_pixel', 0],
    ['max', 'half_pixel', 2],
  ].map(([mode, coordinates, samples]) =>
    oneNode('RoiAlign', 16, {
      note: `${mode} ${coordinates} ${samples}`,
      inputs: {
        x: { shape: [2, 3, 6, 5], low: 0.1, high: 2 },
        r: { shape: [3, 4], values: [0, 0, 4, 5, 1.5, 1, 3.5, 2.25, 0.5, 1, 4.75, 4] },
        i: whole([3], [0, 1, 1]),
      },
      attributes: {
        mode: mode as string,
        coordinate_transformation_mode: coordinates as string,
        sampling_ratio: samples as number,
        output_height: 2,
        output_width: 3,
        spatial_scale: new Float(0.75),
      },
    }),
  ),
  oneNode('Det', 11, { inputs: { x: { shape: [2, 4, 4] } } }),
  oneNode('ReverseSequence', 10, {
    inputs: { x: { shape: [4, 3, 2] }, n: whole([3], [4, 1, 3]) },
  }),
  oneNode('ReverseSequence', 10, {
    note: 'batch first',
    inputs: { x: { shape: [3, 4] }, n: whole([3], [2, 4, 1]) },
    attributes: { time_axis: 1, batch_axis: 0 },
  }),
  ...[
    [[4, 10], undefined],
    [
      [7, 3],
      [0, 1],
    ],
    [
      [5, 9],
      [-1, 0],
    ],
  ].map(([shape, axes]) =>
    oneNode('CenterCropPad', 18, {
      note: `[${shape}]${axes ? ` of axes ${axes}` : ''}`,
      inputs: { x: { shape: [6, 7] } },
      tensors: [integers('s', shape as number[])],
      attributes: axes ? { axes: axes as number[] } : {},
    }),
  ),
  oneNode('Col2Im', 18, {
    inputs: { x: { shape: [2, 8, 16] } },
    tensors: [integers('i', [5, 8]), integers('b', [2, 2])],
    operands: ['x', 'i', 'b'],
    attributes: { strides: [1, 2] },
  }),
  oneNode('Col2Im', 18, {
    note: 'every attribute',
    inputs: { x: { shape: [1, 12, 16] } },
    tensors: [integers('i', [5, 8]), integers('b', [2, 3])],
    attributes: columns,
  }),
  ...(['BitwiseAnd', 'BitwiseOr', 'BitwiseXor'] as const).map(op =>
    oneNode(op, 18, {
      inputs: { a: whole([2, 3], [1, -2, 3, 40, 255, -7], 'i32'), b: whole([3], [6, 3, -1], 'i32') },
      outputType: 'i32',
    }),
  ),
  oneNode('BitwiseNot', 18, { inputs: { a: whole([3], [0, 5, -9], 'i32') }, outputType: 'i32' }),
  ...['LEFT', 'RIGHT'].map(direction =>
    oneNode('BitShift', 11, {
      note: direction,
      inputs: { a: whole([4], [1, 77, 128, 255], 'u8'), b: whole([4], [0, 1, 3, 7], 'u8') },
      attributes: { direction },
      outputType: 'u8',
    }),
  ),

  // Axes that are an input, and an operand that another node computes.
  oneNode('ReduceMean', 18, {
    note: 'axes as an input',
    inputs: { x: { shape: [2, 3, 4] }, axes: whole([2], [0, -1]) },
  }),
  oneNode('ReduceSum', 13, {
    note: 'no axes as an input',
    inputs: { x: { shape: [2, 3, 4] }, axes: { shape: [0], dtype: 'i64', values: [] } },
    attributes: { noop_with_empty_axes: 1 },
  }),
  oneNode('ReduceLogSumExp', 18, {
    note: 'axes as an input',
    inputs: { x: { shape: [2, 3, 4] }, axes: whole([1], [1]) },
    attributes: { keepdims: 0 },
  }),
  oneNode('Unsqueeze', 13, {
    note: 'axes as an input',
    inputs: { x: { shape: [2, 3] }, axes: whole([2], [0, -1]) },
  }),
  oneNode('Squeeze', 13, {
    note: 'axes as an input',
    inputs: { x: { shape: [1, 3, 1] }, axes: whole([1], [0]) },
  }),
  oneNode('CumSum', 14, {
    note: 'axis as an input',
    inputs: { x: { shape: [2, 3] }, axis: whole([], [1]) },
  }),
  oneNode('Trilu', 14, {
    note: 'diagonal as an input',
    inputs: { x: { shape: [3, 4] }, k: whole([], [1]) },
  }),

  oneNode('DFT', 17, { inputs: { x: { shape: [2, 10, 1] } } }),
  oneNode('DFT', 17, { note: 'onesided', inputs: { x: { shape: [2, 9, 1] } }, attributes: { onesided: 1 } }),
  oneNode('DFT', 17, {
    note: 'inverse, axis 2',
    inputs: { x: { shape: [2, 3, 8, 2] } },
    attributes: { inverse: 1, axis: 2 },
  }),
  oneNode('DFT', 20, {
    note: 'longer, axis as an input',
    inputs: { x: { shape: [2, 6, 2] }, axis: whole([], [-2]) },
    tensors: [tensor('n', [], BigInt64Array.of(8n))],
    operands: ['x', 'n', 'axis'],
  }),
  oneNode('DFT', 20, {
    note: 'shorter',
    inputs: { x: { shape: [2, 10, 2] } },
    tensors: [tensor('n', [], BigInt64Array.of(7n))],
  }),
  oneNode('STFT', 17, {
    inputs: { x: { shape: [2, 32, 1] } },
    tensors: [tensor('step', [], BigInt64Array.of(6n)), wave('w', [8])],
  }),
  oneNode('STFT', 17, {
    note: 'both sides, no window',
    inputs: { x: { shape: [1, 32, 1] } },
    tensors: [tensor('step', [], BigInt64Array.of(8n)), tensor('n', [], BigInt64Array.of(12n))],
    operands: ['x', 'step', '', 'n'],
    attributes: { onesided: 0 },
  }),
  oneNode('MelWeightMatrix', 17, {
    inputs: {},
    operands: ['bins', 'n', 'rate', 'low', 'high'],
    tensors: [
      tensor('bins', [], BigInt64Array.of(8n)),
      tensor('n', [], BigInt64Array.of(64n)),
      tensor('rate', [], BigInt64Array.of(8192n)),
      tensor('low', [], Float32Array.of(100)),
      tensor('high', [], Float32Array.of(4000)),
    ],
  }),
]
