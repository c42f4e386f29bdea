import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { responseRows } from '#lib/context/responseRows.js'
import { logOddsOf, logProbabilityOf } from '#lib/context/responseScores.js'
import {
  At2,
  AttnTrace,
  ContextCite,
  ContextLeaveOneOut,
  ContextPrompt,
  ContextShapley,
  loadModel,
  ResponseScores,
  removalCheck,
  StreamedTrace,
  TracLLM,
  traceAnswer,
} from '#lib/index.js'
import { checkpointCopy } from '../../oracles/checkpointCopy.js'
import { letterTokenizer } from '../../oracles/letterTokenizer.js'
import { checkpointFolder } from '../../oracles/recordedCheckpoints.js'
import { repositoryRoot } from '../../oracles/repository.js'

const oracle = JSON.parse(
  readFileSync(join(repositoryRoot, 'test/oracles/encoder_decoder.json'), 'utf8'),
) as {
  source: number[]
  answer: number[]
  looks: Record<string, { crossRows: number[][] }>
  hidden: Record<string, { whole: number; masked: number[]; removed: number[] }>
}
const { source, answer } = oracle
/** Every token of the source but its end is a text. */
const spans = source.slice(0, -1).map((_, at) => ({ start: at, end: at + 1 }))

const meanOf = (rows: readonly number[][]): number[] =>
  rows[0]!.map((_, at) => rows.reduce((sum, row) => sum + row[at]!, 0) / rows.length)

for (const name of ['t5', 't5-gated']) {
  test(`${name}: where the decoder looks in what the encoder read is PyTorch's`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const prompt = await ContextPrompt.fromTokens(model, { ids: source, spans, response: answer })
    const { crossRows } = oracle.looks[name]!
    const close = (scores: readonly number[], rows: readonly number[][]) => {
      const expected = meanOf(rows)
      for (const [at, score] of scores.entries()) t.true(Math.abs(score - expected[at]!) < 1e-6, `text ${at}`)
    }
    const whole = await new AttnTrace(model, { q: 1, B: 1 }).attribute(prompt)
    close(whole.scores, crossRows)
    t.is(whole.cost.tokens, source.length + 1 + answer.length)
    const predicting = new AttnTrace(model, { q: 1, B: 1, rows: 'predicting' })
    close((await predicting.attribute(prompt)).scores, crossRows.slice(0, -1))
    const trace = await predicting.trace(prompt)
    close((await trace.attribution({ start: 1, end: 2 })).scores, crossRows.slice(1, 2))
    close((await new At2(model).attribute(prompt)).scores, crossRows.slice(0, -1))
  })

  test(`${name}: a response is as likely under each set of texts as PyTorch has it`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const prompt = await ContextPrompt.fromTokens(model, { ids: source, spans, response: answer })
    const { whole, removed, masked } = oracle.hidden[name]!
    const scores = new ResponseScores(prompt)
    t.true(Math.abs((await scores.logProbability(spans.keys())) - whole) < 1e-5)
    const { scores: dropped } = await new ContextLeaveOneOut(model).attribute(scores)
    for (const [at, drop] of dropped.entries()) t.true(Math.abs(whole - removed[at]! - drop) < 2e-5)
    const check = await removalCheck(scores, [1], { random: 0 })
    t.true(Math.abs(check.removed.drop - (whole - removed[1]!)) < 2e-5)
    // Hidden from attention, which is what AT2 learns from, tokens leave a place.
    const text = responseRows(model, source, answer)
    const shown = source.map((_, at) => source.map((_, token) => (token === at ? 0 : 1)))
    const { odds } = await logOddsOf(
      model,
      shown.map(() => text),
      answer,
      undefined,
      shown,
    )
    for (const [at, each] of odds.entries())
      t.true(Math.abs(logProbabilityOf(each) - masked[at]!) < 1e-5, `token ${at}`)
  })
}

test('subsets, searches, Shapley values and learnt weights of heads work on contexts that an encoder reads', async t => {
  const model = await loadModel(checkpointFolder('t5'))
  const ids = [7, 12, 5, 9, 11, 4, 22, 17, 31, 2]
  const texts = [0, 2, 4, 6].map(start => ({ start, end: start + 2 }))
  const prompt = await ContextPrompt.fromTokens(model, { ids, spans: texts, response: answer })
  const scores = new ResponseScores(prompt)
  const shapley = await new ContextShapley(model, { permutations: 24 }).attribute(scores)
  const [all, none] = [await scores.logProbability(texts.keys()), await scores.logProbability([])]
  t.true(Math.abs(shapley.scores.reduce((sum, each) => sum + each, 0) - (all - none)) < 1e-5)
  for (const method of [new ContextCite(model, { samples: 16 }), new TracLLM(model, { topK: 2 })])
    t.is((await method.attribute(scores)).scores.length, 4)
  const some = await new AttnTrace(model, { B: 6, q: 0.5, guards: false }).attribute(prompt)
  t.true(some.scores.every(score => score > 0) && some.standardErrors!.some(error => error !== null))
  const { weights, losses } = await At2.fit(model, [prompt], { masks: 8, steps: 30, batch: 4 })
  t.is(weights.length, 8)
  t.true(losses.at(-1)! < losses[0]!)
  t.is((await new At2(model, { headWeights: weights }).attribute(prompt)).scores.length, 4)
})

/** Letters between nothing and the token that ends a text, as T5's tokenizers write them. */
function endingTokenizer(): Record<string, unknown> {
  const ending = { SpecialToken: { id: '</s>', type_id: 0 } }
  return {
    ...letterTokenizer(),
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, ending],
      pair: [],
      special_tokens: { '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] } },
    },
  }
}

test('the token that ends a prompt is in no text; answers are traced sentence by sentence, also as they are written', async t => {
  const folder = await checkpointCopy(t, 't5-gated', { 'tokenizer.json': endingTokenizer() })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  const question = { context: ['ab cd. ', 'ef gh.'], template: 'q [context]' }
  const prompt = await ContextPrompt.create(model, { ...question, response: 'cd. gh.' })
  const kept = await prompt.tokens([0])
  t.is(kept.ids.at(-1), 2)
  t.is(kept.ids.length, 2 + 7 + 1)
  t.deepEqual(prompt.response.spans?.[3], { start: 3, end: 4 })
  const stream = await StreamedTrace.open(model, question, { avgK: 3 })
  const { ids } = await stream.generate({ temperature: 0, maximumTokens: 6 })
  const own = await ContextPrompt.create(model, { ...question, response: [...ids] })
  const read = await new AttnTrace(model, { q: 1, B: 1, avgK: 3, rows: 'predicting' }).attribute(own)
  const streamed = await stream.attribution()
  for (const [at, score] of streamed.scores.entries())
    t.true(Math.abs(score - read.scores[at]!) < 1e-6 * Math.max(...read.scores), `text ${at}`)
  const documents = [
    { name: 'a', text: 'ab cd.' },
    { name: 'b', text: 'ef gh.' },
  ]
  const trace = await traceAnswer(new AttnTrace(model), {
    documents,
    question: 'q',
    template: 'say [context] so [question] is ',
    answer: 'cd? gh.',
  })
  t.is(trace.sentences.length, 2)
  const answered = await traceAnswer(
    new ContextLeaveOneOut(model),
    { documents, question: 'q', template: 'say [context] so [question] is ' },
    { maximumTokens: 5 },
  )
  t.is(answered.generation?.text, answered.answer)
  t.true(answered.sentences.length > 0)
})
