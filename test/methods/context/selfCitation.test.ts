import test from 'ava'
import {
  AnswerSimilarity,
  ContextAttribution,
  ContextPrompt,
  Generator,
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
  t.deepEqual(citedTexts('[5]>[4]', 4), [3])
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

test('fewer texts are asked for where there are fewer', t => {
  const texts = ['ab', 'cd'].map(text => ({ text, start: 0, end: 2 }))
  t.regex(citationPrompt({ texts, question: undefined, answer: 'ab' }, 5), /Name the 2 most/)
  t.notRegex(citationPrompt({ texts, question: undefined, answer: 'ab' }, 5), /Question/)
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
  const said = await new Generator(model).generate(details.prompt, { temperature: 0, maximumTokens: 4 })
  t.is(details.answer, said.text!)
  t.is(found.cost.tokens, said.promptIds.length + 4)
  const prompt = await ContextPrompt.create(model, {
    context: ['ab', 'cd'],
    question: 'gh',
    response: 'abcdef',
  })
  const part = await method.attribute(prompt, { span: { start: 2, end: 4 } })
  t.deepEqual(part.responseSpan, { start: 2, end: 4 })
  t.regex((part.method.details as typeof details).prompt, /Question: gh\n\nAnswer: cd\n/)
  const other = new SelfCitation(await loadModel(folder))
  await t.throwsAsync(other.attribute(prompt), { code: 'OPTION_RANGE' })
  // Too long with the response, but not with the part of it that is asked about.
  const cut = await ContextPrompt.create(model, {
    context: Array.from({ length: 5 }, () => 'abcdefghij'.repeat(50)),
    question: 'gh',
    response: 'abc'.repeat(300),
    overlong: 'drop',
  })
  const { warnings, texts: left } = await method.attribute(cut, { span: { start: 0, end: 2 } })
  t.true(left.length < 5)
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['TEXTS_DROPPED', 'NOTHING_CITED'],
  )
})

test('a model that was taught to chat is asked in its template', async t => {
  const folder = await checkpointCopy(t, 'llama', {
    'tokenizer.json': letterTokenizer(),
    'tokenizer_config.json': {
      chat_template: "{% for m in messages %}{{ m.role + '. ' + m.content + ' ' }}{% endfor %}",
    },
    'config.json': { max_position_embeddings: 2048 },
  })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  const { cost, method } = await new SelfCitation(model, { maximumTokens: 4 }).attribute({
    context: ['ab', 'cd'],
    question: 'gh',
    response: 'abcdef',
  })
  const content = method.details!.prompt as string
  const generator = new Generator(model)
  const [chat, plain] = [
    await generator.generate([{ role: 'user', content }], { temperature: 0, maximumTokens: 4 }),
    await generator.generate(content, { temperature: 0, maximumTokens: 4 }),
  ]
  t.is(cost.tokens, chat.promptIds.length + 4)
  t.not(chat.promptIds.length, plain.promptIds.length)
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
