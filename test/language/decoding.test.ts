import { readFile } from 'node:fs/promises'
import test from 'ava'
import { loadModel, type Model } from '#lib/index.js'
import { Decoding } from '#lib/language/decoding.js'
import {
  checkpointFolder,
  checkpointNames,
  idsTensor,
  recordedCheckpoint,
  relativeError,
} from '../oracles/recordedCheckpoints.js'
import { sharedData } from '../oracles/sharedData.js'

const best = (logits: Float32Array): number =>
  logits.reduce((at, value, k) => (value > logits[at]! ? k : at), 0)

async function greedy(model: Model, prompt: readonly number[], count: number, source?: readonly number[]) {
  const decoding = await Decoding.open(
    model,
    [prompt.length],
    prompt.length + count,
    source ? { sources: [source] } : {},
  )
  const tokens: number[] = []
  for (let rows = [prompt]; tokens.length < count; rows = [tokens.slice(-1)])
    tokens.push(best((await decoding.feed(rows))[0]!))
  decoding.dispose()
  return tokens
}

for (const name of checkpointNames) {
  const recorded = recordedCheckpoint(name)
  if (recorded.greedy === undefined) continue
  test(`${name}: the 200 most likely tokens are PyTorch's`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const [first] = [recorded.inputs.input_ids!]
    const source = Array.from((first.data as BigInt64Array).subarray(0, first.shape[1]), Number)
    const isEncoded = model.checkpoint!.decoder!.encode !== undefined
    const found = await greedy(model, isEncoded ? [0] : recorded.prompt!, 200, isEncoded ? source : undefined)
    t.deepEqual(found, recorded.greedy)
  })
}

const manyIds = (count: number, seed: number) =>
  Array.from({ length: count }, (_, at) => 3 + ((at * 7 + seed * 13) % 37))

for (const name of [
  'llama',
  'llama-dynamic',
  'mistral-window',
  'gemma2',
  'gpt2',
  'opt',
  'gpt_neox',
  'phi3-longrope',
])
  test(`${name}: a prompt in pieces gives the logits of the whole`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const ids = manyIds(150, 1)
    const { outputs } = await model.run({ input_ids: idsTensor([ids]) })
    const expected = (outputs.logits!.data as Float32Array).subarray(-40)
    const decoding = await Decoding.open(model, [150], 160)
    const [found] = await decoding.feed([ids])
    t.true(relativeError(found!, Array.from(expected)) < 1e-5)
  })

for (const name of ['llama', 'mistral-window', 'gemma3', 'gpt2', 'opt'])
  test(`${name}: texts of unequal lengths side by side are as each alone`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const prompts = [manyIds(70, 1), manyIds(3, 2), manyIds(12, 3)]
    const decoding = await Decoding.open(
      model,
      prompts.map(each => each.length),
      80,
    )
    const alone = await Promise.all(prompts.map(each => Decoding.open(model, [each.length], 80)))
    let rows = prompts
    for (let step = 0; step < 5; step++) {
      const together = await decoding.feed(rows)
      for (const [at, each] of alone.entries()) {
        const [only] = await each.feed([rows[at]!])
        t.true(relativeError(together[at]!, Array.from(only!)) < 1e-5)
      }
      rows = together.map(logits => [best(logits)])
    }
  })

test('stories260K: the logits and the 195 tokens of its reference', async t => {
  const path = sharedData(t, 'stories260k', 'stories260K.bin')
  const reference = sharedData(t, 'stories260k', 'reference.json')
  if (path === undefined || reference === undefined) return
  const { prompt_ids, greedy_ids, logits_last_position_of_prompt } = JSON.parse(
    await readFile(reference, 'utf8'),
  ) as Record<string, number[]>
  const model = await loadModel(path)
  const found = await greedy(model, prompt_ids!, greedy_ids!.length - prompt_ids!.length)
  t.deepEqual([...prompt_ids!, ...found], greedy_ids)
  const { outputs } = await model.run({ input_ids: idsTensor([prompt_ids!]) })
  const last = (outputs.logits!.data as Float32Array).subarray(-512)
  // The reference is rounded to five digits.
  t.true(relativeError(last, logits_last_position_of_prompt!) < 2e-6)
})

test('caches end where their room ends', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const decoding = await Decoding.open(model, [64], 64)
  await decoding.feed([manyIds(64, 1)])
  await t.throwsAsync(decoding.feed([[5]]), { code: 'OPTION_RANGE' })
  const bounded = await loadModel(checkpointFolder('llama'), { memoryLimitBytes: 5_000 })
  await t.throwsAsync(Decoding.open(bounded, [5], 64), { code: 'OUT_OF_MEMORY_BUDGET' })
  const encoder = await loadModel(checkpointFolder('bert-base'))
  await t.throwsAsync(Decoding.open(encoder, [5], 64), { code: 'MODEL_CAPABILITY' })
})
