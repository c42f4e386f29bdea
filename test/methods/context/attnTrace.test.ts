import { join } from 'node:path'
import test from 'ava'
import { traceRows } from '#lib/context/tracedRows.js'
import { AttnTrace, ContextAttribution, ContextPrompt, loadModel, type Model } from '#lib/index.js'
import { tracedLayers } from '#lib/language/headWeights.js'
import { topMean } from '#lib/methods/context/topMean.js'
import { modelAttention, weightedRows } from '../../oracles/modelAttention.js'
import { checkpointFolder, relativeError } from '../../oracles/recordedCheckpoints.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

const textOf = (length: number, seed = 0) =>
  Array.from({ length }, (_, at) => 3 + Math.floor(25 * Math.abs(Math.sin(at * 7.1 + seed))))

/** Nine texts of three tokens behind one token, and a question of two. */
const ids = [1, ...textOf(27), 4, 5]
const spans = Array.from({ length: 9 }, (_, at) => ({ start: 1 + 3 * at, end: 4 + 3 * at }))
const response = [13, 14, 3]
const promptOf = (model: Model) => ContextPrompt.fromTokens(model, { ids, spans, response })

for (const name of ['llama', 'gpt2', 'gpt_neox', 'opt', 'qwen3', 'gemma2', 'mistral-window', 'phi3'])
  test(`${name}: rows that are captured are slices of the whole matrices, in batches of unequal lengths too`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const heads = tracedLayers(model).reduce((sum, layer) => sum + layer.heads, 0)
    const texts = [24, 16, 21].map((length, seed) => ({
      ids: textOf(length, seed),
      firstRow: length - 5,
      endRow: length - 1,
    }))
    for (const weights of [
      new Float32Array(heads).fill(1 / heads),
      Float32Array.from({ length: heads }, (_, head) => 0.3 - head / 9),
    ]) {
      const expected = await Promise.all(
        texts.map(async ({ ids: own, firstRow, endRow }) =>
          weightedRows(await modelAttention(model, own), weights, own.length, firstRow, endRow),
        ),
      )
      const found: Float64Array[] = []
      await traceRows(model, texts, weights, (at, rows, stride) => {
        const { length } = texts[at]!.ids
        found[at] = Float64Array.from({ length: 4 * length }, (_, k) => {
          return rows[Math.floor(k / length) * stride + (k % length)]!
        })
      })
      for (const [at, rows] of expected.entries()) {
        t.true(relativeError(found[at]!, rows) < 1e-5, `${at}: ${relativeError(found[at]!, rows)}`)
        if (weights[0] !== 1 / heads && weights[1] !== weights[0]) continue
        for (let row = 0; row < 4; row++) {
          const sum = found[at]!.subarray(row * texts[at]!.ids.length, (row + 1) * texts[at]!.ids.length)
          t.true(Math.abs(sum.reduce((a, b) => a + b, 0) - 1) < 1e-5)
        }
      }
    }
  })

/** Scores of the whole procedure, the slow way. */
async function slowly(model: Model, kept: readonly number[], avgK: number, extra: number): Promise<number[]> {
  const own = ids.filter((_, at) => {
    const text = spans.findIndex(({ start, end }) => at >= start && at < end)
    return text < 0 || kept.includes(text)
  })
  const all = [...own, ...response]
  const layers = await modelAttention(model, all)
  const heads = layers.reduce((sum, layer) => sum + layer.heads, 0)
  const [first, end] = [own.length - 1, own.length - 1 + response.length + extra]
  const rows = weightedRows(layers, new Float64Array(heads).fill(1 / heads), all.length, first, end)
  const mean = Float64Array.from({ length: all.length }, (_, at) => {
    let sum = 0
    for (let row = 0; row < end - first; row++) sum += rows[row * all.length + at]!
    return sum / (end - first)
  })
  return kept.map((_, at) => topMean(mean, 1 + 3 * at, 4 + 3 * at, avgK))
}

for (const [rows, extra] of [
  ['attntrace', 1],
  ['predicting', 0],
] as const)
  test(`scores are those of the whole procedure (rows: ${rows})`, async t => {
    const model = await loadModel(checkpointFolder('llama'))
    const sums = new Float64Array(9)
    const counts = new Int32Array(9)
    const { drawSubsets } = await import('#lib/methods/context/subsets.js')
    for (const kept of drawSubsets(9, { q: 0.5, B: 4, seed: 3, stratified: false, guards: true }))
      for (const [at, score] of (await slowly(model, kept, 2, extra)).entries()) {
        sums[kept[at]!]! += score
        counts[kept[at]!]!++
      }
    const method = new AttnTrace(model, { avgK: 2, q: 0.5, B: 4, seed: 3, rows })
    const found = await method.attribute(await promptOf(model))
    for (const [text, score] of found.scores.entries())
      t.true(Math.abs(score - (counts[text] ? sums[text]! / counts[text]! : 0)) < 1e-6)
    t.deepEqual(found.counts, [...counts])
    t.is(
      found.counts!.reduce((a, b) => a + b, 0),
      4 * 4,
    )
    t.is(found.cost.forwardPasses, 4)
  })

test('q = 1 is one pass, whatever B is; equal calls give equal bits', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await promptOf(model)
  const once = await new AttnTrace(model, { q: 1, B: 1 }).attribute(prompt)
  const often = await new AttnTrace(model, { q: 1, B: 20 }).attribute(prompt)
  t.deepEqual(often.scores, once.scores)
  t.is(often.cost.forwardPasses, 1)
  const [a, b] = [await new AttnTrace(model).attribute(prompt), await new AttnTrace(model).attribute(prompt)]
  t.deepEqual(a.scores, b.scores)
  t.notDeepEqual((await new AttnTrace(model, { seed: 1 }).attribute(prompt)).scores, a.scores)
  // The mean of all tokens, and what each token has.
  const plain = await new AttnTrace(model, { q: 1, avgK: 1000 }).attribute(prompt)
  for (const [text, score] of plain.scores.entries()) {
    const tokens = plain.tokens![text]!
    t.deepEqual(
      tokens.map(({ id }) => id),
      ids.slice(1 + 3 * text, 4 + 3 * text),
    )
    t.true(Math.abs(tokens.reduce((sum, token) => sum + token.score, 0) / 3 - score) < 1e-9)
  }
})

test('spans of a response from rows that are kept once', async t => {
  const model = await loadModel(checkpointFolder('gpt2'))
  const prompt = await promptOf(model)
  for (const rows of ['attntrace', 'predicting'] as const) {
    const method = new AttnTrace(model, { B: 6, rows })
    const trace = await method.trace(prompt)
    t.deepEqual(
      (await trace.attribution()).scores.map(score => score.toFixed(7)),
      (await method.attribute(prompt)).scores.map(score => score.toFixed(7)),
    )
    const span = { start: 1, end: 2 }
    const [kept, alone] = [await trace.attribution(span), await method.attribute(prompt, { span })]
    t.deepEqual(kept.responseSpan, span)
    for (const [at, score] of kept.scores.entries()) t.true(Math.abs(score - alone.scores[at]!) < 1e-7)
    await t.throwsAsync(trace.attribution({ start: 2, end: 4 }), { code: 'OPTION_RANGE' })
  }
})

test('adaptive: ends once the ranking is settled', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await promptOf(model)
  const found = await new AttnTrace(model, { adaptive: true, B: 400, topK: 4, stratified: true }).attribute(
    prompt,
  )
  const passes = found.cost.forwardPasses
  t.true(passes >= 10 && passes < 400, `${passes}`)
  const [first, next] = found.top(5).slice(3)
  t.true(first!.score - next!.score > 2 * Math.hypot(first!.standardError!, next!.standardError!))
})

test('heads are weighed by weights of their own', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await promptOf(model)
  const { length } = tracedLayers(model).flatMap(({ heads }) => new Array(heads).fill(0))
  const uniform = await new AttnTrace(model, {
    headWeights: new Float32Array(length).fill(1 / length),
  }).attribute(prompt)
  const mean = await new AttnTrace(model).attribute(prompt)
  t.deepEqual(uniform.scores, mean.scores)
  t.is(uniform.unit, 'weighted attention')
  t.throws(() => new AttnTrace(model, { headWeights: [1, 2, 3] }), { code: 'INPUT_SHAPE' })
  t.throws(() => new AttnTrace(model, { headWeights: new Array(length).fill(Number.NaN) }), {
    code: 'INPUT_VALUE',
  })
})

test('a result is saved and read back', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const found = await new AttnTrace(model, { B: 5 }).attribute(await promptOf(model))
  const path = join(await temporaryFolder(t), 'trace.json')
  await found.save(path)
  const read = await ContextAttribution.load(path)
  t.is(JSON.stringify(read), JSON.stringify(found))
  t.deepEqual(read.ranking(), found.ranking())
  t.is(read.top().length, 5)
  t.throws(() => ContextAttribution.fromJSON('[1]'), { code: 'FILE_CORRUPT' })
  t.throws(() => ContextAttribution.fromJSON('{"format":"ascribe.contextAttribution","schemaVersion":9}'), {
    code: 'FILE_VERSION',
  })
  for (const damage of [
    { scores: [1] },
    { counts: 'abcdefghi' },
    { tokens: new Array(9).fill(5) },
    { tokens: new Array(9).fill([null]) },
    { kept: [9] },
    { standardErrors: new Array(9).fill('1') },
    { responseSpan: { start: 2, end: 1 } },
    { warnings: [null] },
    { cost: { forwardPasses: 'many' } },
    { unit: undefined },
    { model: {} },
    { response: { ids: ['x'] } },
    { texts: new Array(9).fill({ text: 'a' }) },
  ]) {
    const broken = { ...(JSON.parse(JSON.stringify(found)) as object), ...damage }
    t.throws(() => ContextAttribution.fromJSON(JSON.stringify(broken)), { code: 'FILE_CORRUPT' })
  }
})

test('options and models that do not fit are refused', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  for (const options of [{ q: 0 }, { q: 1.1 }, { B: 0 }, { avgK: 0 }, { topK: 0 }])
    t.throws(() => new AttnTrace(model, options), { code: 'OPTION_RANGE' })
  t.throws(() => new AttnTrace(model, { rows: 'all' as never }), { code: 'OPTION_RANGE' })
  t.throws(() => new AttnTrace(model, { avgk: 1 } as never), { code: 'OPTION_UNKNOWN' })
  for (const name of ['vit', 'bert-base']) {
    const other = await loadModel(checkpointFolder(name))
    t.throws(() => new AttnTrace(other), { code: 'MODEL_CAPABILITY' })
  }
  const prompt = await promptOf(model)
  await t.throwsAsync(new AttnTrace(model).attribute(prompt, { span: { start: 0, end: 4 } }), {
    code: 'OPTION_RANGE',
  })
  await t.throwsAsync(new AttnTrace(await loadModel(checkpointFolder('gpt2'))).attribute(prompt), {
    code: 'OPTION_RANGE',
  })
  await t.throwsAsync(new AttnTrace(model).attribute(prompt, { signal: AbortSignal.abort() }), {
    code: 'ABORTED',
  })
})

test('a single subset that leaves texts out is told as small; heads are weighed by a list alone', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const found = await new AttnTrace(model, { B: 1 }).attribute(await promptOf(model))
  t.deepEqual(
    found.warnings.map(({ code }) => code),
    ['SUBSETS_SMALL', 'TEXTS_NOT_DRAWN'],
  )
  t.throws(() => new AttnTrace(model, { headWeights: null } as object), { code: 'OPTION_TYPE' })
})
