import test from 'ava'
import { createTensor, loadModel, type Tensor } from '#lib/index.js'
import {
  type AttributeGiven,
  floats,
  type ModelGiven,
  tensor,
  valueInfo,
  writeModel,
} from '../../oracles/onnxWriter.js'

const scalar = (name: string, value: bigint) => tensor(name, [], BigInt64Array.of(value))
const node = (op: string, inputs: string[], attributes: Record<string, AttributeGiven> = {}) => ({
  nodes: [{ op, inputs, outputs: ['y'], attributes }],
})
const mel = ['bins', 'length', 'rate', 'low', 'high']
const melTensors = (bins: bigint) => [
  scalar('bins', bins),
  scalar('length', 8n),
  scalar('rate', 8000n),
  floats('low', [], () => 0),
  floats('high', [], () => 4000),
]
const signal = { inputs: [valueInfo('x', [1, 8, 1])] }
const row = { inputs: [valueInfo('x', [1, 1, 3])] }
const picture = { inputs: [valueInfo('x', [1, 1, 2, 2]), valueInfo('o', [1, 2, 2, 2])] }
const weight = floats('w', [1, 1, 1, 1], () => 1)

const refused: [string, ModelGiven, RegExp][] = [
  [
    'a condition of two axes',
    {
      ...node('Compress', ['x', 'c'], { axis: 0 }),
      inputs: [valueInfo('x', [3])],
      tensors: [tensor('c', [1, 3], Uint8Array.of(1, 0, 1), 9)],
    },
    /condition has rank 2/,
  ],
  [
    'a shift without a direction',
    { ...node('BitShift', ['x', 'x']), inputs: [valueInfo('x', [2], 2)] },
    /direction is missing/,
  ],
  ['a norm of order 0', { ...node('LpPool', ['x'], { kernel_shape: [2], p: 0 }), ...row }, /p is 0/],
  ['a norm of order -1', { ...node('GlobalLpPool', ['x'], { p: -1 }), ...row }, /p is -1/],
  [
    'a transform of negative length',
    { ...node('DFT', ['x', 'n']), ...signal, tensors: [scalar('n', -3n)] },
    /dft_length is -3/,
  ],
  [
    'frames that go backwards',
    { ...node('STFT', ['x', 'n', '', 'l']), ...signal, tensors: [scalar('n', -1n), scalar('l', 4n)] },
    /frame_step is -1/,
  ],
  [
    'a negative number of mel bins',
    { ...node('MelWeightMatrix', mel), inputs: [], tensors: melTensors(-5n) },
    /num_mel_bins is -5/,
  ],
  [
    'axes that the picture has not',
    {
      ...node('Resize', ['x', '', 's'], { axes: [9] }),
      inputs: [valueInfo('x', [1, 1, 2, 2])],
      tensors: [floats('s', [1], () => 2)],
    },
    /axes are 9/,
  ],
  [
    'a kernel of more taps than there is room for',
    {
      ...node('DeformConv', ['x', 'w', 'o'], { kernel_shape: [1 << 20, 1 << 20] }),
      ...picture,
      tensors: [weight],
    },
    /kernel is 1048576 by 1048576/,
  ],
  [
    'strides of one axis for two',
    {
      ...node('DeformConv', ['x', 'w', 'o'], { kernel_shape: [1, 1], strides: [1] }),
      ...picture,
      tensors: [weight],
    },
    /one value an axis/,
  ],
]
for (const [what, model, message] of refused)
  test(`${what}: refused`, async t => {
    await t.throwsAsync(loadModel(writeModel({ opset: 22, outputs: [valueInfo('y')], ...model })), {
      code: 'MODEL_INVALID',
      message,
    })
  })

test('no axes, computed, where none means none: ReduceLogSumExp leaves the shape', async t => {
  const model = await loadModel(
    writeModel({
      opset: 18,
      nodes: [
        {
          op: 'ReduceLogSumExp',
          inputs: ['x', 'axes'],
          outputs: ['y'],
          attributes: { noop_with_empty_axes: 1, keepdims: 0 },
        },
      ],
      inputs: [valueInfo('x', [1, 3]), valueInfo('axes', ['A'], 7)],
      outputs: [valueInfo('y')],
    }),
  )
  const x = createTensor('f32', [1, 3], Float32Array.of(1, 2, 3))
  const along = async (...axes: bigint[]) =>
    (await model.run({ x, axes: createTensor('i64', [axes.length], BigInt64Array.from(axes)) })).outputs
      .y as Tensor
  t.deepEqual((await along()).shape, [1, 3])
  const summed = await along(1n)
  t.deepEqual(summed.shape, [1])
  t.true(Math.abs((summed.data[0] as number) - 3.40760596) < 1e-6)
})

test('linear attention in double precision', async t => {
  const names = ['q', 'k', 'v']
  const model = await loadModel(
    writeModel({
      opset: 26,
      nodes: [
        {
          op: 'LinearAttention',
          inputs: names,
          outputs: ['y'],
          attributes: { update_rule: 'linear', q_num_heads: 1, kv_num_heads: 1 },
        },
      ],
      inputs: names.map(name => valueInfo(name, [1, 'T', 2], 11)),
      outputs: [valueInfo('y')],
    }),
  )
  const one = createTensor('f64', [1, 1, 2], Float64Array.of(1, 2))
  const { outputs } = await model.run({ q: one, k: one, v: one })
  t.deepEqual(
    Array.from(outputs.y!.data as Float64Array, value => Math.round(value * 1e9)),
    [5 / Math.SQRT2, 10 / Math.SQRT2].map(value => Math.round(value * 1e9)),
  )
})
