import test from 'ava'
import {
  AttnTrace,
  ContextPrompt,
  Generator,
  loadModel,
  type Model,
  ResponseScores,
  removalCheck,
} from '#lib/index.js'
import { checkpointFolder } from '../oracles/recordedCheckpoints.js'

const ids = [1, ...Array.from({ length: 12 }, (_, at) => 3 + ((at * 7) % 25)), 4, 5]
const spans = Array.from({ length: 4 }, (_, at) => ({ start: 1 + 3 * at, end: 4 + 3 * at }))
const promptOf = (model: Model, response = [13, 14, 3]) =>
  ContextPrompt.fromTokens(model, { ids, spans, response })
const near = (a: number, b: number, tolerance = 1e-9) => Math.abs(a - b) <= tolerance

test('a check tells the log-probability without texts and with them alone, and what the change is', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await promptOf(model)
  const alone = new ResponseScores(prompt)
  const [whole, removed, kept] = [
    await alone.logProbability([0, 1, 2, 3]),
    await alone.logProbability([0, 2]),
    await alone.logProbability([1, 3]),
  ]
  const check = await removalCheck(prompt, [3, 1], { random: 0 })
  t.deepEqual(check.texts, [3, 1])
  // Rows of a batch differ from those by themselves by rounding.
  t.true(near(check.whole.logProbability, whole, 1e-5))
  t.true(near(check.removed.logProbability, removed, 1e-5) && near(check.kept.logProbability, kept, 1e-5))
  t.is(check.removed.drop, check.whole.logProbability - check.removed.logProbability)
  t.is(check.kept.drop, check.whole.logProbability - check.kept.logProbability)
  t.is(check.forwardPasses, 3)
  t.is(check.removed.random, undefined)
  t.is(check.removed.answer, undefined)
  // All texts: kept alone nothing changes, and removed nothing is left.
  const all = await removalCheck(alone, [0, 1, 2, 3], { random: 2 })
  t.is(all.kept.drop, 0)
  t.true(near(all.removed.logProbability, await alone.logProbability([]), 1e-5))
  t.true(near(all.removed.random!.mean, all.removed.drop) && all.kept.random!.mean === 0)
})

test('only the tokens of the span count', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await promptOf(model)
  const parts = await Promise.all(
    [{ start: 0, end: 1 }, { start: 1, end: 3 }, undefined].map(span =>
      removalCheck(prompt, [0], { random: 0, ...(span ? { span } : {}) }),
    ),
  )
  const drops = parts.map(({ removed }) => removed.drop)
  t.true(near(drops[0]! + drops[1]!, drops[2]!, 1e-6))
  t.true(Math.abs(drops[0]!) > 1e-4 && Math.abs(drops[1]!) > 1e-4)
  const span = { start: 1, end: 3 }
  const traced = await new AttnTrace(model, { B: 2 }).attribute(prompt, { span })
  t.deepEqual((await removalCheck(prompt, traced, { random: 0 })).removed.drop !== drops[2], true)
})

test('random sets stand beside, as many texts each, with intervals, and are those of the seed', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await promptOf(model)
  const scores = new ResponseScores(prompt)
  const check = await removalCheck(scores, [2], { random: 200, seed: 3 })
  const drops: number[] = []
  const whole = await scores.logProbability([0, 1, 2, 3])
  for (const text of [0, 1, 2, 3])
    drops.push(whole - (await scores.logProbability([0, 1, 2, 3].filter(each => each !== text))))
  const mean = drops.reduce((sum, drop) => sum + drop, 0) / 4
  const { random } = check.removed
  t.is(random!.count, 200)
  t.true(random!.low <= mean && mean <= random!.high)
  t.true(random!.mean >= Math.min(...drops) && random!.mean <= Math.max(...drops))
  t.deepEqual(await removalCheck(scores, [2], { random: 200, seed: 3 }), { ...check, forwardPasses: 0 })
  t.not((await removalCheck(scores, [2], { random: 200, seed: 4 })).removed.random!.mean, random!.mean)
})

test('answers: the model is asked again with all, without, and with these alone', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const before = await ContextPrompt.fromTokens(model, { ids, spans })
  const written = await new Generator(model).generate(ids, { temperature: 0, maximumTokens: 3 })
  const prompt = await before.withResponse(written.ids)
  const check = await removalCheck(prompt, [0], { random: 0, answers: true, maximumTokens: 3 })
  t.true(check.whole.isSameAnswer)
  const own = async (kept: number[]) =>
    (
      await new Generator(model).generate((await prompt.tokens(kept)).ids, {
        temperature: 0,
        maximumTokens: 3,
      })
    ).ids.join() === written.ids.join()
  t.is(check.removed.isSameAnswer, await own([1, 2, 3]))
  t.is(check.kept.isSameAnswer, await own([0]))
  // A checkpoint without a tokenizer writes ids, and no text.
  t.is(check.removed.answer, undefined)
})

test('what cannot be checked is refused by name', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await promptOf(model)
  const found = await new AttnTrace(model, { B: 2 }).attribute(prompt)
  const shorter = await ContextPrompt.fromTokens(model, { ids, spans: spans.slice(1), response: [13] })
  await t.throwsAsync(removalCheck(shorter, found), { code: 'INPUT_SHAPE' })
  await t.throwsAsync(removalCheck(prompt, []), { code: 'INPUT_VALUE' })
  await t.throwsAsync(removalCheck(prompt, [4]), { code: 'OPTION_RANGE' })
  await t.throwsAsync(removalCheck(prompt, found, { topK: 0 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(removalCheck(prompt, found, { colour: 1 } as never), { code: 'OPTION_UNKNOWN' })
  await t.throwsAsync(removalCheck({} as never, found), { code: 'OPTION_TYPE' })
  const unanswered = await ContextPrompt.fromTokens(model, { ids, spans })
  await t.throwsAsync(removalCheck(unanswered, [0]), { code: 'INPUT_VALUE' })
  const aborted = AbortSignal.abort()
  await t.throwsAsync(removalCheck(prompt, found, { signal: aborted }), { code: 'ABORTED' })
})
