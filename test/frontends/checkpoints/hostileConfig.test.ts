import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { AscribeError, createTensor, loadModel, type Tensor } from '#lib/index.js'
import { checkpointFolder, checkpointNames, recordedCheckpoint } from '../../oracles/recordedCheckpoints.js'

type Json = Record<string, unknown>

/** A copy of a checkpoint whose config.json holds something else. */
async function withConfig<T>(name: string, config: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'ascribe-'))
  try {
    await symlink(join(checkpointFolder(name), 'model.safetensors'), join(folder, 'model.safetensors'))
    await writeFile(join(folder, 'config.json'), config)
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const configs = new Map(
  await Promise.all(
    checkpointNames.map(
      async (name): Promise<[string, Json]> => [
        name,
        JSON.parse(await readFile(join(checkpointFolder(name), 'config.json'), 'utf8')) as Json,
      ],
    ),
  ),
)

/** Paths of all properties of an object, nested ones too. */
const paths = (value: unknown, path: string[] = []): string[][] =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, inner]) => [[...path, key], ...paths(inner, [...path, key])])
    : []

function replaced(config: Json, path: readonly string[], value: unknown): Json {
  const [key, ...rest] = path as [string, ...string[]]
  return { ...config, [key]: rest.length === 0 ? value : replaced(config[key] as Json, rest, value) }
}

const hostile = fc.oneof(
  fc.constantFrom(
    0,
    -1,
    1,
    2,
    3,
    7,
    16,
    1e9,
    2 ** 31,
    2 ** 53,
    1e308,
    -1e308,
    0.5,
    1e-300,
    null,
    true,
    false,
  ),
  fc.constantFrom('', 'relu', 'default', 'yarn', 'dynamic', '__proto__', 'constructor', 'x'.repeat(5000)),
  fc.constantFrom([], {}, [0], ['full_attention'], { rope_type: 'yarn', factor: 0 }, [[[[1]]]]),
  fc.integer({ min: -5, max: 300 }),
  fc.double({ noNaN: true }),
)

const shortInputs = (name: string) =>
  Object.fromEntries(
    Object.entries(recordedCheckpoint(name).inputs).map(([key, { dtype, shape, data }]): [string, Tensor] => [
      key,
      dtype === 'i64'
        ? createTensor('i64', [1, shape[1]!], (data as BigInt64Array).slice(0, shape[1]))
        : createTensor('f32', shape, data as Float32Array),
    ]),
  )

test('a config.json with any value in any place gives a model that runs, or an error that says what is wrong', async t => {
  const anyCase = fc.constantFrom(...checkpointNames).chain(name =>
    fc.record({
      name: fc.constant(name),
      path: fc.constantFrom(...paths(configs.get(name)!)),
      value: hostile,
    }),
  )
  await fc.assert(
    fc.asyncProperty(anyCase, async ({ name, path, value }) => {
      const config = JSON.stringify(replaced(configs.get(name)!, path, value))
      await withConfig(name, config, async folder => {
        try {
          const model = await loadModel(folder)
          await model.run(shortInputs(name))
          model.dispose()
        } catch (error) {
          if (!(error instanceof AscribeError) || error.code === 'INTERNAL') throw error
        }
      })
    }),
    { numRuns: 400, seed: 20261126 },
  )
  t.pass()
})

for (const [what, change, code] of [
  ['heads that do not divide', { num_key_value_heads: 3 }, 'MODEL_INVALID'],
  ['a size beyond the weights', { hidden_size: 32 }, 'MODEL_INVALID'],
  ['layers that the checkpoint lacks', { num_hidden_layers: 1000 }, 'MODEL_INVALID'],
  ['more layers than there can be', { num_hidden_layers: 1e9 }, 'MODEL_INVALID'],
  ['a negative epsilon', { rms_norm_eps: -1 }, 'MODEL_INVALID'],
  ['an activation that is not known', { hidden_act: 'rectified' }, 'MODEL_UNSUPPORTED_OP'],
  ['a model that is not known', { model_type: 'rnn' }, 'MODEL_UNSUPPORTED_OP'],
] as const)
  test(`${what}: ${code}`, async t => {
    const config = JSON.stringify({ ...configs.get('llama'), ...change })
    await withConfig('llama', config, async folder => {
      const error = await t.throwsAsync(loadModel(folder), { instanceOf: AscribeError })
      t.is((error as AscribeError).code, code)
    })
  })

test('files that are missing or no JSON are named', async t => {
  await withConfig('llama', 'no json', async folder => {
    await t.throwsAsync(loadModel(folder), { code: 'FILE_CORRUPT', message: /config\.json is not JSON/ })
    await rm(join(folder, 'model.safetensors'))
    await writeFile(join(folder, 'config.json'), JSON.stringify(configs.get('llama')))
    await t.throwsAsync(loadModel(folder), { code: 'FILE_NOT_FOUND', message: /model\.safetensors/ })
    await writeFile(join(folder, 'pytorch_model.bin'), 'x')
    await t.throwsAsync(loadModel(folder), { code: 'MODEL_UNSUPPORTED_OP', message: /pytorch_model\.bin/ })
  })
})
