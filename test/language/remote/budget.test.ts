import test from 'ava'
import { LanguageEndpoint, RemoteEmbedder, RemoteGenerator } from '#lib/index.js'
import { chatAnswer, languageServer } from '../../oracles/languageServer.js'

const prices = { promptPerMillion: 100_000, answerPerMillion: 200_000 }
const generatorFor = (address: string, more: object) =>
  new RemoteGenerator(new LanguageEndpoint(address, { model: 'small', backoffMs: 1, prices, ...more }))

test('requests, tokens and cost end at their budget', async t => {
  const { address, asked } = await languageServer(t, () => chatAnswer('x'))
  const few = generatorFor(address, { budget: { requests: 2 } })
  await few.generate('a')
  await few.generate('b')
  await t.throwsAsync(few.generate('c'), { code: 'BUDGET_SPENT', message: /2 requests/ })
  t.is(asked.length, 2)
  // 15 tokens an answer; the 20 that the next may write are set aside: 15 + 20 < 50, 30 + 20 = 50.
  const tokens = generatorFor(address, { budget: { tokens: 50 } })
  await tokens.generate('a', { maximumTokens: 20 })
  await tokens.generate('b', { maximumTokens: 20 })
  await t.throwsAsync(tokens.generate('c', { maximumTokens: 20 }), {
    code: 'BUDGET_SPENT',
    message: /30 were used/,
  })
  await tokens.generate('d', { maximumTokens: 19 })
  // 10 tokens at 0.1 and 5 at 0.2: 2 each; 20 more would be 4.
  const cost = generatorFor(address, { budget: { cost: 7 } })
  await cost.generate('a', { maximumTokens: 20 })
  t.is(cost.endpoint.usage.cost, 2)
  await cost.generate('b', { maximumTokens: 14 })
  await t.throwsAsync(cost.generate('c', { maximumTokens: 15 }), { code: 'BUDGET_SPENT', message: /cost/ })
})

test('requests side by side do not pass the budget by what they may write', async t => {
  const { address, asked } = await languageServer(t, async () => {
    await new Promise(resolve => setTimeout(resolve, 5))
    return chatAnswer('x')
  })
  const generator = generatorFor(address, { budget: { tokens: 60 }, concurrency: 8 })
  const all = await Promise.allSettled(
    Array.from({ length: 8 }, (_, at) => generator.generate(`${at}`, { maximumTokens: 25 })),
  )
  t.is(all.filter(({ status }) => status === 'fulfilled').length, 2)
  t.is(asked.length, 2)
})

test('an answer that does not say what it took cannot be counted; one that failed takes nothing but its request', async t => {
  let count = 0
  const { address } = await languageServer(t, (_, response) => {
    if (++count === 1) return void response.writeHead(400).end()
    return { choices: chatAnswer('x').choices }
  })
  const generator = generatorFor(address, { budget: { tokens: 1000 } })
  await t.throwsAsync(generator.generate('a'), { code: 'REMOTE_FAILED', message: /400/ })
  t.deepEqual(generator.endpoint.usage, { requests: 1, promptTokens: 0, answerTokens: 0, cost: 0 })
  await t.throwsAsync(generator.generate('a'), { code: 'REMOTE_FAILED', message: /budget/ })
  t.is((await generatorFor(address, {}).generate('a')).text, 'x')
})

test('services share the budget of their endpoint', async t => {
  const { address } = await languageServer(t, ({ path }) =>
    path.endsWith('embeddings')
      ? { data: [{ index: 0, embedding: [1, 2] }], usage: { prompt_tokens: 3, total_tokens: 3 } }
      : chatAnswer('x'),
  )
  const endpoint = new LanguageEndpoint(address, { model: 'small', budget: { requests: 2 } })
  await new RemoteGenerator(endpoint).generate('a')
  await new RemoteEmbedder(endpoint).embed(['a'])
  t.deepEqual(endpoint.usage, { requests: 2, promptTokens: 13, answerTokens: 5, cost: 0 })
  await t.throwsAsync(new RemoteEmbedder(endpoint).embed(['b']), { code: 'BUDGET_SPENT' })
})
