import { readFile } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import { AscribeError, Generator, loadModel, Scorer } from '#lib/index.js'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { idsOf, letterTokenizer } from '../oracles/letterTokenizer.js'
import { checkpointFolder, recordedCheckpoint } from '../oracles/recordedCheckpoints.js'
import { sharedData } from '../oracles/sharedData.js'

const writer = async (t: ExecutionContext, name = 'llama', files: Record<string, object | string> = {}) => {
  const folder = await checkpointCopy(t, name, { 'tokenizer.json': letterTokenizer(), ...files })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  return new Generator(model)
}

for (const name of ['llama', 'gpt2', 'qwen2', 't5-gated'])
  test(`${name}: ids in, the most likely tokens out, up to the one that ends the text`, async t => {
    const { prompt, greedy, inputs } = recordedCheckpoint(name)
    const source = Array.from((inputs.input_ids!.data as BigInt64Array).subarray(0, 16), Number)
    const generator = new Generator(await loadModel(checkpointFolder(name)))
    const { ids, text, finish } = await generator.generate(prompt ?? source, { maximumTokens: 200 })
    const end = greedy!.indexOf(2)
    t.deepEqual(ids, end < 0 ? greedy : greedy!.slice(0, end + 1))
    t.is(finish, end < 0 ? 'length' : 'end')
    t.is(text, undefined)
  })

test('text in, text out; pieces add up to it, and each has the probability that the scorer gives', async t => {
  const generator = await writer(t)
  const options = { temperature: 1, maximumTokens: 40, seed: 5 }
  const whole = await generator.generate('once upon', options)
  t.deepEqual(whole.promptIds, [1, ...idsOf('once upon')])
  const pieces = []
  for await (const piece of generator.stream('once upon', options)) pieces.push(piece)
  t.is(pieces.map(({ text }) => text).join(''), whole.text!)
  t.deepEqual(
    pieces.map(({ id }) => id),
    [...whole.ids],
  )
  t.is(pieces.at(-1)!.finish, whole.finish)
  const score = await new Scorer(generator.model).score({ given: 'once upon', text: whole.ids })
  for (const [at, each] of score.logProbabilities.entries())
    t.true(Math.abs(each - whole.logProbabilities[at]!) < 1e-4)
  const sum = whole.logProbabilities.reduce((a, b) => a + b, 0)
  t.true(Math.abs(score.logProbability - sum) < 1e-3)
})

test('a text depends on its seed and item, not on those written beside it', async t => {
  const generator = await writer(t)
  const options = { temperature: 1, maximumTokens: 20, seed: 11 }
  const prompts = Array.from({ length: 10 }, (_, at) => 'abcdefghij'.slice(0, at + 1))
  const together = await generator.generateBatch(prompts, options)
  for (const at of [0, 4, 9]) {
    const alone = await generator.generate(prompts[at]!, { ...options, item: at })
    t.deepEqual(alone.ids, together[at]!.ids)
    t.is(alone.text, together[at]!.text)
  }
  const other = await generator.generateBatch(prompts, { ...options, seed: 12 })
  t.notDeepEqual(
    other.map(({ ids }) => ids),
    together.map(({ ids }) => ids),
  )
})

test('texts that an encoder reads may have unequal lengths', async t => {
  const generator = new Generator(await loadModel(checkpointFolder('t5-gated')))
  const sources = [
    [5, 9, 33],
    [8, 7, 21, 30, 11, 4, 17],
    Array.from({ length: 40 }, (_, at) => 3 + ((at * 11) % 37)),
  ]
  const options = { temperature: 1, maximumTokens: 12, seed: 2 }
  const together = await generator.generateBatch(sources, options)
  for (const [item, source] of sources.entries()) {
    const alone = await generator.generate(source, { ...options, item })
    t.deepEqual(together[item]!.ids, alone.ids)
    for (const [at, each] of alone.logProbabilities.entries())
      t.true(Math.abs(together[item]!.logProbabilities[at]! - each) < 1e-4)
  }
})

test('changed weights change the text, and the model that they came from stays what it is', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const before = await new Generator(model).generate([5, 6, 7], { maximumTokens: 10 })
  const table = model.parameters.read('lm_head.weight')
  const data = (table.data as Float32Array).map(value => -value)
  const other = model.withParameters({ 'lm_head.weight': { ...table, data } as typeof table })
  const changed = await new Generator(other).generate([5, 6, 7], { maximumTokens: 10 })
  t.notDeepEqual(changed.ids, before.ids)
  t.deepEqual(await new Generator(model).generate([5, 6, 7], { maximumTokens: 10 }), before)
  model.parameters.write('lm_head.weight', { ...table, data } as typeof table)
  t.deepEqual(await new Generator(model).generate([5, 6, 7], { maximumTokens: 10 }), changed)
})

test('writing ends at a stop string, which is not part of the text', async t => {
  const generator = await writer(t)
  const { text } = await generator.generate('once upon', { maximumTokens: 60 })
  const stop = text!.slice(7, 10)
  const first = text!.indexOf(stop)
  const stopped = await generator.generate('once upon', { maximumTokens: 60, stop: [stop, 'never so'] })
  t.is(stopped.text, text!.slice(0, first))
  t.is(stopped.finish, 'stop')
  t.is(stopped.ids.length, first + 3)
  let streamed = ''
  for await (const piece of generator.stream('once upon', { maximumTokens: 60, stop: [stop] }))
    streamed += piece.text
  t.is(streamed, text!.slice(0, first))
})

test('a signal ends the work, and so does leaving the loop', async t => {
  const generator = await writer(t, 'llama', { 'config.json': { eos_token_id: null } })
  const controller = new AbortController()
  const written: number[] = []
  const error = await t.throwsAsync(
    async () => {
      for await (const { id } of generator.stream('abc', {
        temperature: 1,
        maximumTokens: 240,
        signal: controller.signal,
      }))
        if (written.push(id) === 5) controller.abort()
    },
    { instanceOf: AscribeError },
  )
  t.is((error as AscribeError).code, 'ABORTED')
  t.is(written.length, 5)
  for await (const _ of generator.stream('abc', { maximumTokens: 240 })) break
  t.is((await generator.generate('abc', { maximumTokens: 3 })).ids.length, 3)
})

test("the end of the model's context ends the text, and a longer prompt is refused", async t => {
  const generator = await writer(t, 'llama', {
    'config.json': { max_position_embeddings: 20, eos_token_id: null },
  })
  const { ids, finish } = await generator.generate('abcdefghij', {
    temperature: 1,
    topK: 1,
    maximumTokens: 200,
  })
  t.is(finish, 'length')
  t.is(ids.length, 20 - 11)
  await t.throwsAsync(generator.generate('a'.repeat(30)), { code: 'INPUT_SHAPE', message: /31 tokens.*20/ })
})

test('generation_config.json says what options do not', async t => {
  const config = { do_sample: true, temperature: 2, top_k: 3, eos_token_id: [7, 9], max_new_tokens: 33 }
  const generator = await writer(t, 'llama', { 'generation_config.json': config })
  t.deepEqual(generator.model.checkpoint!.generation, {
    endTokens: [7, 9],
    maximumTokens: 33,
    temperature: 2,
    topK: 3,
  })
  const usual = await generator.generate('abc')
  const named = await generator.generate('abc', { temperature: 2, topK: 3, maximumTokens: 33 })
  t.deepEqual(usual, named)
  t.notDeepEqual(usual.ids, (await generator.generate('abc', { temperature: 0 })).ids)
  t.true(usual.finish === 'length' ? usual.ids.length === 33 : [7, 9].includes(usual.ids.at(-1)!))
  await t.throwsAsync(
    loadModel(await checkpointCopy(t, 'llama', { 'generation_config.json': { do_sample: true, top_p: 7 } })),
    { code: 'MODEL_INVALID', message: /top_p/ },
  )
})

test('options and prompts that cannot be are refused', async t => {
  const generator = await writer(t)
  const refused = async (prompt: unknown, options: object, code: string) => {
    await t.throwsAsync(generator.generate(prompt as string, options), { code })
  }
  await refused('abc', { temperature: -1 }, 'OPTION_RANGE')
  await refused('abc', { topP: 2 }, 'OPTION_RANGE')
  await refused('abc', { stop: [''] }, 'OPTION_RANGE')
  await refused('abc', { stop: 'x' }, 'OPTION_TYPE')
  await refused('abc', { maxTokens: 3 }, 'OPTION_UNKNOWN')
  await refused('abc', { maximumTokens: 0 }, 'OPTION_RANGE')
  await refused(7, {}, 'OPTION_TYPE')
  await refused([], {}, 'INPUT_VALUE')
  await refused([1, 40], {}, 'INPUT_VALUE')
  await refused([1, 0.5], {}, 'INPUT_VALUE')
  const bare = new Generator(await loadModel(checkpointFolder('llama')))
  await t.throwsAsync(bare.generate('abc'), { code: 'TOKENIZER_REQUIRED' })
  await t.throwsAsync(bare.generate([5], { stop: ['a'] }), { code: 'TOKENIZER_REQUIRED' })
  const encoder = await loadModel(checkpointFolder('bert-base'))
  t.throws(() => new Generator(encoder), { code: 'MODEL_CAPABILITY' })
})

test("stories260K: the text of its reference, from its own tokenizer's tokens", async t => {
  const path = sharedData(t, 'stories260k', 'stories260K.bin')
  const tokenizer = sharedData(t, 'stories260k', 'tok512.bin')
  const reference = sharedData(t, 'stories260k', 'reference.json')
  if (path === undefined || tokenizer === undefined || reference === undefined) return
  const { prompt, prompt_ids, greedy_text, greedy_ids } = JSON.parse(await readFile(reference, 'utf8'))
  const model = await loadModel(path, { tokenizer })
  t.teardown(() => model.tokenizer!.dispose())
  const maximumTokens = greedy_ids.length - prompt_ids.length
  const { text, promptIds, ids } = await new Generator(model).generate(prompt, { maximumTokens })
  t.deepEqual([...promptIds], prompt_ids)
  t.deepEqual([...promptIds, ...ids], greedy_ids)
  t.is(prompt + text, greedy_text)
})
