import test, { type ExecutionContext } from 'ava'
import { RandomStream } from '#lib/games/randomStream.js'
import { explainGeneration, loadModel, type Model, ReAGent, type ReAGentOptions, Target } from '#lib/index.js'
import { explainedSequence } from '#lib/methods/generation/explainedSequence.js'
import { maskedReplacements } from '#lib/methods/generation/maskedReplacements.js'
import { logitsBehind, logProbabilities } from '#lib/methods/generation/predictionScores.js'
import { predictToken } from '#lib/methods/generation/predictToken.js'
import { ReAGentChain, runChains, softmaxOver } from '#lib/methods/generation/reAGentChain.js'
import {
  classReplacements,
  type Replacements,
  uniformReplacements,
  unigramReplacements,
} from '#lib/methods/generation/replacements.js'
import { tokenClass } from '#lib/methods/generation/tokenClasses.js'
import { checkpointCopy } from '../../oracles/checkpointCopy.js'
import { letterTokenizer } from '../../oracles/letterTokenizer.js'
import { checkpointFolder, idsTensor } from '../../oracles/recordedCheckpoints.js'

const text = 'abcdefghij'

async function reader(
  t: ExecutionContext,
  name = 'llama',
  tokenizer: object = letterTokenizer(),
): Promise<Model> {
  const model = await loadModel(await checkpointCopy(t, name, { 'tokenizer.json': tokenizer }))
  t.teardown(() => model.tokenizer?.dispose())
  return model
}

test('scores are shares of the tokens before the likeliest next one; the beginning of the text has none', async t => {
  const model = await reader(t)
  const method = new ReAGent(model, { topK: 4, keep: 3, maxSteps: 40, seed: 3 })
  const attribution = await method.attribute(text)
  const { outputs } = await model.run({ input_ids: idsTensor([[1, ...[...text].map((_, at) => 3 + at)]]) })
  const { data, shape } = outputs.logits!
  const last = Array.from((data as Float32Array).slice(-shape[2]!))
  const [target] = attribution.targets
  t.is(target!.index, last.indexOf(Math.max(...last)))
  t.true(Math.abs(target!.value! - Math.exp(logProbabilities(last)[target!.index!]!)) < 1e-6)
  const scores = [...attribution.scores().data]
  t.is(scores.length, 11)
  t.is(scores[0], 0)
  t.true(Math.abs(scores.reduce((a, b) => a + b) - 1) < 1e-6)
  t.true(scores.every(score => score >= 0))
  const { details, seed, options } = attribution.method
  t.is(seed, 3)
  t.is(options.replacement, 'class')
  const { steps, stopped, rationale } = details as {
    steps: number[]
    stopped: boolean[]
    rationale: number[]
  }
  t.is(steps.length, 5)
  t.is(details!.converged, stopped.includes(true))
  t.true(rationale.every(at => at > 0 && at < 11))
  t.is(attribution.method.name, 'ReAGent')
  t.is(attribution.cost.backwardPasses, 0)
  const again = await method.attribute(text)
  t.deepEqual([...again.scores().data], scores)
})

test('speculative against plain, and other batches: the same steps and scores', async t => {
  const model = await reader(t)
  const run = async (options: ReAGentOptions) => {
    const attribution = await new ReAGent(model, { topK: 3, keep: 3, maxSteps: 60, ...options }).attribute(
      text,
      {
        target: 20,
      },
    )
    const { steps, stopped } = attribution.method.details as { steps: number[]; stopped: boolean[] }
    return { scores: [...attribution.scores().data], steps, stopped }
  }
  const plain = await run({ speculative: false })
  t.true(plain.steps.some(steps => steps > 1))
  for (const options of [{}, { batch: 7 }, { batch: 200 }]) {
    const other = await run(options)
    t.deepEqual([other.steps, other.stopped], [plain.steps, plain.stopped])
    for (const [at, score] of plain.scores.entries()) t.true(Math.abs(other.scores[at]! - score) < 1e-6)
  }
})

test('answers token by token; places have draws of their own', async t => {
  const model = await reader(t)
  const options = { topK: 4, keep: 3, maxSteps: 20 }
  const map = await explainGeneration(model, text, {
    answer: 'kl',
    method: 'ReAGent',
    methodOptions: options,
  })
  t.is(map.attribution.targets[0]!.kind, 'probability')
  for (const [step, before] of ['abcdefghij', 'abcdefghijk'].entries()) {
    const alone = await new ReAGent(model, options).attribute(before, { target: Target.token(-1, 13 + step) })
    const expected = [...alone.scores().data]
    t.deepEqual([...map.scores(step)].slice(0, expected.length), expected)
    t.true([...map.scores(step)].slice(expected.length).every(score => score === 0))
  }
  await t.throwsAsync(
    explainGeneration(model, text, { answer: 'k', method: 'ReAGent', function: 'entropy' }),
    { code: 'TARGET_INVALID' },
  )
})

test('what a reader must know is told', async t => {
  const model = await reader(t)
  const [logits] = await logitsBehind(model, { ids: [1, ...[...text].map((_, at) => 3 + at)] }, [10])
  const least = logits!.indexOf(Math.min(...logits!))
  const warned = async (given: string, options: ReAGentOptions) =>
    (await new ReAGent(model, options).attribute(given, { target: least })).warnings.map(({ code }) => code)
  t.deepEqual(await warned('abc', { maxSteps: 3, topK: 40 }), ['RANKING_UNINFORMED'])
  t.deepEqual(await warned(text, { maxSteps: 2, topK: 1, keep: 1 }), ['NOT_CONVERGED'])
  const classes = Uint8Array.from({ length: 40 }, (_, id) => (id === 3 ? 1 : 0))
  t.deepEqual(await warned(text, { maxSteps: 3, topK: 40, classes }), ['REPLACEMENT_SAME'])
})

test('ids are replaced alike whether a text or its ids are given', async t => {
  const model = await reader(t)
  const options = { maxSteps: 10, topK: 40, seed: 2 }
  const [given, ids] = await Promise.all([
    new ReAGent(model, options).attribute(text, { target: 5 }),
    explainGeneration(model, [1, ...[...text].map((_, at) => 3 + at)], {
      answer: [5],
      method: 'ReAGent',
      methodOptions: options,
    }),
  ])
  t.deepEqual([...ids.scores(0)].slice(0, text.length + 1), [...given.scores().data])
})

test('specials are replaced where that is asked for', async t => {
  const model = await reader(t)
  const attribution = await new ReAGent(model, { specials: true, maxSteps: 10, topK: 40 }).attribute(text)
  t.true(attribution.scores().data[0]! > 0)
})

const counts = (source: Replacements, id: number, draws: number, size: number) => {
  const stream = new RandomStream(1, 0, 0)
  const found = new Array<number>(size).fill(0)
  for (let k = 0; k < draws; k++) found[source.draw(0, id, stream)]!++
  return found
}

test('replacements: any, by frequency, of the same class', t => {
  t.deepEqual(
    counts(uniformReplacements([1, 3]), 0, 1000, 4).map(count => count > 400),
    [false, true, false, true],
  )
  const [a, b, c] = counts(unigramReplacements([1, 0, 3], 3), 1, 4000, 3)
  t.is(b, 0)
  // A share of 0.25: six standard deviations are 0.041.
  t.true(Math.abs(a! / 4000 - 0.25) < 0.041 && a! + c! === 4000)
  t.deepEqual(
    counts(classReplacements([0, 1, 0, 1], 4), 1, 100, 4).map(count => count > 0),
    [false, true, false, true],
  )
  // The first token of the vocabulary takes part, and entries behind the vocabulary do not.
  const first = classReplacements([0, 1, 0, 1, 0, 0, 0], 4)
  t.deepEqual(
    counts(first, 2, 100, 7).map(count => count > 0),
    [true, false, true, false, false, false, false],
  )
})

test('kinds of tokens, as tokenizers of several kinds name them', t => {
  const kinds = (names: string[], continues?: string) => names.map(name => tokenClass(name, continues))
  t.deepEqual(kinds(['\u2581the', '\u0120the', 'the', '\u258112', '.', '<0x0A>', '\u2581', '\u0120(']), [
    'word',
    'word',
    'continuation',
    'digits',
    'punctuation',
    'other',
    'other',
    'punctuation',
  ])
  t.deepEqual(kinds(['the', '##ing', '##2', '!', ''], '##'), [
    'word',
    'continuation',
    'digits',
    'punctuation',
    'other',
  ])
})

test('a masked language model puts its words in, found by their letters', async t => {
  const model = await reader(t)
  // The same letters, at other ids, and a mask.
  const letters = letterTokenizer() as {
    model: { vocab: Record<string, number> }
    added_tokens: { content: string; id: number }[]
  }
  const vocab = Object.fromEntries(
    Object.entries(letters.model.vocab).map(([token, id]) => [
      id === 2 ? '<mask>' : token,
      id < 3 ? id : 42 - id,
    ]),
  )
  const added = letters.added_tokens.map(each => (each.id === 2 ? { ...each, content: '<mask>' } : each))
  const masked = await reader(t, 'bert-masked', {
    ...letters,
    added_tokens: added,
    model: { ...letters.model, vocab },
  })
  const sequence = await explainedSequence(model, 'abcd', undefined)
  const known = await model.tokenizer!.vocabulary()
  const source = await maskedReplacements(masked, known, sequence, [1, 2, 3, 4], 40)
  const theirs = [1, 39, 2, 37, 36]
  const { outputs } = await masked.run({
    input_ids: idsTensor([theirs]),
    attention_mask: idsTensor([theirs.map(() => 1)]),
    token_type_ids: idsTensor([theirs.map(() => 0)]),
  })
  const row = Array.from((outputs.logits!.data as Float32Array).slice(2 * 40, 3 * 40))
  const expected = new Array<number>(40).fill(0)
  for (let id = 3; id < 40; id++) expected[42 - id] = Math.exp(row[id]!)
  const total = expected.reduce((a, b) => a + b)
  const stream = new RandomStream(5, 0, 0)
  const found = new Array<number>(40).fill(0)
  for (let k = 0; k < 20_000; k++) found[source.draw(2, 4, stream)]!++
  for (const [id, weight] of expected.entries()) {
    const share = weight / total
    const deviation = Math.sqrt((share * (1 - share)) / 20_000)
    t.true(Math.abs(found[id]! / 20_000 - share) <= 6 * deviation, `${id}`)
  }
  const attribution = await new ReAGent(model, {
    replacement: 'maskedLM',
    maskedModel: masked,
    maxSteps: 5,
  }).attribute('abcdefgh')
  t.is(attribution.method.options.maskedModel, 'given')
  await t.throwsAsync(new ReAGent(model, { replacement: 'maskedLM', maskedModel: model }).attribute('abc'), {
    code: 'MODEL_CAPABILITY',
  })
})

test('what cannot be used is refused', async t => {
  const model = await reader(t)
  const refused = (options: object, code: string) =>
    t.throws(() => new ReAGent(model, options as ReAGentOptions), { code })
  refused({ ratio: 1.2 }, 'OPTION_RANGE')
  refused({ topK: 0 }, 'OPTION_RANGE')
  refused({ keep: 0 }, 'OPTION_RANGE')
  refused({ chains: 0 }, 'OPTION_RANGE')
  refused({ replacement: 'unigram' }, 'OPTION_RANGE')
  refused({ replacement: 'maskedLM' }, 'OPTION_RANGE')
  refused({ frequencies: [1, 2] }, 'OPTION_RANGE')
  refused({ frequencies: new Array(40).fill(0) }, 'OPTION_RANGE')
  refused({ frequencies: new Array(40).fill(-1) }, 'OPTION_RANGE')
  refused({ classes: [0, 1] }, 'OPTION_RANGE')
  refused({ tokens: 3 }, 'OPTION_UNKNOWN')
  const method = new ReAGent(model, { maxSteps: 2 })
  await t.throwsAsync(method.attribute('', {}), { code: 'INPUT_VALUE' })
  await t.throwsAsync(method.attribute('ab', { target: 40 }), { code: 'TARGET_INVALID' })
  await t.throwsAsync(method.attribute('ab', { target: Target.token(0, 3) }), { code: 'TARGET_INVALID' })
  await t.throwsAsync(method.attribute('ab', { target: [3, 4] }), { code: 'TARGET_INVALID' })
  await t.throwsAsync(method.attribute('ab', { layer: 'norm' }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(method.attribute({ input_ids: idsTensor([[1, 41]]) }), { code: 'INPUT_VALUE' })
  const bare = await loadModel(checkpointFolder('llama'))
  await t.throwsAsync(new ReAGent(bare).attribute({ input_ids: idsTensor([[1, 4]]) }), {
    code: 'TOKENIZER_REQUIRED',
  })
  const uniform = await new ReAGent(bare, { replacement: 'uniform', maxSteps: 3 }).attribute({
    input_ids: idsTensor([[1, 4, 5, 6, 7, 8, 9]]),
  })
  t.true(Math.abs(Array.from(uniform.scores().data).reduce((a, b) => a + b, 0) - 1) < 1e-6)
  const encoder = await loadModel(checkpointFolder('bert-masked'))
  t.throws(() => new ReAGent(encoder), { code: 'MODEL_CAPABILITY' })
  const controller = new AbortController()
  controller.abort()
  await t.throwsAsync(method.attribute('abc', { signal: controller.signal }), { code: 'ABORTED' })
})

test('tokens that are never replaced are not told as replaced by themselves', async t => {
  const model = await reader(t)
  const { vocabulary } = model.checkpoint!.decoder!
  // The first token of the text is the only one of its class, and stays.
  const classes = Array.from({ length: vocabulary }, (_, id) => (id === 1 ? 1 : 0))
  const found = await new ReAGent(model, {
    classes,
    maxSteps: 2,
    keep: 2,
    chains: 1,
    topK: vocabulary,
  }).attribute(text)
  t.deepEqual(
    found.warnings.map(({ code }) => code),
    [],
  )
})

test('the mean is over the chains that stopped, where any did', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const ids = [1, 5, 9, 14, 22, 30, 7, 11, 3]
  const { vocabulary } = model.checkpoint!.decoder!
  const replacements = uniformReplacements(Array.from({ length: vocabulary }, (_, id) => id))
  let mixed = 0
  for (let seed = 0; seed < 6; seed++) {
    const options = { ratio: 0.3, topK: 4, keep: 3, maxSteps: 3, seed }
    const found = await new ReAGent(model, { ...options, replacement: 'uniform' }).attribute({
      input_ids: idsTensor([ids]),
    })
    const places = ids.map((_, at) => at)
    const chains = [0, 1, 2, 3, 4].map(chain => new ReAGentChain(ids, places, replacements, options, chain))
    const predict = predictToken(model, found.targets[0]!.index!, 64)
    const { probability } = (await predict([ids]))[0]!
    await runChains(chains, predict, probability, options, 1)
    const stopped = chains.filter(chain => chain.stopped)
    const counted = stopped.length > 0 ? stopped : chains
    if (stopped.length > 0 && stopped.length < 5) mixed++
    for (const [at, score] of found.scores().data.entries()) {
      const mean = counted.reduce((sum, chain) => sum + softmaxOver(chain.scores, places)[at]!, 0)
      t.true(Math.abs(Number(score) - mean / counted.length) < 1e-5)
    }
  }
  t.true(mixed > 0)
})
