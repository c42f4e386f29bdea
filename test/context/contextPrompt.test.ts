import test, { type ExecutionContext } from 'ava'
import { ContextPrompt, Generator, loadModel } from '#lib/index.js'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { idsOf, letterTokenizer } from '../oracles/letterTokenizer.js'
import { checkpointFolder } from '../oracles/recordedCheckpoints.js'
import { ggufPath } from '../oracles/recordedGguf.js'

const bos = 1

async function letterModel(
  t: ExecutionContext,
  files: Record<string, object | string> = {},
  positions = 200,
) {
  const folder = await checkpointCopy(t, 'llama', {
    'tokenizer.json': letterTokenizer(),
    ...files,
    'config.json': { max_position_embeddings: positions },
  })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer!.dispose())
  return model
}

const request = {
  context: 'a b! c d! e f!',
  question: 'who?',
  response: 'b',
  template: 'x [context] y [question] z',
}

test('texts are tokens of one prompt, and what is left out leaves the rest in order', async t => {
  const model = await letterModel(t)
  const prompt = await ContextPrompt.create(model, request)
  t.deepEqual(
    prompt.texts.map(({ text }) => text),
    ['a b! ', 'c d! ', 'e f!'],
  )
  const all = await prompt.allTokens()
  t.deepEqual(all.ids, [bos, ...idsOf('x a b! c d! e f! y who? z')])
  t.deepEqual(all.spans, [
    { start: 3, end: 8 },
    { start: 8, end: 13 },
    { start: 13, end: 17 },
  ])
  const some = await prompt.tokens([2, 0])
  t.deepEqual(some.ids, [bos, ...idsOf('x a b! e f! y who? z')])
  t.deepEqual(some.spans, [
    { start: 3, end: 8 },
    { start: 8, end: 12 },
  ])
  t.deepEqual((await prompt.tokens([])).ids, [bos, ...idsOf('x  y who? z')])
  t.deepEqual(prompt.response, { ids: idsOf('b'), text: 'b', spans: [{ start: 0, end: 1 }] })
})

test('a prompt written anew, and in pieces as the reference does', async t => {
  const model = await letterModel(t)
  const anew = await ContextPrompt.create(model, { ...request, tokenisation: 'anew' })
  t.deepEqual((await anew.tokens([1])).ids, [bos, ...idsOf('x c d!  y who? z')])
  const apart = await ContextPrompt.create(model, {
    ...request,
    tokenisation: 'apart',
    dropFirstToken: true,
    specialsInside: true,
  })
  t.deepEqual((await apart.tokens([1])).ids, [
    bos,
    ...idsOf('x '),
    ...idsOf('c d! '),
    bos,
    ...idsOf(' y who? z'),
  ])
  t.deepEqual(apart.response.ids, [bos, ...idsOf('b')])
})

test('custom spans: what lies between stays', async t => {
  const model = await letterModel(t)
  const prompt = await ContextPrompt.create(model, {
    context: 'one two three',
    spans: [
      { start: 0, end: 3 },
      { start: 8, end: 13 },
    ],
    response: 'b',
  })
  t.deepEqual((await prompt.tokens([1])).ids, [bos, ...idsOf(' two three')])
})

test('the chat template of the checkpoint stands around the context', async t => {
  const model = await letterModel(t, {
    'tokenizer_config.json': {
      chat_template: '{% for m in messages %}{{ m.role }}!{{ m.content | trim }}!{% endfor %}bot!',
    },
  })
  const prompt = await ContextPrompt.create(model, {
    ...request,
    context: ' a b! c d!',
    template: '[context] [question]',
  })
  t.deepEqual((await prompt.allTokens()).ids, idsOf('user!a b! c d! who?!bot!'))
})

test('token ids of a generation are taken as they are', async t => {
  const model = await letterModel(t)
  const text = 'x a b! c d! e f! y who? z'
  const { promptIds, ids } = await new Generator(model).generate(text, { maximumTokens: 5 })
  const prompt = await ContextPrompt.create(model, { ...request, response: ids, promptIds })
  t.deepEqual((await prompt.allTokens()).ids, promptIds)
  t.deepEqual(prompt.response.ids, ids)
  await t.throwsAsync(ContextPrompt.create(model, { ...request, promptIds: promptIds.slice(1, 9) }), {
    code: 'INPUT_VALUE',
  })
})

test('token ids alone, for a model without a tokenizer', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await ContextPrompt.fromTokens(model, {
    ids: [1, 5, 6, 7, 8, 9],
    spans: [
      { start: 1, end: 3 },
      { start: 4, end: 5 },
    ],
    response: [3, 4],
  })
  t.deepEqual(await prompt.tokens([1]), { ids: [1, 7, 8, 9], spans: [{ start: 2, end: 3 }] })
  const attempt = (spans: [number, number][], response = [3]) =>
    ContextPrompt.fromTokens(model, {
      ids: [1, 5, 6],
      spans: spans.map(([start, end]) => ({ start, end })),
      response,
    })
  await t.throwsAsync(attempt([]), { code: 'INPUT_VALUE' })
  await t.throwsAsync(
    attempt([
      [0, 2],
      [1, 3],
    ]),
    { code: 'INPUT_VALUE' },
  )
  await t.throwsAsync(attempt([[0, 4]]), { code: 'OPTION_RANGE' })
  await t.throwsAsync(attempt([[0, 1]], []), { code: 'INPUT_VALUE' })
  await t.throwsAsync(attempt([[0, 1]], [4000]), { code: 'INPUT_VALUE' })
})

test('what cannot be a prompt is refused', async t => {
  const model = await letterModel(t, {}, 40)
  const attempt = (more: object) => ContextPrompt.create(model, { ...request, ...more })
  await t.throwsAsync(attempt({ template: 'no' }), { code: 'OPTION_RANGE', message: /\[context\]/ })
  await t.throwsAsync(attempt({ template: '[context]' }), { code: 'OPTION_RANGE', message: /\[question\]/ })
  await t.throwsAsync(attempt({ response: '' }), { code: 'INPUT_VALUE' })
  await t.throwsAsync(attempt({ context: [] }), { code: 'INPUT_VALUE' })
  await t.throwsAsync(attempt({ context: ['a', 'b'], unit: 'words' }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(attempt({ contexts: 'a' }), { code: 'OPTION_UNKNOWN' })
  const long = { context: 'a b! c d! e f! g h! i j! k l!' }
  await t.throwsAsync(attempt(long), { code: 'INPUT_SHAPE', message: /reads 40 in all/ })
  const cut = await attempt({ ...long, overlong: 'drop' })
  t.is(cut.texts.length, 5)
  t.is(cut.warnings.length, 1)
  await t.throwsAsync(ContextPrompt.create(await loadModel(checkpointFolder('bert-base')), request), {
    code: 'MODEL_CAPABILITY',
  })
})

test('what stopped the making of a prompt has no say in what is asked of it later', async t => {
  const model = await letterModel(t)
  const made = new AbortController()
  const prompt = await ContextPrompt.create(model, { ...request, tokenisation: 'anew' }, made.signal)
  made.abort()
  t.deepEqual((await prompt.tokens([1])).ids, [bos, ...idsOf('x c d!  y who? z')])
  await t.throwsAsync(prompt.tokens([1], AbortSignal.abort()), { code: 'ABORTED' })
})

test('the chat template of a GGUF file is put around a context as that of a folder is', async t => {
  const model = await loadModel(ggufPath('llama-half'))
  t.teardown(() => model.tokenizer!.dispose())
  const asked = { context: ['hello', 'yes'], response: [3] }
  const usual = await (await ContextPrompt.create(model, asked)).allTokens()
  const chat = await (await ContextPrompt.create(model, { ...asked, chat: true })).allTokens()
  const plain = await (await ContextPrompt.create(model, { ...asked, chat: false })).allTokens()
  t.deepEqual(usual.ids, chat.ids)
  t.notDeepEqual(usual.ids, plain.ids)
})

test('a response that is none is refused with a code', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const given = { ids: [1, 5, 6], spans: [{ start: 1, end: 2 }] }
  for (const [response, code] of [
    [null, 'OPTION_TYPE'],
    [5, 'OPTION_TYPE'],
    [{ length: 0 }, 'OPTION_TYPE'],
    ['x', 'TOKENIZER_REQUIRED'],
    [[], 'INPUT_VALUE'],
  ] as const)
    await t.throwsAsync(ContextPrompt.fromTokens(model, { ...given, response } as never), { code })
})
