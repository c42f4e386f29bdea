import { floats, integers, tensor } from '../onnxWriter.js'
import { type OnnxCase, oneNode } from './case.js'

const wave = (name: string, dims: number[]) => floats(name, dims, at => Math.sin(1.3 * at + dims.length))
const image = { shape: [2, 3, 5, 7] }
const volume = { shape: [1, 2, 4, 3, 5] }
const paddings = ['zeros', 'border', 'reflection']

/** Pictures read between their pixels, and maxima with their places. */
export const samplingCases: readonly OnnxCase[] = [
  ...paddings.flatMap(padding =>
    [0, 1].map(aligned =>
      oneNode('GridSample', 20, {
        note: `cubic, ${padding}${aligned ? ', aligned' : ''}`,
        inputs: { x: image, g: { shape: [2, 4, 6, 2], low: -1.6, high: 1.6 } },
        attributes: { mode: 'cubic', padding_mode: padding, align_corners: aligned },
      }),
    ),
  ),
  ...paddings.flatMap(padding =>
    ['linear', 'nearest'].map(mode =>
      oneNode('GridSample', 20, {
        note: `volume, ${mode}, ${padding}`,
        inputs: { x: volume, g: { shape: [1, 3, 2, 4, 3], low: -1.4, high: 1.4 } },
        attributes: { mode, padding_mode: padding },
      }),
    ),
  ),
  ...[0, 1].flatMap(aligned => [
    oneNode('AffineGrid', 20, {
      note: aligned ? 'aligned' : '',
      inputs: { t: { shape: [2, 2, 3] } },
      tensors: [integers('s', [2, 3, 4, 5])],
      attributes: { align_corners: aligned },
    }),
    oneNode('AffineGrid', 20, {
      note: `volume${aligned ? ', aligned' : ''}`,
      inputs: { t: { shape: [1, 3, 4] } },
      tensors: [integers('s', [1, 1, 2, 3, 4])],
      attributes: { align_corners: aligned },
    }),
  ]),
  oneNode('DeformConv', 19, {
    inputs: { x: { shape: [2, 4, 6, 5] }, o: { shape: [2, 16, 5, 4], low: -1, high: 1 } },
    tensors: [wave('w', [6, 4, 2, 2])],
    operands: ['x', 'w', 'o'],
    attributes: { kernel_shape: [2, 2], offset_group: 2 },
  }),
  oneNode('DeformConv', 19, {
    note: 'every operand',
    inputs: {
      x: { shape: [1, 4, 7, 6] },
      o: { shape: [1, 18, 4, 4], low: -1.5, high: 1.5 },
      m: { shape: [1, 9, 4, 4], low: 0, high: 1 },
    },
    tensors: [wave('w', [4, 2, 3, 3]), wave('b', [4])],
    operands: ['x', 'w', 'o', 'b', 'm'],
    attributes: { group: 2, strides: [2, 1], pads: [1, 1, 2, 1], dilations: [1, 2] },
  }),
  oneNode('MaxPool', 12, {
    note: 'places',
    inputs: { x: image },
    attributes: { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] },
    outputs: ['y', 'i'],
    outputTypes: { i: 'i64' },
  }),
  oneNode('MaxPool', 12, {
    note: 'places, columns first',
    inputs: { x: image },
    attributes: { kernel_shape: [2, 2], strides: [2, 2], storage_order: 1 },
    outputs: ['y', 'i'],
    outputTypes: { i: 'i64' },
  }),
  oneNode('MaxUnpool', 11, {
    inputs: {
      x: { shape: [1, 2, 2, 2] },
      i: { shape: [1, 2, 2, 2], dtype: 'i64', values: [0, 3, 8, 15, 17, 18, 29, 30] },
    },
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  }),
  oneNode('GlobalLpPool', 11, { inputs: { x: image }, attributes: { p: 3 } }),
  ...[
    [{}, 0],
    [{ mode: 'nearest' }, 0.5],
  ].map(([attributes, outside]) =>
    oneNode('Resize', 13, {
      note: `a region ${outside}`,
      inputs: { x: { shape: [1, 2, 5, 7] } },
      operands: ['x', 'roi', '', 's'],
      tensors: [
        tensor('roi', [8], Float32Array.of(0, 0, 0.2, 0.1, 1, 1, 0.7, 1.3)),
        integers('s', [1, 2, 4, 6]),
      ],
      attributes: {
        mode: 'linear',
        coordinate_transformation_mode: 'tf_crop_and_resize',
        ...(attributes as object),
      },
    }),
  ),
  ...['not_larger', 'not_smaller'].map(policy =>
    oneNode('Resize', 18, {
      note: policy,
      inputs: { x: { shape: [1, 2, 5, 8] } },
      operands: ['x', '', '', 's'],
      tensors: [integers('s', [9, 6])],
      attributes: { mode: 'linear', axes: [2, 3], keep_aspect_ratio_policy: policy },
    }),
  ),
]
