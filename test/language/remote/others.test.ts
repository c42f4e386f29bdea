import test from 'ava'
import {
  LanguageEndpoint,
  RemoteEmbedder,
  RemoteEntailment,
  RemoteScorer,
  type TextEmbedder,
  type TextEntailment,
  type TextScorer,
} from '#lib/index.js'
import { chatAnswer, languageServer } from '../../oracles/languageServer.js'

const endpointAt = (address: string, more: object = {}) =>
  new LanguageEndpoint(address, { model: 'small', backoffMs: 1, ...more })

const scored = (tokens: unknown[], text_offset: unknown[], token_logprobs: unknown[]) => ({
  choices: [{ text: '', logprobs: { tokens, text_offset, token_logprobs } }],
})

test('a text is scored behind what is given; places count characters, not UTF-16 units', async t => {
  const { address, asked } = await languageServer(t, () =>
    scored(['😀', ' is', ' Par', 'is', '!'], [0, 1, 4, 8, 10], [null, -3, -0.5, -0.25, -9]),
  )
  const scorer: TextScorer = new RemoteScorer(endpointAt(address))
  const { logProbability, logProbabilities } = await scorer.score({ given: '😀 is', text: ' Paris' })
  t.is(logProbability, -0.75)
  t.deepEqual([...logProbabilities], [-0.5, -0.25])
  t.deepEqual(asked[0]!.body, {
    model: 'small',
    prompt: '😀 is Paris',
    max_tokens: 0,
    echo: true,
    logprobs: 1,
    temperature: 0,
  })
  await t.throwsAsync(scorer.score({ given: '', text: 'x' }), { code: 'INPUT_VALUE' })
  await t.throwsAsync(scorer.score({ given: 'x', text: '' }), { code: 'INPUT_VALUE' })
})

test('scores that are no scores of the text are REMOTE_FAILED', async t => {
  const answers: unknown[] = [
    // A token over the border, and one that begins before it.
    scored(['a ', 'b cd'], [0, 2], [null, -1]),
    scored(['a b c', 'd'], [0, 4], [null, -1]),
    scored(['a b', ' cd'], [0, 3], [null]),
    scored(['a b', ' cd'], [0, 3], [null, null]),
    scored(['a b', ' cd'], [0, 3], [null, 0.5]),
    scored(['a b', ' cd'], [3, 0], [null, -1]),
    scored(['a b', ' cd'], [0, 1e9], [null, -1]),
    scored([], [], []),
    { choices: [] },
    { choices: [{ text: 'a b cd', logprobs: null }] },
  ]
  let at = 0
  const { address } = await languageServer(t, () => answers[at++])
  const scorer = new RemoteScorer(endpointAt(address))
  for (const _ of answers)
    await t.throwsAsync(scorer.score({ given: 'a b', text: ' cd' }), { code: 'REMOTE_FAILED' })
  t.is(at, answers.length)
})

test('vectors come in the order of the texts, however they are split and answered', async t => {
  const { address, asked } = await languageServer(t, ({ body }) => ({
    data: (body.input as string[])
      .map((text, index) => ({ index, embedding: [text.length, 0.5] }))
      .toReversed(),
  }))
  const embedder: TextEmbedder = new RemoteEmbedder(endpointAt(address), { batch: 2 })
  const vectors = await embedder.embed(['a', 'bbb', 'cc'])
  t.deepEqual(
    vectors.map(each => [...each]),
    [
      [1, 0.5],
      [3, 0.5],
      [2, 0.5],
    ],
  )
  t.is(asked.length, 2)
  t.deepEqual(await embedder.embed([]), [])
})

test('vectors that are missing, twice there, of unequal lengths or no numbers are REMOTE_FAILED', async t => {
  const vector = (index: number, embedding: unknown) => ({ index, embedding })
  const answers: unknown[] = [
    [vector(0, [1])],
    [vector(0, [1]), vector(0, [2])],
    [vector(0, [1]), vector(2, [2])],
    [vector(0, [1]), vector(1, [1, 2])],
    [vector(0, [1]), vector(1, [])],
    [vector(0, [1]), vector(1, ['2'])],
    [vector(0, [1]), vector(1, [null])],
    [vector(0, 'AACAPw=='), vector(1, 'AACAPw==')],
    'none',
  ]
  let at = 0
  const { address } = await languageServer(t, () => ({ data: answers[at++] }))
  const embedder = new RemoteEmbedder(endpointAt(address))
  for (const _ of answers) await t.throwsAsync(embedder.embed(['a', 'b']), { code: 'REMOTE_FAILED' })
})

test('a judge: yes against no by their probabilities, or the word where there are none', async t => {
  const first = (top: readonly (readonly [string, number])[]) => ({
    logprobs: {
      content: [
        {
          token: 'Yes',
          logprob: -1,
          top_logprobs: top.map(([token, p]) => ({ token, logprob: Math.log(p) })),
        },
      ],
    },
  })
  const { address } = await languageServer(t, ({ body }) => {
    const [, { content }] = body.messages as [unknown, { content: string }]
    if (content.includes('graded'))
      return chatAnswer(
        'Yes',
        first([
          ['Yes', 0.5],
          [' yes', 0.1],
          ['No', 0.2],
          ['Nothing', 0.1],
        ]),
      )
    if (content.includes('plain')) return chatAnswer('No.')
    return chatAnswer('It depends.')
  })
  const judge: TextEntailment = new RemoteEntailment(endpointAt(address))
  const scores = await judge.judge([
    { premise: 'p', hypothesis: 'graded' },
    { premise: 'p', hypothesis: 'plain' },
  ])
  t.true(Math.abs(scores[0]!.entailment - 0.75) < 1e-12)
  t.is(scores[1]!.entailment, 0)
  await t.throwsAsync(judge.judge([{ premise: 'p', hypothesis: 'x' }]), {
    code: 'REMOTE_FAILED',
    message: /neither yes nor no/,
  })
  await t.throwsAsync(judge.judge([{ premise: 'p', hypothesis: ' ' }]), { code: 'INPUT_VALUE' })
})

test('once a request has failed no further one is begun, and those under way are waited for', async t => {
  let under = 0
  const { address, asked } = await languageServer(t, async ({ body }) => {
    under++
    const content = JSON.stringify(body)
    if (!content.includes('premise 0')) await new Promise(resolve => setTimeout(resolve, 30))
    under--
    return chatAnswer(content.includes('premise 0') ? 'perhaps' : 'yes')
  })
  const judge = new RemoteEntailment(endpointAt(address, { concurrency: 2 }))
  const pairs = Array.from({ length: 20 }, (_, at) => ({ premise: `premise ${at}.`, hypothesis: 'x' }))
  await t.throwsAsync(judge.judge(pairs), { code: 'REMOTE_FAILED', message: /perhaps/ })
  t.is(asked.length, 2)
  t.is(under, 0)
  const embedder = new RemoteEmbedder(endpointAt(address, { concurrency: 2 }), { batch: 1 })
  await t.throwsAsync(embedder.embed(pairs.map(({ premise }) => premise)), { code: 'REMOTE_FAILED' })
  t.true(asked.length <= 4)
})
