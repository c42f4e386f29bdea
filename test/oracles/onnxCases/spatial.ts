import { type AttributeGiven, Float, floats, tensor } from '../onnxWriter.js'
import { type OnnxCase, oneNode } from './case.js'

const image = { x: { shape: [2, 4, 9, 11] } }
const signal = { x: { shape: [2, 4, 13] } }
const volume = { x: { shape: [1, 2, 5, 6, 4] } }
const wave = (name: string, dims: number[], low = -1) =>
  floats(name, dims, index => low + ((index * 37) % 64) / 32)
const weights = wave('w', [6, 4, 3, 3])
const bias = wave('b', [6])

const conv = (attributes: Record<string, AttributeGiven>, note: string, more = {}): OnnxCase =>
  oneNode('Conv', 11, { inputs: image, tensors: [weights, bias], attributes, note, ...more })

const pool = (
  op: string,
  attributes: Record<string, AttributeGiven>,
  note: string,
  opset = 11,
  inputs: OnnxCase['inputs'] = image,
): OnnxCase => oneNode(op, opset, { inputs, attributes: { kernel_shape: [3, 3], ...attributes }, note })

const resize = (
  shape: number[],
  scales: number[],
  attributes: Record<string, AttributeGiven>,
  opset = 13,
): OnnxCase =>
  oneNode('Resize', opset, {
    inputs: { x: { shape } },
    operands: opset < 11 ? ['x', 's'] : ['x', '', 's'],
    tensors: [tensor('s', [scales.length], Float32Array.from(scales))],
    attributes,
    note: `${Object.values(attributes)
      .filter(value => typeof value === 'string')
      .join(' ')} ${scales.slice(-2).join('x')}`,
  })

const coordinates = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric']

export const spatialCases: OnnxCase[] = [
  conv({}, 'plain'),
  conv({ pads: [1, 0, 2, 1] }, 'uneven pads'),
  conv({ strides: [2, 3], dilations: [2, 1], pads: [2, 1, 2, 1] }, 'strides and dilations'),
  conv({ auto_pad: 'SAME_UPPER', strides: [2, 2] }, 'same upper'),
  conv({ auto_pad: 'SAME_LOWER', strides: [2, 2] }, 'same lower'),
  conv({ auto_pad: 'VALID' }, 'valid'),
  conv({ group: 2 }, 'groups', { tensors: [wave('w', [6, 2, 3, 3])] }),
  conv({ group: 4, pads: [1, 1, 1, 1] }, 'depthwise', { tensors: [wave('w', [4, 1, 3, 3])] }),
  conv({ strides: [2] }, 'one axis', { inputs: signal, tensors: [wave('w', [3, 4, 5])] }),
  conv({ pads: [1, 1, 1, 1, 1, 1] }, 'three axes', { inputs: volume, tensors: [wave('w', [3, 2, 3, 3, 3])] }),
  conv({}, 'weights as an input', { inputs: { ...image, w: { shape: [2, 4, 3, 3] } }, tensors: [] }),
  ...[
    [{}, 'plain'],
    [{ strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] }, 'output padding'],
    [{ strides: [2, 3], output_shape: [18, 33] }, 'output shape'],
    [{ strides: [2, 2], auto_pad: 'SAME_UPPER' }, 'same upper'],
    [{ strides: [3, 3], auto_pad: 'SAME_LOWER' }, 'same lower'],
    [{ dilations: [2, 1], pads: [0, 1, 1, 0] }, 'dilations'],
  ].map(([attributes, note]) =>
    oneNode('ConvTranspose', 11, {
      inputs: image,
      tensors: [wave('w', [4, 3, 3, 3]), wave('b', [3])],
      attributes: attributes as Record<string, AttributeGiven>,
      note: note as string,
    }),
  ),
  oneNode('ConvTranspose', 11, {
    inputs: image,
    tensors: [wave('w', [4, 3, 3, 3])],
    attributes: { group: 2 },
    note: 'groups',
  }),

  ...['MaxPool', 'AveragePool'].flatMap(op => [
    pool(op, {}, 'plain'),
    pool(op, { strides: [2, 2], pads: [1, 0, 1, 1] }, 'uneven pads'),
    pool(op, { strides: [2, 2], auto_pad: 'SAME_UPPER' }, 'same upper'),
    pool(op, { strides: [2, 2], auto_pad: 'SAME_LOWER' }, 'same lower'),
    pool(op, { strides: [2, 2], ceil_mode: 1 }, 'ceil'),
    pool(op, { strides: [3, 3], pads: [1, 1, 1, 1], ceil_mode: 1 }, 'ceil with pads', 19),
    pool(op, { kernel_shape: [2], strides: [2] }, 'one axis', 11, signal),
    pool(op, { kernel_shape: [2, 2, 2] }, 'three axes', 11, volume),
    pool(op, { dilations: [2, 2] }, 'dilations', op === 'MaxPool' ? 12 : 19),
  ]),
  pool('AveragePool', { strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 }, 'pads counted'),
  pool(
    'AveragePool',
    { strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1, ceil_mode: 1 },
    'pads counted, ceil',
    19,
  ),
  pool('AveragePool', { strides: [2, 2], pads: [1, 1, 1, 1] }, 'pads not counted'),
  pool('LpPool', { strides: [2, 2], pads: [1, 1, 0, 0] }, 'p 2'),
  pool('LpPool', { p: 3 }, 'p 3'),
  ...['GlobalAveragePool', 'GlobalMaxPool'].flatMap(op => [
    oneNode(op, 13, { inputs: image }),
    oneNode(op, 13, { inputs: signal, note: 'one axis' }),
  ]),

  ...coordinates.flatMap(mode => [
    resize([1, 2, 5, 7], [1, 1, 2, 3], { mode: 'linear', coordinate_transformation_mode: mode }),
    resize([1, 2, 8, 9], [1, 1, 0.6, 0.4], { mode: 'linear', coordinate_transformation_mode: mode }),
    resize([1, 2, 5, 7], [1, 1, 2.6, 1.3], { mode: 'nearest', coordinate_transformation_mode: mode }),
  ]),
  ...['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'].flatMap(mode => [
    resize([1, 1, 5, 7], [1, 1, 2, 1.5], { mode: 'nearest', nearest_mode: mode }),
    resize([1, 1, 8, 6], [1, 1, 0.5, 0.7], {
      mode: 'nearest',
      nearest_mode: mode,
      coordinate_transformation_mode: 'asymmetric',
    }),
  ]),
  resize([1, 1, 5, 7], [1, 1, 2, 1.5], { mode: 'cubic' }),
  ...['linear', 'cubic'].flatMap(mode =>
    [0, 1].map(excluded =>
      oneNode('Resize', 18, {
        inputs: { x: { shape: [1, 1, 8, 9] } },
        operands: ['x', '', 's'],
        tensors: [tensor('s', [4], Float32Array.of(1, 1, 0.6, 0.4))],
        attributes: { mode, antialias: 1, exclude_outside: excluded },
        note: `${mode} antialias${excluded ? ', outside excluded' : ''}`,
      }),
    ),
  ),
  resize([1, 1, 5, 7], [1, 1, 2, 3], { mode: 'nearest' }, 10),
  resize([1, 1, 8, 6], [1, 1, 0.5, 0.5], { mode: 'nearest' }, 10),
  resize([1, 1, 5, 7], [1, 1, 2, 3], { mode: 'linear' }, 10),
  oneNode('Resize', 13, {
    inputs: { x: { shape: [1, 2, 5, 7] } },
    operands: ['x', '', '', 's'],
    tensors: [tensor('s', [4], BigInt64Array.of(1n, 2n, 8n, 10n))],
    attributes: { mode: 'linear' },
    note: 'sizes',
  }),
  oneNode('Resize', 18, {
    inputs: { x: { shape: [1, 2, 5, 7] } },
    operands: ['x', '', '', 's'],
    tensors: [tensor('s', [2], BigInt64Array.of(8n, 10n))],
    attributes: { mode: 'linear', axes: [2, 3] },
    note: 'sizes of some axes',
  }),
  oneNode('Upsample', 9, {
    inputs: { x: { shape: [1, 2, 3, 4] } },
    tensors: [tensor('s', [4], Float32Array.of(1, 1, 2, 3))],
  }),
  oneNode('Upsample', 7, {
    inputs: { x: { shape: [1, 2, 3, 4] } },
    attributes: { scales: new Float([1, 1, 2, 2]), mode: 'linear' },
  }),

  oneNode('DepthToSpace', 13, { inputs: { x: { shape: [1, 8, 2, 3] } }, attributes: { blocksize: 2 } }),
  oneNode('DepthToSpace', 13, {
    inputs: { x: { shape: [1, 8, 2, 3] } },
    attributes: { blocksize: 2, mode: 'CRD' },
    note: 'CRD',
  }),
  oneNode('SpaceToDepth', 13, { inputs: { x: { shape: [1, 2, 4, 6] } }, attributes: { blocksize: 2 } }),
]
