import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { loadModel, readSafetensors, writeSafetensors } from '#lib/index.js'
import { checkpointFolder, recordedCheckpoint } from '../../oracles/recordedCheckpoints.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

type Json = Record<string, unknown>

/** A recorded checkpoint as older versions of transformers wrote it; its outputs must stay what they are. */
async function asOlder(
  t: ExecutionContext,
  name: string,
  change: { config?: (config: Json) => Json; weight?: (name: string) => string },
) {
  const folder = await temporaryFolder(t)
  const source = checkpointFolder(name)
  const config = JSON.parse(await readFile(join(source, 'config.json'), 'utf8')) as Json
  await writeFile(join(folder, 'config.json'), JSON.stringify(change.config?.(config) ?? config))
  const tensors = Object.entries(await readSafetensors(join(source, 'model.safetensors')))
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    Object.fromEntries(tensors.map(([key, tensor]) => [change.weight?.(key) ?? key, tensor])),
  )
  const { inputs } = recordedCheckpoint(name)
  const run = async (path: string) => Object.values((await (await loadModel(path)).run(inputs)).outputs)
  const [expected, found] = [await run(source), await run(folder)]
  t.deepEqual(found, expected)
}

/** `rope_theta` and `rope_scaling` in place of `rope_parameters`; `type` was `rope_type` once. */
const olderRotary = ({ rope_parameters, ...config }: Json): Json => {
  const { rope_type, rope_theta, ...scaling } = rope_parameters as Json
  return {
    ...config,
    rope_theta,
    rope_scaling: rope_type === 'default' ? null : { type: rope_type, ...scaling },
  }
}

for (const name of [
  'llama',
  'llama-linear',
  'llama-dynamic',
  'llama-llama3',
  'llama-yarn',
  'phi3-longrope',
  'qwen3',
])
  test(`${name}: rotary positions as files of 2024 describe them`, async t => {
    await asOlder(t, name, { config: olderRotary })
  })

test('gemma3: two bases, and a pattern in place of a list of layers', t =>
  asOlder(t, 'gemma3', {
    config: ({ rope_parameters, layer_types, _sliding_window_pattern, ...config }) => ({
      ...config,
      rope_theta: 1e6,
      rope_local_base_freq: 1e4,
      rope_scaling: null,
      sliding_window_pattern: 2,
    }),
  }))

test('gemma2 and qwen2: no list of layers', async t => {
  const config = ({ rope_parameters, layer_types, ...rest }: Json): Json => ({ ...rest, rope_theta: 1e4 })
  await asOlder(t, 'gemma2', { config })
  await asOlder(t, 'qwen2', { config })
})

test('gpt_neox: rotary_pct and rotary_emb_base', t =>
  asOlder(t, 'gpt_neox', {
    config: ({ rope_parameters, ...config }) => ({ ...config, rotary_pct: 0.5, rotary_emb_base: 10_000 }),
  }))

test('gpt2 and bert without the name of the model before their weights, norms with gamma and beta', async t => {
  await asOlder(t, 'gpt2', { weight: name => name.replace(/^transformer\./, '') })
  const weight = (name: string) =>
    name
      .replace(/^bert\./, '')
      .replace(/LayerNorm\.weight$/, 'LayerNorm.gamma')
      .replace(/LayerNorm\.bias$/, 'LayerNorm.beta')
  await asOlder(t, 'bert-classification', { weight })
})

test('t5: whether outputs are scaled follows from whether the tables are called tied', async t => {
  const tied = (tie_word_embeddings: boolean) => ({
    config: ({ scale_decoder_outputs, ...rest }: Json): Json => ({ ...rest, tie_word_embeddings }),
  })
  await asOlder(t, 't5', tied(true))
  await asOlder(t, 't5-gated', tied(false))
})
