import test from 'ava'
import { LanguageEndpoint, RemoteGenerator, type TextGenerator } from '#lib/index.js'
import { chatAnswer, languageServer } from '../../oracles/languageServer.js'

const options = { model: 'small', backoffMs: 1, headers: { authorization: 'Bearer secret' } }

test('a text: what is asked, and what comes back with it', async t => {
  const logprobs = {
    content: [
      {
        token: 'Par',
        logprob: -0.25,
        top_logprobs: [
          { token: 'Par', logprob: -0.25 },
          { token: 'L', logprob: -2 },
        ],
      },
      { token: 'is', logprob: 0.0001, top_logprobs: [] },
    ],
  }
  const { address, asked } = await languageServer(t, () => chatAnswer('Paris', { logprobs }))
  const endpoint = new LanguageEndpoint(`${address}/?version=2`, options)
  const generator: TextGenerator = new RemoteGenerator(endpoint)
  const made = await new RemoteGenerator(endpoint).generate('Capital of France?', {
    logProbabilities: 2,
    seed: 3,
    stop: ['.'],
    topP: 0.5,
  })
  t.is(asked[0]!.path, '/v1/chat/completions?version=2')
  t.is(asked[0]!.headers.authorization, 'Bearer secret')
  t.deepEqual(asked[0]!.body, {
    model: 'small',
    messages: [{ role: 'user', content: 'Capital of France?' }],
    max_tokens: 256,
    temperature: 0,
    top_p: 0.5,
    stop: ['.'],
    seed: 3,
    logprobs: true,
    top_logprobs: 2,
  })
  t.is(made.text, 'Paris')
  t.is(made.finish, 'end')
  t.deepEqual(
    made.tokens!.map(({ logProbability, top }) => [logProbability, top.length]),
    [
      [-0.25, 2],
      [0, 0],
    ],
  )
  t.deepEqual(made.usage, { promptTokens: 10, answerTokens: 5 })
  t.deepEqual(made.messages, [{ role: 'user', content: 'Capital of France?' }])
  t.deepEqual(endpoint.usage, { requests: 1, promptTokens: 10, answerTokens: 5, cost: 0 })
  t.is((await generator.generate([{ role: 'system', content: 'Be brief.' }])).text, 'Paris')
})

test('structured output is asked for by its schema and parsed', async t => {
  const schema = { type: 'object', properties: { spans: { type: 'array' } } }
  const { address, asked } = await languageServer(t, ({ body }) =>
    chatAnswer(body.max_tokens === 9 ? '{"spans": ["a' : '{"spans": ["a; b"]}', {
      finish_reason: body.max_tokens === 9 ? 'length' : 'stop',
    }),
  )
  const generator = new RemoteGenerator(new LanguageEndpoint(address, options))
  const { value } = await generator.generate('Which?', { schema })
  t.deepEqual(value, { spans: ['a; b'] })
  t.deepEqual(asked[0]!.body.response_format, {
    type: 'json_schema',
    json_schema: { name: 'answer', strict: true, schema },
  })
  await t.throwsAsync(generator.generate('Which?', { schema, maximumTokens: 9 }), {
    code: 'REMOTE_FAILED',
    message: /JSON.*cut off/s,
  })
})

const malformed: Record<string, unknown> = {
  'no JSON': 'Paris',
  'a list': [],
  'no choices': { id: 'x' },
  'empty choices': { choices: [] },
  'choices that are no list': { choices: { message: {} } },
  'no message': { choices: [{ finish_reason: 'stop' }] },
  'content of numbers': chatAnswer(7 as unknown as string),
  'no content': chatAnswer(null as unknown as string),
  'a refusal': { choices: [{ message: { content: 'x', refusal: 'I will not' }, finish_reason: 'stop' }] },
  'a withheld text': chatAnswer('x', { finish_reason: 'content_filter' }),
  'no reason': chatAnswer('x', { finish_reason: null }),
  'a probability above 1': chatAnswer('x', { logprobs: { content: [{ token: 'x', logprob: 0.7 }] } }),
  'a probability that is no number': chatAnswer('x', {
    logprobs: { content: [{ token: 'x', logprob: '-1' }] },
  }),
  'a token that is no text': chatAnswer('x', { logprobs: { content: [{ token: 1, logprob: -1 }] } }),
  'usage of half tokens': { ...chatAnswer('x'), usage: { prompt_tokens: 1.5, total_tokens: 2 } },
  'an inherited property':
    '{"choices": [{"__proto__": {"message": {"content": "x"}, "finish_reason": "stop"}}]}',
}
for (const [what, value] of Object.entries(malformed))
  test(`${what} is REMOTE_FAILED, asked for once, and names no secret`, async t => {
    const { address, asked } = await languageServer(t, () => value)
    const generator = new RemoteGenerator(new LanguageEndpoint(address, options))
    const error = await t.throwsAsync(generator.generate('x', { logProbabilities: 1 }), {
      code: 'REMOTE_FAILED',
    })
    t.false(error.message.includes('secret'))
    t.is(asked.length, 1)
  })

test('what fails for a while is tried again; what is refused, too long or late is not an answer', async t => {
  let count = 0
  const busy = await languageServer(t, (_, response) => {
    count++
    if (count < 3) return void response.writeHead(count === 1 ? 429 : 503).end('busy')
    return chatAnswer('now')
  })
  const ask = (address: string, more: object = {}) =>
    new RemoteGenerator(new LanguageEndpoint(address, { ...options, ...more })).generate('x')
  t.is((await ask(busy.address)).text, 'now')
  t.is(count, 3)
  const refusing = await languageServer(t, (_, response) => void response.writeHead(401).end('who?'))
  await t.throwsAsync(ask(refusing.address), { code: 'REMOTE_FAILED', message: /status 401: who\?/ })
  const long = await languageServer(t, () => chatAnswer('x'.repeat(5000)))
  await t.throwsAsync(ask(long.address, { maximumResponseBytes: 1000 }), { code: 'REMOTE_FAILED' })
  const silent = await languageServer(t, () => undefined)
  await t.throwsAsync(ask(silent.address, { timeoutMs: 30, retries: 0 }), {
    code: 'REMOTE_FAILED',
    message: /within 30 ms/,
  })
  const elsewhere = await languageServer(t, () => chatAnswer('x'))
  const moved = await languageServer(
    t,
    (_, response) =>
      void response.writeHead(307, { location: `${elsewhere.address}/chat/completions` }).end(),
  )
  await t.throwsAsync(ask(moved.address), { code: 'REMOTE_FAILED', message: /redirect/ })
  t.is(elsewhere.asked.length, 0)
})

test('an abort ends requests under way and those that wait', async t => {
  const controller = new AbortController()
  const silent = await languageServer(t, () => controller.abort())
  const generator = new RemoteGenerator(new LanguageEndpoint(silent.address, { ...options, concurrency: 1 }))
  const all = ['a', 'b'].map(text => generator.generate(text, { signal: controller.signal }))
  const ended = await Promise.allSettled(all)
  for (const each of ended) t.like(each, { status: 'rejected', reason: { code: 'ABORTED' } })
  t.is(silent.asked.length, 1)
})

test('options are checked before anything is asked', async t => {
  const { address, asked } = await languageServer(t, () => chatAnswer('x'))
  for (const [given, code] of [
    [{ ...options, modle: 'x' }, 'OPTION_UNKNOWN'],
    [{ backoffMs: 1 }, 'OPTION_TYPE'],
    [{ ...options, recordingMode: 'replay' }, 'OPTION_RANGE'],
    [{ ...options, budget: { cost: 1 } }, 'OPTION_RANGE'],
    [{ ...options, budget: { tokens: -1 } }, 'OPTION_RANGE'],
  ] as const)
    t.throws(() => new LanguageEndpoint(address, given as never), { code })
  t.throws(() => new LanguageEndpoint('http://name:word@host/v1', options), { code: 'OPTION_RANGE' })
  const generator = new RemoteGenerator(new LanguageEndpoint(address, options))
  await t.throwsAsync(generator.generate([1, 2]), { code: 'OPTION_TYPE' })
  await t.throwsAsync(generator.generate('x', { maximumTokens: 0 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(generator.generate('x', { topK: 3 } as never), { code: 'OPTION_UNKNOWN' })
  t.is(asked.length, 0)
})
