import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { loadModel } from '#lib/index.js'
import { type ModelGiven, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'

const fuzzer = fileURLToPath(new URL('fuzzModels.js', import.meta.url))

test('damaged models give a result or an AscribeError', t => {
  // The fuzzer's own process, so that a crash is a failed test and not the end of all tests.
  const size = ['--seconds', '120', '--seed', '1', '--count', '3000']
  const { status, stdout, stderr } = spawnSync(process.execPath, [fuzzer, ...size], { encoding: 'utf8' })
  t.is(status, 0, stdout + stderr)
  t.regex(stdout, /\d+ {2}ok/)
})

/** What the fuzzer found: each once ended the process, or hung it. */
const findings: [string, ModelGiven, string][] = [
  [
    'a Split into more parts than it has outputs',
    { opset: 18, nodes: [{ op: 'Split', outputs: ['y', 'z'], attributes: { num_outputs: 2 ** 40 } }] },
    'MODEL_INVALID',
  ],
  [
    'a block whose square overflows',
    { opset: 13, nodes: [{ op: 'DepthToSpace', attributes: { blocksize: 2 ** 40 } }] },
    'MODEL_INVALID',
  ],
]
findings.push([
  'scattered elements that lie outside the data',
  {
    opset: 18,
    nodes: [{ op: 'ScatterElements', inputs: ['x', 'at', 'x9'], attributes: { axis: 3 } }],
    tensors: [
      tensor('at', [1, 9, 2, 3], new BigInt64Array(54)),
      tensor('x9', [1, 9, 2, 3], new Float32Array(54)),
    ],
  },
  'MODEL_INVALID',
])
findings.push([
  'half a pair of turned features',
  {
    opset: 23,
    nodes: [{ op: 'RotaryEmbedding', inputs: ['x', 'cos', 'cos'], attributes: { rotary_embedding_dim: 3 } }],
    tensors: [tensor('cos', [1, 2, 1], new Float32Array(2))],
  },
  'MODEL_INVALID',
])
findings.push([
  'more normalised axes than memory holds',
  {
    opset: 17,
    nodes: [
      {
        op: 'LayerNormalization',
        inputs: ['x', 'w'],
        outputs: ['y', 'mean'],
        attributes: { axis: -(2 ** 40) },
      },
    ],
    tensors: [tensor('w', [3], new Float32Array(3))],
  },
  'MODEL_INVALID',
])
for (const [name, given, code] of findings)
  test(`refused: ${name}`, async t => {
    const run = async () => {
      const model = await loadModel(writeModel({ inputs: [valueInfo('x', [1, 8, 2, 3])], ...given }))
      await model.run({ dtype: 'f32', shape: [1, 8, 2, 3], data: new Float32Array(48) })
    }
    await t.throwsAsync(run, { code })
  })

test('an extent of 2^40 beside one of 0 takes no time', async t => {
  const model = await loadModel(
    writeModel({
      opset: 13,
      nodes: [{ op: 'Resize', inputs: ['x', '', 's'], attributes: { mode: 'linear' } }],
      tensors: [tensor('s', [4], Float32Array.of(1, 1, 2, 2))],
      inputs: [valueInfo('x', [1, 2 ** 40, 'N', 3])],
    }),
  )
  const { outputs } = await model.run({ dtype: 'f32', shape: [1, 2 ** 40, 0, 3], data: new Float32Array(0) })
  t.deepEqual(outputs.y!.shape, [1, 2 ** 40, 0, 6])
})
