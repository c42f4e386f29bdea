import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  AttnTrace,
  ContextPrompt,
  explainGeneration,
  GenerationAttribution,
  Generator,
  generationErasure,
  HiddenStateLaquer,
  IntegratedGradients,
  loadModel,
  ReAGent,
  Scorer,
  softContextFaithfulness,
  softFaithfulness,
} from '#lib/index.js'
import { checkpointCopy } from '../../oracles/checkpointCopy.js'
import { idsOf, letterTokenizer } from '../../oracles/letterTokenizer.js'
import { checkpointFolder } from '../../oracles/recordedCheckpoints.js'
import { repositoryRoot } from '../../oracles/repository.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

interface Step {
  logit: number
  probability: number
  inputXGradient: number[]
  /** Length of the sums of absolute terms: PyTorch's own f32 is within 7.4e-8 of it. */
  size: number
}
const oracle = JSON.parse(
  readFileSync(join(repositoryRoot, 'test/oracles/encoder_decoder.json'), 'utf8'),
) as {
  source: number[]
  answer: number[]
  steps: Record<string, Step[]>
  looks: Record<string, { steps: Record<'raw' | 'rollout' | 'coAttention' | 'leGrad', number[]>[] }>
  zeroed: Record<string, number[][]>
}
const { source, answer } = oracle

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, size] = [0, 0]
  for (let at = 0; at < b.length; at++) {
    difference += (a[at]! - b[at]!) ** 2
    size += b[at]! ** 2
  }
  return Math.sqrt(difference / size)
}

for (const name of ['t5', 't5-gated'])
  test(`${name}: maps of written tokens over what was read and written are PyTorch's`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const map = await explainGeneration(model, source, {
      answer,
      method: 'InputXGradient',
      stepScores: ['probability'],
    })
    t.is(map.promptTokens, source.length + 1)
    t.deepEqual([...map.tokenIds], [...source, 0, ...answer])
    for (const [at, { logit, probability, inputXGradient, size }] of oracle.steps[name]!.entries()) {
      const scores = map.scores(at)
      const errors = inputXGradient.map((score, token) => scores[token]! - score)
      t.true(Math.hypot(...errors) < 1.4e-7 * size, `step ${at}`)
      t.true(
        scores.slice(inputXGradient.length).every(score => score === 0),
        'nothing behind is read',
      )
      t.true(Math.abs(map.steps[at]!.value! - logit) < 1e-5)
      t.true(Math.abs(map.stepScores.probability![at]! - probability) < 1e-6)
      t.is(map.steps[at]!.position, source.length + 1 + at)
    }
  })

for (const name of ['t5', 't5-gated']) {
  test(`${name}: attention of both sides, rollout through both, gradients times them and gradients alone are PyTorch's`, async t => {
    const model = await loadModel(checkpointFolder(name))
    for (const [method, key] of [
      ['RawAttention', 'raw'],
      ['AttentionRollout', 'rollout'],
      ['GradientXAttention', 'coAttention'],
      ['LeGrad', 'leGrad'],
    ] as const) {
      const map = await explainGeneration(model, source, { answer, method })
      for (const [at, expected] of oracle.looks[name]!.steps.entries())
        t.true(distance(map.scores(at), expected[key]) < 2e-5, `${method}, step ${at}`)
    }
    // As many tokens written as read: sides are not told by their lengths.
    const longer = await explainGeneration(model, source, {
      answer: [...answer, 6],
      method: 'GradientXAttention',
    })
    const { coAttention } = oracle.looks[name]!.steps[0]!
    t.true(distance(longer.scores(0), [...coAttention, 0]) < 2e-5)
    const rollout = await explainGeneration(model, source, { answer, method: 'AttentionRollout' })
    for (const at of answer.keys())
      t.true(Math.abs(rollout.scores(at).reduce((sum, each) => sum + each, 0) - 1) < 1e-5)
  })

  test(`${name}: zero value vectors of either side turn states as PyTorch's do`, async t => {
    const model = await loadModel(checkpointFolder(name))
    for (const [at, row] of oracle.zeroed[name]!.entries())
      for (const batch of [3, 16]) {
        const methodOptions = { layer: at + 1, batch }
        const map = await explainGeneration(model, source, { answer, method: 'ValueZeroing', methodOptions })
        for (const [token, share] of row.entries())
          t.true(Math.abs(map.scores(2)[token]! - share) < 5e-5, `layer ${at}, token ${token}`)
      }
  })
}

test('integrated gradients add up; other answers, other sources and parts of an answer are explained too', async t => {
  const model = await loadModel(checkpointFolder('t5-gated'))
  const map = await explainGeneration(model, source, {
    answer,
    method: each => new IntegratedGradients(each, { steps: 512 }),
    // Norms of what is nearly nothing turn too sharply for few steps.
    baseline: 0.5,
    function: 'contrastProbabilityDifference',
    contrast: { answer: [11, 22, 33], prompt: [3, 9, 9, 21, 6, 2] },
    steps: [1, 3],
  })
  t.is(map.steps.length, 2)
  for (const { difference, delta } of map.attribution.checks.completeness!)
    t.true(Math.abs(delta) < 1e-3 * Math.max(1e-3, Math.abs(difference)))
  // The same in other batches of steps.
  const one = await explainGeneration(model, source, { answer, method: 'InputXGradient', chunk: 1 })
  const many = await explainGeneration(model, source, { answer, method: 'InputXGradient' })
  t.true(
    distance(one.attribution.scores().data as Float32Array, many.attribution.scores().data as Float32Array) <
      1e-5,
  )
})

test('ReAGent replaces tokens of both sides, but not the one that the decoder begins with', async t => {
  const folder = await checkpointCopy(t, 't5', { 'tokenizer.json': letterTokenizer() })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  const options = { keep: 2, maxSteps: 40, topK: 1, chains: 2, seed: 3 }
  const map = await explainGeneration(model, 'abcdef', {
    answer: 'gh',
    method: 'ReAGent',
    methodOptions: options,
  })
  const start = idsOf('abcdef').length
  const [first, second] = [map.scores(0), map.scores(1)]
  t.is(map.addedTokens.has(map.promptTokens - 1), true)
  for (const scores of [first, second]) {
    t.true(Math.abs(scores.reduce((sum, each) => sum + each, 0) - 1) < 1e-5)
    t.is(scores[map.promptTokens - 1], 0)
  }
  t.true(second[map.promptTokens]! > 0, 'what was written before counts')
  t.true(start > 0 && first.slice(1, 4).every(score => score > 0))
  const plain = await explainGeneration(model, 'abcdef', {
    answer: 'gh',
    method: each => new ReAGent(each, { ...options, speculative: false }),
  })
  for (const [step, scores] of [first, second].entries())
    t.true(distance(plain.scores(step), scores) < 1e-5, 'the same steps one after the other')
})

test('what is written is explained where no answer is given; texts of both sides are kept apart, saved and loaded', async t => {
  const folder = await checkpointCopy(t, 't5', { 'tokenizer.json': letterTokenizer() })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  const written = await new Generator(model).generate('abcd', { temperature: 0, maximumTokens: 3 })
  const map = await explainGeneration(model, 'abcd', { maximumTokens: 3, method: 'InputXGradient' })
  t.deepEqual([...map.tokenIds.slice(map.promptTokens)], [...written.ids])
  const given = await explainGeneration(model, 'ab cd', { answer: 'ef g', method: 'InputXGradient' })
  const words = given.group('whitespace')
  t.true(words.tokens.includes('cd') && words.tokens.includes('ef'), words.tokens.join('|'))
  const path = join(await temporaryFolder(t), 'map.json')
  await given.save(path)
  const loaded = await GenerationAttribution.load(path)
  t.deepEqual([...loaded.scores(1)], [...given.scores(1)])
  const page = await given.toHtml()
  t.regex(page, /Rows were read, columns were written/)
  t.notRegex(page, /run: generation/, 'what the map shows is not listed again')
})

test('maps are judged by what hiding and removing tokens of either side does', async t => {
  const folder = await checkpointCopy(t, 't5', { 'tokenizer.json': letterTokenizer() })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  const map = await explainGeneration(model, 'abcdef', { answer: 'gh', method: 'InputXGradient' })
  const points = await generationErasure(model, map, { ratios: [0.2, 1] })
  t.is(points.at(-1)!.sufficiency, 0, 'all that is kept is all')
  const read = idsOf('abcdef')
  const score = async (kept: readonly number[], step: number) => {
    const given = kept.filter(at => at <= read.length).map(at => [1, ...read][at]!)
    const text = [
      ...idsOf('gh')
        .slice(0, step)
        .filter((_, at) => kept.includes(read.length + 2 + at)),
      idsOf('gh')[step]!,
    ]
    const { logProbabilities } = await new Scorer(model).score({ given, text })
    return Math.exp(logProbabilities.at(-1)!)
  }
  let [lost, kept] = [0, 0]
  for (const step of [0, 1]) {
    const places = [...read.keys()].map(at => at + 1).concat(step === 1 ? [read.length + 2] : [])
    const order = places.toSorted((a, b) => map.scores(step)[b]! - map.scores(step)[a]!)
    const top = order.slice(0, Math.max(1, Math.round(0.2 * places.length)))
    const whole = await score([0, ...places], step)
    lost += whole - (await score([0, ...places.filter(at => !top.includes(at))], step))
    kept += whole - (await score([0, ...top], step))
  }
  t.true(Math.abs(points[0]!.comprehensiveness - lost / 2) < 1e-6)
  t.true(Math.abs(points[0]!.sufficiency - kept / 2) < 1e-6)
  const soft = await softFaithfulness(model, map, { samples: 4 })
  t.is(soft.steps, 2)
  t.true(soft.sufficiency.mean >= 0 && soft.comprehensiveness.mean > 0)
  // Scores that keep all of a step's tokens keep its prediction.
  const every = await softFaithfulness(
    model,
    await explainGeneration(model, 'aaaa', { answer: 'g', method: 'InputXGradient' }),
    {
      scale: 'rank',
      samples: 2,
    },
  )
  t.is(every.steps, 1)
})

test('a trace of a context that an encoder reads is judged by hiding parts of it', async t => {
  const model = await loadModel(checkpointFolder('t5-gated'))
  const spans = [0, 1, 2, 3].map(start => ({ start, end: start + 1 }))
  const prompt = await ContextPrompt.fromTokens(model, { ids: source, spans, response: answer })
  const found = await new AttnTrace(model).attribute(prompt)
  const { sufficiency, comprehensiveness, responseTokens } = await softContextFaithfulness(prompt, found, {
    samples: 3,
  })
  t.is(responseTokens, answer.length)
  t.true(sufficiency.mean >= 0 && comprehensiveness.mean > 0)
})

test('what does not explain such models says so', async t => {
  const model = await loadModel(checkpointFolder('t5'))
  const refused = { code: 'MODEL_CAPABILITY' }
  t.throws(() => new HiddenStateLaquer(model), { ...refused, message: /apart/ })
  const encoder = await loadModel(checkpointFolder('bert-base'))
  await t.throwsAsync(explainGeneration(encoder, source, { answer }), refused)
})
