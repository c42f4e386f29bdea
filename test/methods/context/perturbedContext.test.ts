import test, { type ExecutionContext } from 'ava'
import { jointLogOdds } from '#lib/context/responseScores.js'
import { coalitionOf } from '#lib/games/coalition.js'
import {
  ContextAttribution,
  ContextCite,
  ContextLeaveOneOut,
  ContextPrompt,
  ContextShapley,
  DenoisedShapley,
  loadModel,
  type Model,
  ResponseScores,
  SingleTextContribution,
  TracLLM,
} from '#lib/index.js'
import { close } from '../../oracles/close.js'
import { checkpointFolder } from '../../oracles/recordedCheckpoints.js'

const ids = [1, 5, 6, 7, 8, 9, 10, 11, 12]
const spans = [
  { start: 1, end: 3 },
  { start: 3, end: 4 },
  { start: 4, end: 7 },
]
const response = [13, 14, 3]

async function prompted(): Promise<{ model: Model; prompt: ContextPrompt }> {
  const model = await loadModel(checkpointFolder('llama'))
  return { model, prompt: await ContextPrompt.fromTokens(model, { ids, spans, response }) }
}

/** Values of all eight sets of texts, by number. */
async function allValues(prompt: ContextPrompt): Promise<number[]> {
  const sets = Array.from({ length: 8 }, (_, set) =>
    coalitionOf(
      3,
      [0, 1, 2].filter(at => (set >>> at) & 1),
    ),
  )
  return (await new ResponseScores(prompt).game().valueBatch(sets)).map(value => value[0]!)
}

test('single contributions and leave-one-out are differences of the log-probability, in n + 1 passes each', async t => {
  const { model, prompt } = await prompted()
  const v = await allValues(prompt)
  const single = await new SingleTextContribution(model).attribute(prompt)
  close(t, single.scores, [v[1]! - v[0]!, v[2]! - v[0]!, v[4]! - v[0]!], 1e-5)
  t.is(single.cost.forwardPasses, 4)
  close(t, [single.method.details!.valueOfNone as number], [v[0]!], 1e-5)
  const without = await new ContextLeaveOneOut(model).attribute(prompt)
  close(t, without.scores, [v[7]! - v[6]!, v[7]! - v[5]!, v[7]! - v[3]!], 1e-5)
  t.is(without.cost.forwardPasses, 4)
  // All of it, then what stands behind each text that is left out; the last token of the response predicts nothing.
  t.is(without.cost.tokens, 11 + 8 + 7 + 4)
  t.is(without.unit, 'nats')
})

test('Shapley values add up to what all texts change, and are the mean over all orders where every order is drawn', async t => {
  const { model, prompt } = await prompted()
  const v = await allValues(prompt)
  const found = await new ContextShapley(model, { permutations: 7, seed: 3 }).attribute(prompt)
  close(t, [found.scores.reduce((a, b) => a + b)], [v[7]! - v[0]!], 1e-5)
  t.true(found.cost.forwardPasses <= 8)
  t.is(found.standardErrors!.length, 3)
  t.true(found.standardErrors!.every(error => error !== null && error >= 0))
  const denoised = await new DenoisedShapley(model, { permutations: 7, seed: 3 }).attribute(prompt)
  // One of seven contributions counts, the greatest.
  for (const [text, score] of denoised.scores.entries()) t.true(score >= found.scores[text]! - 1e-9)
})

test('the same seed gives the same bits; another one other orders', async t => {
  const { model, prompt } = await prompted()
  const scores = async (seed: number) =>
    (await new ContextShapley(model, { permutations: 2, seed }).attribute(prompt)).scores
  t.deepEqual(await scores(5), await scores(5))
  const others = await Promise.all([1, 2, 3, 4].map(scores))
  t.true(others.some(each => each.some((score, text) => score !== others[0]![text])))
})

test('ContextCite: subsets are asked for once, whichever span of the response is traced', async t => {
  const { model, prompt } = await prompted()
  const shared = new ResponseScores(prompt)
  const method = new ContextCite(model)
  const whole = await method.attribute(shared)
  t.true(whole.cost.forwardPasses <= 8, 'three texts have eight subsets')
  t.is(whole.method.details!.samples, 64)
  const part = await method.attribute(shared, { span: { start: 1, end: 2 } })
  t.is(part.cost.forwardPasses, 0)
  t.deepEqual(part.responseSpan, { start: 1, end: 2 })
  t.notDeepEqual(part.scores, whole.scores)
  const strict = await new ContextCite(model, { penalty: 1000 }).attribute(shared)
  t.deepEqual(strict.scores, [0, 0, 0])
  t.deepEqual(
    strict.warnings.map(({ code }) => code),
    ['SCORES_DEGENERATE'],
  )
})

test('log-odds of a response stay exact near 1 and finite at the ends', t => {
  // P = 1 - 2e-9 nearly: both tokens are wrong with 1e-9.
  const z = Math.log((1 - 1e-9) / 1e-9)
  close(t, [jointLogOdds([z, z])], [Math.log(0.5e9)], 1e-6)
  close(t, [jointLogOdds([0])], [0], 1e-12)
  t.true(Number.isFinite(jointLogOdds([1e6])))
  t.true(Number.isFinite(jointLogOdds([-1e6, -1e6])))
})

test('TracLLM with room for all texts is the flat score function; its ensemble the greatest, leave-one-out twice', async t => {
  const { model, prompt } = await prompted()
  const shared = new ResponseScores(prompt)
  const flat = {
    single: (await new SingleTextContribution(model).attribute(shared)).scores,
    leaveOneOut: (await new ContextLeaveOneOut(model).attribute(shared)).scores,
    denoisedShapley: (await new DenoisedShapley(model).attribute(shared)).scores,
  }
  for (const scoreFunction of ['single', 'leaveOneOut'] as const) {
    const found = await new TracLLM(model, { scoreFunction }).attribute(shared)
    close(t, found.scores, flat[scoreFunction], 1e-12)
    t.is((found.method.details!.kept as number[]).length, 3)
  }
  const { denoisedShapley } = {
    denoisedShapley: (await new TracLLM(model, { scoreFunction: 'denoisedShapley' }).attribute(shared))
      .scores,
  }
  const ensemble = await new TracLLM(model).attribute(shared)
  close(
    t,
    ensemble.scores,
    flat.single.map((score, text) => Math.max(score, 2 * flat.leaveOneOut[text]!, denoisedShapley[text]!)),
    1e-12,
  )
  t.is(ensemble.cost.forwardPasses, 0, 'all eight sets are known by now')
  const two = await new TracLLM(model, { topK: 2 }).attribute(shared)
  t.is(two.scores.filter(score => score !== 0).length, 2)
})

async function code(t: ExecutionContext, work: () => unknown, expected: string): Promise<void> {
  const error = await t.throwsAsync(async () => {
    await work()
  })
  t.is((error as { code?: string }).code, expected, error.message)
}

test('bad options and spans are refused with a code', async t => {
  const { model, prompt } = await prompted()
  for (const share of [0, 1.5, Number.NaN])
    await code(t, () => new DenoisedShapley(model, { share }), 'OPTION_RANGE')
  await code(t, () => new ContextShapley(model, { permutations: 0 }), 'OPTION_RANGE')
  await code(t, () => new TracLLM(model, { topK: 0 }), 'OPTION_RANGE')
  await code(t, () => new ContextCite(model, { keepProbability: 0 }), 'OPTION_RANGE')
  await code(t, () => new ContextCite(model, { samples: 1 }), 'OPTION_RANGE')
  await code(t, () => new ContextCite(model, { subsets: 3 } as object), 'OPTION_UNKNOWN')
  const method = new SingleTextContribution(model)
  for (const span of [
    { start: 0, end: 4 },
    { start: 2, end: 2 },
    { start: -1, end: 1 },
  ])
    await code(t, () => method.attribute(prompt, { span }), 'OPTION_RANGE')
  await code(t, () => method.attribute(prompt, { signal: AbortSignal.abort() }), 'ABORTED')
  const other = await loadModel(checkpointFolder('gpt2'))
  await code(t, () => new SingleTextContribution(other).attribute(prompt), 'OPTION_RANGE')
  await code(
    t,
    async () => new ContextCite(await loadModel('models/scenes-sound.onnx', { preprocessing: 'none' })),
    'MODEL_CAPABILITY',
  )
})

test('a response that no text changes is told', async t => {
  const { model } = await prompted()
  // A text of one: its own score is the only one.
  const one = await ContextPrompt.fromTokens(model, { ids, spans: [spans[0]!, spans[1]!], response })
  const always = await new ContextCite(model, { keepProbability: 1 }).attribute(one)
  t.deepEqual(always.scores, [0, 0])
  t.deepEqual(
    always.warnings.map(({ code: each }) => each),
    ['CONSTANT_SCORES'],
  )
})

test('texts that TracLLM drops come behind those that it keeps, whatever the sign of the scores', async t => {
  const { model } = await prompted()
  const whole = Array.from({ length: 9 }, (_, at) => ({ start: 1 + at, end: 2 + at }))
  let negative = 0
  for (const last of [3, 7, 11, 15, 19, 23, 27]) {
    const prompt = await ContextPrompt.fromTokens(model, {
      ids: [1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 4],
      spans: whole,
      response: [last],
    })
    const found = await new TracLLM(model, { topK: 3, scoreFunction: 'single' }).attribute(prompt)
    const kept = found.method.details!.kept as number[]
    t.deepEqual(
      found.top().map(({ index }) => index),
      kept,
    )
    negative += kept.filter(text => found.scores[text]! < 0).length
    const again = ContextAttribution.fromJSON(JSON.stringify(found))
    t.deepEqual(again.ranking(), found.ranking())
  }
  t.true(negative > 0, 'some kept text has a negative score')
})

test('leave-one-out counts with its weight in the ensemble of TracLLM', async t => {
  const { model } = await prompted()
  let counted = 0
  for (const token of [3, 7, 11, 15, 19]) {
    const shared = new ResponseScores(
      await ContextPrompt.fromTokens(model, { ids, spans, response: [token] }),
    )
    const scoresOf = async (scoreFunction: 'single' | 'leaveOneOut' | 'denoisedShapley') =>
      (await new TracLLM(model, { scoreFunction }).attribute(shared)).scores
    const single = await scoresOf('single')
    const without = await scoresOf('leaveOneOut')
    const shapley = await scoresOf('denoisedShapley')
    const found = await new TracLLM(model, { leaveOneOutWeight: 1000 }).attribute(shared)
    const weighed = without.map(score => 1000 * score)
    close(
      t,
      found.scores,
      weighed.map((score, text) => Math.max(single[text]!, score, shapley[text]!)),
      1e-9,
    )
    counted += weighed.filter((score, text) => score === found.scores[text]).length
  }
  t.true(counted > 0)
})
