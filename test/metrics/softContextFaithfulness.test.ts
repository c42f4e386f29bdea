import test from 'ava'
import {
  At2,
  Attribution,
  ContextAttribution,
  ContextPrompt,
  createTensor,
  explainGeneration,
  GenerationAttribution,
  loadModel,
  type Model,
  SingleTextContribution,
  softContextFaithfulness,
  softFaithfulness,
} from '#lib/index.js'
import { checkpointFolder } from '../oracles/recordedCheckpoints.js'

const ids = [1, ...Array.from({ length: 12 }, (_, at) => 3 + ((at * 7) % 25)), 4, 5]
const spans = Array.from({ length: 4 }, (_, at) => ({ start: 1 + 3 * at, end: 4 + 3 * at }))
const close = (a: number, b: number, tolerance = 1e-6) => Math.abs(a - b) < tolerance

/** A trace whose scores are made up. */
function made(prompt: ContextPrompt, scores: readonly number[]): ContextAttribution {
  return new ContextAttribution({
    model: { name: 'm', hash: 'sha256:0' },
    method: { name: 'made up', options: {} },
    unit: 'none',
    texts: prompt.texts,
    response: prompt.response,
    scores,
    warnings: [],
    cost: { forwardPasses: 0, tokens: 0, milliseconds: 0 },
  })
}

const asIs = { scale: 'asIs', samples: 2 } as const

test('all kept is sufficient and, removed, changes as much as an empty context; nothing is neither', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await ContextPrompt.fromTokens(model, { ids, spans, response: [13, 14, 3] })
  const whole = await softContextFaithfulness(prompt, made(prompt, [1, 1, 1, 1]), asIs)
  t.true(close(whole.sufficiency.mean, 1, 1e-9))
  t.true(close(whole.comprehensiveness.mean, 1))
  t.true(close(whole.sufficiency.standardError, 0, 1e-9))
  t.is(whole.responseTokens, 3)
  const none = await softContextFaithfulness(prompt, made(prompt, [0, 0, 0, 0]), asIs)
  t.true(close(none.sufficiency.mean, 0))
  t.true(close(none.comprehensiveness.mean, 0, 1e-9))
})

/** Soft-NC of one generated token whose importances are given, one for each token of the prompt. */
async function tokenComprehensiveness(model: Model, importances: readonly number[]): Promise<number> {
  const map = await explainGeneration(model, ids, { answer: [13], method: 'Saliency' })
  const { model: described, method, cost, environment, targets, inputs } = map.attribution
  const filled = createTensor('f32', [1, ids.length + 1], Float32Array.from([...importances, 0]))
  const own = new Attribution({
    model: described,
    method,
    cost,
    environment,
    target: targets,
    inputs: [{ ...inputs[0]!, scores: filled }],
  })
  return (await softFaithfulness(model, new GenerationAttribution(own), asIs)).comprehensiveness.mean
}

test('texts are masked where their tokens are, what stands around them stays, as masks of single tokens say', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await ContextPrompt.fromTokens(model, { ids, spans, response: [13] })
  const of = (texts: readonly number[]) => {
    const all = ids.map(() => 0)
    for (const [text, value] of texts.entries())
      for (let at = spans[text]!.start; at < spans[text]!.end; at++) all[at] = value
    return all
  }
  for (const texts of [
    [0, 1, 1, 1],
    [1, 0, 0, 1],
  ]) {
    const expected =
      (await tokenComprehensiveness(model, of(texts))) /
      (await tokenComprehensiveness(model, of([1, 1, 1, 1])))
    const found = await softContextFaithfulness(prompt, made(prompt, texts), asIs)
    t.true(close(found.comprehensiveness.mean, expected, 1e-5))
    const opposite = texts.map(value => 1 - value)
    const kept = await softContextFaithfulness(prompt, made(prompt, opposite), asIs)
    t.true(close(kept.sufficiency.mean, Math.max(0, 1 - expected), 1e-5))
  }
})

test('tokens have importances of their own where a method scores them; random ones are those of the seed', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await ContextPrompt.fromTokens(model, { ids, spans, response: [13, 14, 3] })
  const found = await new At2(model).attribute(prompt)
  const texts = await softContextFaithfulness(prompt, found)
  const tokens = await softContextFaithfulness(prompt, found, { units: 'tokens' })
  t.not(texts.comprehensiveness.mean, tokens.comprehensiveness.mean)
  t.true(tokens.comprehensiveness.standardError > 0 && tokens.random.sufficiency.standardError > 0)
  t.deepEqual(await softContextFaithfulness(prompt, found, { units: 'tokens' }), tokens)
  t.notDeepEqual((await softContextFaithfulness(prompt, found, { seed: 1 })).random, texts.random)
  const single = await new SingleTextContribution(model).attribute(prompt)
  await t.throwsAsync(softContextFaithfulness(prompt, single, { units: 'tokens' }), { code: 'INPUT_VALUE' })
  await t.throwsAsync(softContextFaithfulness(prompt, made(prompt, [2, 0, 0, 0]), asIs), {
    code: 'INPUT_VALUE',
  })
  await t.throwsAsync(softContextFaithfulness(prompt, found, { samples: 0 }), { code: 'OPTION_RANGE' })
  const other = await ContextPrompt.fromTokens(model, { ids, spans: spans.slice(1), response: [13, 14, 3] })
  await t.throwsAsync(softContextFaithfulness(other, found), { code: 'INPUT_SHAPE' })
})
