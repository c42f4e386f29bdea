import test from 'ava'
import { AttnTrace, ContextPrompt, Generator, loadModel, type Model, StreamedTrace } from '#lib/index.js'
import { tracedLayers } from '#lib/language/headWeights.js'
import { modelAttention, weightedRows } from '../../oracles/modelAttention.js'
import { checkpointFolder, relativeError } from '../../oracles/recordedCheckpoints.js'

const textOf = (length: number, seed = 0) =>
  Array.from({ length }, (_, at) => 3 + Math.floor(25 * Math.abs(Math.sin(at * 7.1 + seed))))

/** Long enough for two pieces of the prompt. */
const ids = [1, ...textOf(80), 4, 5]
const spans = Array.from({ length: 20 }, (_, at) => ({ start: 1 + 4 * at, end: 5 + 4 * at }))
const promptOf = (model: Model) => ContextPrompt.fromTokens(model, { ids, spans })

for (const name of ['llama', 'gpt2', 'gemma2', 'mistral-window', 'opt'])
  test(`${name}: what is read while the text is written is what one pass over it reads`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const trace = await StreamedTrace.open(model, await promptOf(model), { avgK: 2 })
    const { ids: written } = await trace.generate({ temperature: 0, maximumTokens: 7 })
    t.deepEqual(written, (await new Generator(model).generate(ids, { temperature: 0, maximumTokens: 7 })).ids)
    const streamed = await trace.attribution()
    t.deepEqual(streamed.response.ids, written)
    const prompt = await trace.prompt.withResponse(written)
    const forced = new AttnTrace(model, { q: 1, rows: 'predicting', avgK: 2 })
    const { scores } = await forced.attribute(prompt)
    t.true(relativeError(streamed.scores, scores) < 1e-5)
    const span = { start: 1, end: written.length }
    const part = await trace.attribution(span)
    t.true(relativeError(part.scores, (await forced.attribute(prompt, { span })).scores) < 1e-5)
    t.deepEqual(part.responseSpan, span)
  })

test('rows of texts side by side, of unequal lengths and with weights, are slices of their matrices', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const heads = tracedLayers(model).reduce((sum, layer) => sum + layer.heads, 0)
  const weights = Float32Array.from({ length: heads }, (_, head) => 0.2 + head / 5)
  const prompts = [textOf(9), textOf(21, 1)]
  const rows: Float32Array[][] = [[], []]
  const found = await new Generator(model).generateBatch(prompts, {
    temperature: 0,
    maximumTokens: 4,
    attention: { weights, take: (row, text) => void rows[text]!.push(row) },
  })
  for (const [at, { ids: written }] of found.entries()) {
    const all = [...prompts[at]!, ...written]
    const layers = await modelAttention(model, all)
    t.is(rows[at]!.length, written.length)
    for (const [k, row] of rows[at]!.entries()) {
      const place = prompts[at]!.length - 1 + k
      t.is(row.length, place + 1)
      const expected = weightedRows(layers, weights, all.length, place, place + 1).subarray(0, place + 1)
      t.true(relativeError(row, Array.from(expected)) < 1e-5)
    }
  }
})

test('sources are known between two pieces', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const trace = await StreamedTrace.open(model, await promptOf(model))
  await t.throwsAsync(trace.attribution(), { code: 'INPUT_VALUE' })
  const lengths: number[] = []
  for await (const _ of trace.stream({ temperature: 0, maximumTokens: 3 })) {
    const { response, scores } = await trace.attribution()
    lengths.push(response.ids.length)
    t.is(scores.length, 20)
    t.true(scores.every(score => score >= 0 && score < 1))
  }
  t.deepEqual(lengths, [1, 2, 3])
  await t.throwsAsync(trace.attribution({ start: 0, end: 4 }), { code: 'OPTION_RANGE' })
})

test('prompts without an answer, and what is no observer, are refused', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  await t.throwsAsync(new AttnTrace(model).attribute(await promptOf(model)), { code: 'INPUT_VALUE' })
  const observer = { take: () => undefined }
  const generator = new Generator(model)
  await t.throwsAsync(generator.generate([3], { attention: { weights: new Float32Array(2), ...observer } }), {
    code: 'INPUT_SHAPE',
  })
  await t.throwsAsync(generator.generate([3], { attention: {} as never }), { code: 'OPTION_TYPE' })
})

test('an answer that is begun while another is still being written is traced by its own rows', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const trace = await StreamedTrace.open(model, await promptOf(model), { avgK: 2 })
  const settings = { temperature: 1, maximumTokens: 6 }
  const alone = await StreamedTrace.open(model, await promptOf(model), { avgK: 2 })
  const { ids: expected } = await alone.generate({ ...settings, seed: 2 })
  const { scores } = await alone.attribution()
  const first = trace.stream({ ...settings, seed: 1 })
  await first.next()
  const second = trace.stream({ ...settings, seed: 2 })
  for (let turn = 0; turn < 6; turn++) await Promise.all([first.next(), second.next()])
  const both = await trace.attribution()
  t.deepEqual(both.response.ids, expected)
  t.deepEqual(both.scores, scores)
})
