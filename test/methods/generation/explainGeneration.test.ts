import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  AttentionRollout,
  Attribution,
  type ExplainGenerationOptions,
  explainGeneration,
  GenerationAttribution,
  Generator,
  GradientXAttention,
  InputXGradient,
  IntegratedGradients,
  LeGrad,
  loadModel,
  predictionNames,
  Saliency,
  softFaithfulness,
  Target,
} from '#lib/index.js'
import { stepScore } from '#lib/methods/generation/predictionScores.js'
import { AttnLrp } from '#lib/relevance.js'
import { checkpointCopy } from '../../oracles/checkpointCopy.js'
import { idsOf, letterTokenizer } from '../../oracles/letterTokenizer.js'
import { checkpointFolder, idsTensor } from '../../oracles/recordedCheckpoints.js'
import { sharedData } from '../../oracles/sharedData.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

const prompt = [1, 7, 12, 5, 9]
const answer = [14, 8, 30]
const otherPrompt = [1, 9, 9, 21]
const otherAnswer = [11, 22, 33]

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, size] = [0, 0]
  for (let at = 0; at < b.length; at++) {
    difference += (a[at]! - b[at]!) ** 2
    size += b[at]! ** 2
  }
  return Math.sqrt(difference / (size || 1))
}

const reader = async (t: ExecutionContext, name = 'llama') => {
  const folder = await checkpointCopy(t, name, { 'tokenizer.json': letterTokenizer() })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  return model
}

for (const name of ['llama', 'gpt2', 'gemma2', 'qwen2', 'opt', 'gpt_neox', 'phi3'])
  test(`${name}: each step is what the method gives for the text before it, and reads nothing behind`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const map = await explainGeneration(model, prompt, {
      answer,
      method: each => new Saliency(each, { absolute: false }),
      aggregation: 'none',
    })
    const { shape, data } = map.attribution.scores()
    const width = shape[1]! * shape[2]!
    for (const [step, id] of answer.entries()) {
      const before = [...prompt, ...answer.slice(0, step)]
      const alone = await new Saliency(model, { absolute: false }).attribute(
        { input_ids: idsTensor([before]) },
        { target: Target.token(-1, id) },
      )
      const expected = alone.scores().data
      const row = data.slice(step * width, (step + 1) * width)
      t.true(distance(row.slice(0, expected.length), expected) < 1e-5, `${step}`)
      t.true(row.slice(expected.length).every(score => score === 0))
      t.true(Math.abs(map.steps[step]!.value! - alone.targets[0]!.value!) < 1e-5)
      t.is(map.steps[step]!.position, prompt.length + step)
    }
  })

const methods = {
  InputXGradient: (model: never) => new InputXGradient(model),
  IntegratedGradients: (model: never) => new IntegratedGradients(model, { steps: 8 }),
  AttnLrp: (model: never) => new AttnLrp(model),
  AttentionRollout: (model: never) => new AttentionRollout(model),
  GradientXAttention: (model: never) => new GradientXAttention(model),
}
for (const [name, make] of Object.entries(methods))
  test(`${name}: steps side by side are each alone`, async t => {
    const model = await loadModel(checkpointFolder('llama'))
    const map = await explainGeneration(model, prompt, { answer, method: each => make(each as never) })
    for (const [step, id] of answer.entries()) {
      const before = [...prompt, ...answer.slice(0, step)]
      const method = make(model as never)
      const alone = await method.attribute(
        { input_ids: idsTensor([before]) },
        { target: Target.token(-1, id) },
      )
      const expected = alone.aggregate('sum').scores().data
      t.true(distance(map.scores(step).slice(0, expected.length), expected) < 1e-5, `${step}`)
    }
  })

test('LeGrad counts nothing where a query may not look: tokens that follow have 0, and the rest is a mean over all queries', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const map = await explainGeneration(model, prompt, { answer, method: 'LeGrad' })
  for (const [step, id] of answer.entries()) {
    const before = [...prompt, ...answer.slice(0, step)]
    const alone = await new LeGrad(model).attribute(
      { input_ids: idsTensor([before]) },
      { target: Target.token(-1, id) },
    )
    const share = before.length / (prompt.length + answer.length)
    const expected = Array.from(alone.scores().data, score => Number(score) * share)
    const scores = map.scores(step)
    t.true(distance(scores.slice(0, expected.length), expected) < 1e-5, `${step}`)
    t.true(scores.slice(expected.length).every(score => score === 0))
  }
})

test('every function: its value is that of the distributions, and its scores those of the same target of the model', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const logitsOf = async (ids: readonly number[]) => {
    const { outputs } = await model.run({ input_ids: idsTensor([ids]) })
    const { shape, data } = outputs.logits!
    return Array.from((data as Float32Array).slice((ids.length - 1) * shape[2]!, ids.length * shape[2]!))
  }
  for (const of of predictionNames.filter(name => name !== 'mcDropoutProbability')) {
    const contrast = { prompt: otherPrompt, ...(of === 'klDivergence' ? {} : { answer: otherAnswer }) }
    const extra = of === 'klDivergence' ? { topK: 9, topP: 0.6 } : {}
    const map = await explainGeneration(model, prompt, {
      answer,
      steps: [1, 3],
      function: of,
      contrast,
      ...extra,
      method: 'InputXGradient',
      stepScores: [of],
    })
    for (const [at, step] of [1, 2].entries()) {
      const before = [...prompt, ...answer.slice(0, step)]
      const reference = await logitsOf([...otherPrompt, ...answer.slice(0, step)])
      const token = answer[step]!
      const value = stepScore(of, {
        logits: await logitsOf(before),
        token,
        contrast: of === 'klDivergence' ? token : otherAnswer[step]!,
        reference,
        topK: 9,
        topP: 0.6,
      })
      t.true(Math.abs(map.steps[at]!.value! - value) < 1e-5 * Math.max(1, Math.abs(value)), `${of} ${step}`)
      t.true(Math.abs(map.stepScores[of]![at]! - value) < 1e-5 * Math.max(1, Math.abs(value)))
      const target = Target.prediction(of, {
        position: -1,
        token,
        contrast: { logits: reference, ...(of === 'klDivergence' ? {} : { token: otherAnswer[step]! }) },
        ...extra,
      })
      const alone = await new InputXGradient(model).attribute({ input_ids: idsTensor([before]) }, { target })
      const expected = alone.aggregate('sum').scores().data
      t.true(distance(map.scores(at).slice(0, expected.length), expected) < 1e-5, `${of} ${step}`)
    }
  }
})

test('scores of integrated gradients add up to what the tokens change', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const baseline = { input_ids: idsTensor([[1, 3, 4, 6, 8, 10, 11, 13]]) }
  const map = await explainGeneration(model, prompt, { answer, baseline, methodOptions: { steps: 1000 } })
  for (const [step, { delta, difference }] of map.attribution.checks.completeness!.entries()) {
    t.true(Math.abs(delta) < 1e-5)
    const sum = map.scores(step).reduce((a, b) => a + b, 0)
    t.true(Math.abs(sum - difference - delta) < 1e-5)
  }
})

test('without an answer it is what the model writes', async t => {
  const model = await reader(t)
  const { ids } = await new Generator(model).generate('once', { maximumTokens: 4 })
  const map = await explainGeneration(model, 'once', { maximumTokens: 4, method: 'Saliency' })
  t.deepEqual(
    map.attribution.targets.map(({ index }) => index),
    [...ids],
  )
  t.is(map.promptTokens, 5)
  t.deepEqual(map.tokens.slice(0, 5), ['<s>', 'o', 'n', 'c', 'e'])
})

test('texts: places of tokens in prompt and answer; words and spans of both sides', async t => {
  const model = await reader(t)
  const map = await explainGeneration(model, 'ab cd', {
    answer: ' ef g',
    method: 'InputXGradient',
    stepScores: ['probability', 'entropy'],
  })
  const units = map.attribution.inputs[0]!.units
  t.is(units.kind === 'tokens' ? units.text : '', 'ab cd ef g')
  t.deepEqual(
    map.steps.map(({ token }) => token),
    [' ', 'e', 'f', ' ', 'g'],
  )
  const words = map.group('word')
  t.deepEqual([...words.tokens], ['<s>', 'ab', ' ', 'cd', ' ', 'ef', ' ', 'g'])
  t.is(words.promptTokens, 4)
  t.deepEqual(
    words.steps.map(({ token, position, length }) => [token, position, length]),
    [
      [' ', 4, 1],
      ['ef', 5, 2],
      [' ', 6, 1],
      ['g', 7, 1],
    ],
  )
  // Columns and rows are sums of what was put together.
  const expected = [1, 2].reduce((sum, step) => sum + map.scores(step)[1]! + map.scores(step)[2]!, 0)
  t.true(Math.abs(words.scores(1)[1]! - expected) < 1e-6)
  t.true(
    Math.abs(words.stepScores.entropy![1]! - map.stepScores.entropy![1]! - map.stepScores.entropy![2]!) <
      1e-12,
  )
  t.true(
    Math.abs(
      words.stepScores.probability![1]! - map.stepScores.probability![1]! * map.stepScores.probability![2]!,
    ) < 1e-12,
  )
  t.true(Math.abs(words.steps[1]!.value! - map.steps[1]!.value! - map.steps[2]!.value!) < 1e-9)
  const spans = map.group(
    [
      [0, 5],
      [5, 10],
    ],
    'l2',
  )
  t.deepEqual([...spans.tokens], ['<s>', 'ab cd', ' ef g'])
  t.is(spans.steps.length, 1)
  t.is(spans.steps[0]!.value, undefined)
  t.is(words.attribution.targets[1]!.description, 'sum over 2 tokens: "ef"')
})

test('an answer is the tokens that the model itself writes, where the tokenizer puts a space in front of a text', async t => {
  const folder = sharedData(t, 'stories260k')
  if (folder === undefined) return
  const model = await loadModel(join(folder, 'stories260K.bin'), { tokenizer: join(folder, 'tok512.bin') })
  t.teardown(() => model.tokenizer?.dispose())
  const given = 'Lily had a red ball. She liked to'
  const { ids, text } = await new Generator(model).generate(given, { maximumTokens: 3 })
  t.is(text, ' play with her')
  const map = await explainGeneration(model, given, { answer: text!, method: 'ValueZeroing' })
  t.deepEqual(map.tokenIds.slice(map.promptTokens), [...ids])
  t.deepEqual(
    map.steps.map(({ token }) => token),
    ['play', 'with', 'her'],
  )
})

test('a map is shown, saved and read back; the difference of two is one', async t => {
  const model = await reader(t)
  const options = { answer: '<b', method: 'InputXGradient', stepScores: ['entropy'] } as const
  const map = await explainGeneration(model, 'ab', { ...options, answer: 'cd' })
  const folder = await temporaryFolder(t)
  const lines = map.toText().split('\n')
  t.is(lines[0], `InputXGradient on ${model.name}: logit`)
  t.deepEqual(lines[2]!.trim().split(/ +/), ['c', 'd'])
  t.is(lines.filter(line => line.startsWith('d ')).length, 0)
  t.regex(lines.at(-1)!, /^entropy +[\d.]+ +[\d.]+$/)
  await map.save(join(folder, 'map.json'))
  const again = await GenerationAttribution.load(join(folder, 'map.json'))
  t.is(await again.toJson(), await map.toJson())
  t.deepEqual(again.steps, map.steps)
  await map.save(join(folder, 'map.html'))
  const page = await readFile(join(folder, 'map.html'), 'utf8')
  t.regex(page, /<th scope="col" title="c">c<\/th><th scope="col" title="d">d<\/th>/)
  t.is(page.match(/<td class="m\d+"/g)!.length, 3 + 4)
  await t.throwsAsync(map.save(join(folder, 'map.png')), { code: 'OPTION_RANGE' })
  const other = await explainGeneration(model, 'xy', { ...options, answer: 'cd' })
  const difference = map.minus(other)
  t.true(Math.abs(difference.scores(1)[2]! - map.scores(1)[2]! + other.scores(1)[2]!) < 1e-6)
  t.throws(() => map.minus(map.group([[0, 2]])), { code: 'INPUT_SHAPE' })
  const plain = await new Saliency(model).attribute(
    { input_ids: idsTensor([prompt]) },
    { target: Target.token(-1, 3) },
  )
  t.throws(() => new GenerationAttribution(plain), { code: 'INPUT_VALUE' })
  // Places of a file are taken for sizes.
  for (const damage of [{ positions: [3, 1e9] }, { positions: [3, -1] }, { promptTokens: 1e9 }]) {
    const file = JSON.parse(await map.toJson()) as { method: { details: { generation: object } } }
    Object.assign(file.method.details.generation, damage)
    const read = await Attribution.parse(JSON.stringify(file))
    t.throws(() => new GenerationAttribution(read), { code: 'INPUT_VALUE' })
  }
  await t.throwsAsync(softFaithfulness(model, null as never), { code: 'OPTION_TYPE' })
  await t.throwsAsync(explainGeneration(model, 'ab', { ...options, method: 7 as never }), {
    code: 'OPTION_TYPE',
  })
  t.true(map.attribution instanceof Attribution)
})

test('tokens that look like markup or move the terminal do neither', async t => {
  const letters = letterTokenizer() as { model: { vocab: Record<string, number> } }
  const evil = '<script>\u001b[2J'
  const vocab = Object.fromEntries(
    Object.entries(letters.model.vocab).map(([token, id]) => [id === 20 ? evil : token, id]),
  )
  const folder = await checkpointCopy(t, 'llama', {
    'tokenizer.json': { ...letters, model: { ...letters.model, vocab } },
  })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  const map = await explainGeneration(model, prompt, { answer: [20], method: 'Saliency' })
  t.is(map.steps[0]!.token, evil)
  t.false(map.toText().includes('\u001b'))
  t.false((await map.toHtml()).includes('<script>'))
})

test('what cannot be explained is said', async t => {
  const model = await reader(t)
  const fails = (options: object, code: string, given: unknown = 'ab') =>
    t.throwsAsync(explainGeneration(model, given as string, options as ExplainGenerationOptions), { code })
  await fails({ answer: '' }, 'INPUT_VALUE')
  await fails({ answer: [99] }, 'INPUT_VALUE')
  await fails({ answer: 'a'.repeat(300) }, 'INPUT_SHAPE')
  await fails({ answer: 'a' }, 'INPUT_VALUE', [])
  await fails({ answer: 'abc', steps: [0, 4] }, 'OPTION_RANGE')
  await fails({ answer: 'abc', steps: [2, 2] }, 'OPTION_RANGE')
  await fails({ answer: 'abc', steps: 2 }, 'OPTION_TYPE')
  await fails({ answer: 'a', function: 'beauty' }, 'OPTION_RANGE')
  await fails({ answer: 'a', function: 'pcxmi' }, 'TARGET_INVALID')
  await fails({ answer: 'a', function: 'klDivergence', contrast: { answer: 'b' } }, 'TARGET_INVALID')
  await fails({ answer: 'a', stepScores: ['contrastLogit'] }, 'TARGET_INVALID')
  await fails({ answer: 'ab', function: 'contrastLogit', contrast: { answer: 'b' } }, 'INPUT_SHAPE')
  await fails({ answer: 'a', method: 'Lucky' }, 'OPTION_RANGE')
  await fails({ answer: 'a', methd: 'Saliency' }, 'OPTION_UNKNOWN')
  await fails({ answer: 'a', method: 'GradCam' }, 'LAYER_NOT_FOUND')
  await fails({ answer: 'a', method: 'Occlusion' }, 'MODEL_CAPABILITY')
  const encoder = await loadModel(checkpointFolder('bert-base'))
  await t.throwsAsync(explainGeneration(encoder, prompt, { answer }), { code: 'MODEL_CAPABILITY' })
  const bare = await loadModel(checkpointFolder('llama'))
  await t.throwsAsync(explainGeneration(bare, prompt, { answer: 'a' }), { code: 'TOKENIZER_REQUIRED' })
  const map = await explainGeneration(bare, prompt, { answer, method: 'Saliency' })
  t.deepEqual([...map.tokens], [...prompt, ...answer].map(String))
  t.throws(() => map.group('word'), { code: 'OPTION_RANGE' })
  const controller = new AbortController()
  controller.abort()
  await t.throwsAsync(explainGeneration(bare, prompt, { answer, signal: controller.signal }), {
    code: 'ABORTED',
  })
  t.deepEqual(idsOf('a'), [3])
})
