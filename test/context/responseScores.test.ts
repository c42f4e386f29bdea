import test from 'ava'
import { logProbabilityOf } from '#lib/context/responseScores.js'
import { coalitionOf, emptyCoalition, fullCoalition } from '#lib/games/coalition.js'
import { ContextPrompt, loadModel, ResponseScores, Scorer } from '#lib/index.js'
import { checkpointFolder, relativeError } from '../oracles/recordedCheckpoints.js'

const ids = [1, 5, 6, 7, 8, 9, 10, 11, 12]
const spans = [
  { start: 1, end: 3 },
  { start: 3, end: 4 },
  { start: 4, end: 7 },
]

for (const name of ['llama', 'gpt2', 'gemma2'])
  test(`${name}: the response under some texts is as likely as under the prompt without the others`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const response = [13, 14, 3]
    const scores = new ResponseScores(await ContextPrompt.fromTokens(model, { ids, spans, response }))
    const game = scores.game()
    const sets = [[], [0], [1, 2], [0, 1, 2]]
    const values = await game.valueBatch(sets.map(set => coalitionOf(3, set)))
    const scorer = new Scorer(model)
    for (const [at, set] of sets.entries()) {
      const given = ids.filter((_, k) => {
        const text = spans.findIndex(({ start, end }) => k >= start && k < end)
        return text < 0 || set.includes(text)
      })
      const { logProbability } = await scorer.score({ given, text: response })
      t.true(Math.abs(values[at]![0]! - logProbability) < 1e-4, `${values[at]![0]} ${logProbability}`)
    }
    // Known sets cost nothing, whichever game asks.
    t.is(scores.evaluations, 4)
    const [odds] = await scores.logOdds([fullCoalition(3)])
    t.is(odds!.length, 3)
    await scores.game(each => each[0]!).valueBatch([emptyCoalition(3), fullCoalition(3)])
    t.is(await scores.logProbability([2, 1]), values[2]![0]!)
    t.is(scores.evaluations, 4)
  })

test('values do not depend on their batch', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await ContextPrompt.fromTokens(model, { ids, spans, response: [13, 14, 3] })
  const sets = [[2], [0, 1], [0, 1, 2]].map(set => coalitionOf(3, set))
  const together = await new ResponseScores(prompt).logOdds(sets)
  for (const [at, set] of sets.entries()) {
    const [alone] = await new ResponseScores(prompt).logOdds([set])
    for (const [k, value] of alone!.entries()) t.true(Math.abs(value - together[at]![k]!) < 1e-5)
  }
})

test('leaving texts out one by one reads each beginning once', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const long = [1, ...Array.from({ length: 80 }, (_, at) => 3 + ((at * 7) % 30)), 4]
  const texts = Array.from({ length: 8 }, (_, at) => ({ start: 1 + 10 * at, end: 11 + 10 * at }))
  const response = [13, 14, 3]
  const prompt = await ContextPrompt.fromTokens(model, { ids: long, spans: texts, response })
  const sets = [-1, ...texts.keys()].map(left =>
    coalitionOf(
      8,
      [...texts.keys()].filter(text => text !== left),
    ),
  )
  const scores = new ResponseScores(prompt)
  const together = await scores.logOdds(sets)
  // All of it once (the last token of the response predicts nothing), then behind each text what follows it.
  t.is(scores.tokens, 84 + [...texts.keys()].reduce((sum, text) => sum + 10 * (7 - text) + 3, 0))
  // Each alone reads all of its own prompt: 828 tokens instead of 388.
  let alone = 0
  for (const [at, set] of sets.entries()) {
    const own = new ResponseScores(prompt)
    const [odds] = await own.logOdds([set])
    alone += own.tokens
    t.true(relativeError(Float64Array.from(together[at]!), Array.from(odds!)) < 1e-5)
  }
  t.is(alone, 84 + 8 * 74)
})

test('a response that is impossible counts -1000, and one that is sure 0', t => {
  const { POSITIVE_INFINITY: sure, NEGATIVE_INFINITY: never } = Number
  t.is(logProbabilityOf([0.5, never, 2]), -1000)
  t.is(logProbabilityOf([sure, sure]), 0)
  t.is(logProbabilityOf([]), 0)
  // Far below what a probability in double precision can be, and still told apart.
  t.is(logProbabilityOf([-2000]), -2000)
  t.true(Math.abs(logProbabilityOf([0]) + Math.LN2) < 1e-15)
  t.true(Number.isNaN(logProbabilityOf([Number.NaN])))
})
