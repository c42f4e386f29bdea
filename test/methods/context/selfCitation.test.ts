import test from 'ava'
import {
  AnswerSimilarity,
  ContextAttribution,
  ContextPrompt,
  loadModel,
  SelfCitation,
  type TextGenerator,
} from '#lib/index.js'
import { citationPrompt, citedTexts } from '#lib/methods/context/selfCitation.js'
import { checkpointCopy } from '../../oracles/checkpointCopy.js'
import { letterTokenizer } from '../../oracles/letterTokenizer.js'
import { checkpointFolder } from '../../oracles/recordedCheckpoints.js'

const context = 'Rain fell. Ada has the copper key. It was cold. Bob slept.'
const request = { context, question: 'Who has the key?', response: 'Ada has the copper key.' }

/** A generator that says one thing whatever it is asked. */
function saying(text: string | undefined): TextGenerator & { asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    generate: async prompt => {
      asked.push(prompt as string)
      return text === undefined ? {} : { text }
    },
  }
}

test('numbers in brackets count in their order, each once, where there is such a text', t => {
  t.deepEqual(citedTexts('[10]>[32]>[1]', 20), [9, 0])
  t.deepEqual(citedTexts('I would say [3] > [1] > [3], since [0] and [99999999999999] are none', 4), [2, 0])
  t.deepEqual(citedTexts('none of 1, 2 (3)', 4), [])
})

test('texts stand under their numbers, with question and answer; points fall from the first named to the last', async t => {
  const generator = saying('[2]>[4]>[7]')
  const similarity = new AnswerSimilarity(generator, request)
  const found = await new SelfCitation(generator, { topK: 3 }).attribute(similarity)
  t.deepEqual(found.scores, [0, 2, 0, 1])
  t.deepEqual(
    found.top(2).map(({ index }) => index),
    [1, 3],
  )
  t.is(found.unit, 'points')
  t.deepEqual(found.warnings, [])
  t.is(generator.asked.length, 1)
  t.regex(
    generator.asked[0]!,
    /\[1\]: Rain fell\.\n\[2\]: Ada has the copper key\.\n.*Question: Who has the key\?\n\nAnswer: Ada has the copper key\.\n\n.*the 3 most important/s,
  )
  t.is(found.method.details!.prompt, generator.asked[0]!)
  t.is(found.method.details!.answer, '[2]>[4]>[7]')
  t.deepEqual(ContextAttribution.fromJSON(JSON.stringify(found)).scores, found.scores)
  const one = await new SelfCitation(generator, { topK: 1 }).attribute(similarity)
  t.deepEqual(one.scores, [0, 1, 0, 0])
})

test('an answer that names nothing is told, and gives no text a point', async t => {
  const generator = saying('I do not know.')
  const found = await new SelfCitation(generator).attribute(new AnswerSimilarity(generator, request))
  t.deepEqual(found.scores, [0, 0, 0, 0])
  t.deepEqual(
    found.warnings.map(({ code }) => code),
    ['NOTHING_CITED'],
  )
})

test('a model of this process is asked too, about a part of the response where one is given', async t => {
  const folder = await checkpointCopy(t, 'llama', {
    'tokenizer.json': letterTokenizer(),
    'config.json': { max_position_embeddings: 2048 },
  })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  const method = new SelfCitation(model, { maximumTokens: 4 })
  // Its random weights name nothing.
  const found = await method.attribute({ context: ['ab', 'cd', 'ef'], question: 'gh', response: 'abcdef' })
  const texts = ['ab', 'cd', 'ef'].map(text => ({ text, start: 0, end: 2 }))
  const details = found.method.details as { prompt: string; answer: string }
  t.is(details.prompt, citationPrompt({ texts, question: 'gh', answer: 'abcdef' }, 5))
  t.is(found.cost.forwardPasses, 4)
  t.true(found.cost.tokens > 4)
  const prompt = await ContextPrompt.create(model, {
    context: ['ab', 'cd'],
    question: 'gh',
    response: 'abcdef',
  })
  const part = await method.attribute(prompt, { span: { start: 2, end: 4 } })
  t.deepEqual(part.responseSpan, { start: 2, end: 4 })
  t.regex((part.method.details as typeof details).prompt, /Question: gh\n\nAnswer: cd\n/)
})

test('what cannot be asked is refused by name', async t => {
  const generator = saying('[1]')
  const similarity = new AnswerSimilarity(generator, request)
  const method = new SelfCitation(generator)
  t.throws(() => new SelfCitation({} as never), { code: 'OPTION_TYPE' })
  t.throws(() => new SelfCitation(generator, { topK: 0 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(method.attribute(request), { code: 'MODEL_CAPABILITY' })
  await t.throwsAsync(method.attribute(similarity, { span: { start: 0, end: 1 } }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(new SelfCitation(saying('')).attribute(similarity), { code: 'OPTION_RANGE' })
  const silent = saying(undefined)
  await t.throwsAsync(new SelfCitation(silent).attribute(new AnswerSimilarity(silent, request)), {
    code: 'TOKENIZER_REQUIRED',
  })
  const encoder = await loadModel(checkpointFolder('bert-base'))
  t.throws(() => new SelfCitation(encoder), { code: 'MODEL_CAPABILITY' })
})
