import { join } from 'node:path'
import test from 'ava'
import {
  Generator,
  LanguageEndpoint,
  type LocalisedQuery,
  loadModel,
  PromptLaquer,
  type PromptLaquerOptions,
  RemoteGenerator,
  type TextGenerator,
} from '#lib/index.js'
import { parseSpans } from '#lib/methods/localised/laquerPrompts.js'
import { checkpointCopy } from '../../oracles/checkpointCopy.js'
import { chatAnswer, languageServer } from '../../oracles/languageServer.js'
import { letterTokenizer } from '../../oracles/letterTokenizer.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

const sources = [
  {
    id: 'law',
    text: 'The new law, passed in May, asks shops to label all food. Farmers protested; shops agreed.',
  },
  {
    id: 'poll',
    text: 'Nine in ten buyers want labels. They deserve to know what they are eating, a union said.',
  },
]
const output = 'Consumers back the law. They deserve to know.'
const highlight = [{ start: 24, end: 44 }]
const query: LocalisedQuery = { sources, output, highlight }

/** A language model that says these things, one after the other. */
function saying(...answers: string[]): TextGenerator & { asked: { role: string; content: string }[][] } {
  const asked: { role: string; content: string }[][] = []
  return {
    asked,
    generate: async prompt => {
      asked.push(prompt as never)
      return { text: answers[Math.min(asked.length, answers.length) - 1]! }
    },
  }
}

const claim = 'Consumers deserve to know what they are eating.'
const spans = (...quotes: string[]) => JSON.stringify({ spans: quotes })
const plain: PromptLaquerOptions = { decontextualise: false }

test('a claim is written, its support copied, and found at its place', async t => {
  const model = saying(claim, spans('They deserve to know what they are eating', 'nine in ten buyers'))
  const found = await new PromptLaquer(model).attribute(query)
  t.is(found.claim, claim)
  t.deepEqual(
    found.spans.map(({ source, start, end, text, score, rank }) => [source, start, end, text, score, rank]),
    [
      ['poll', 0, 18, 'Nine in ten buyers', 1, 1],
      ['poll', 32, 73, 'They deserve to know what they are eating', 1, 2],
    ],
  )
  t.like(found, { attempts: 1, isFallback: false, isUnattributed: false, warnings: [] })
  t.regex(model.asked[0]![1]!.content, /Fragment:\nThey deserve to know/)
  t.regex(model.asked[1]!.at(-1)!.content, /Source 2: Nine in ten.*Output: Consumers deserve/s)
  t.is(found.calls.length, 2)
  const without = await new PromptLaquer(saying(spans('labels')), plain).attribute(query)
  t.is(without.claim, 'They deserve to know')
})

test('only candidates of the coarse attribution are shown; spans over a joint are cut there', async t => {
  const coarse = [
    {
      output: { start: 24, end: 45 },
      sources: [
        { source: 'law', start: 0, end: 27 },
        { source: 'law', start: 58, end: 90 },
      ],
    },
  ]
  const model = saying(spans('passed in May, Farmers protested'))
  const found = await new PromptLaquer(model, plain).attribute({ ...query, coarse })
  t.false(model.asked[0]!.at(-1)!.content.includes('Nine in ten'))
  t.deepEqual(
    found.spans.map(({ text }) => text),
    ['passed in May,', 'Farmers protested'],
  )
  const nothing = await new PromptLaquer(model, plain).attribute({ ...query, coarse: [] })
  t.like(nothing, { isUnattributed: true, attempts: 0, spans: [], calls: [] })
})

test('exactly in any source before approximately in an earlier one, or in the order of the sources', async t => {
  const quote = 'shops to label all foods; Farmers'
  const two = [
    { id: 'near', text: 'It asks shops to label all food Farmers grow.' },
    { id: 'exact', text: `They said: ${quote} agreed.` },
  ]
  const given = { sources: two, output: 'Labels.', highlight: [{ start: 0, end: 6 }] }
  const best = await new PromptLaquer(saying(spans(quote)), plain).attribute(given)
  t.deepEqual(
    best.spans.map(({ source, score }) => [source, score]),
    [['exact', 1]],
  )
  const first = await new PromptLaquer(saying(spans(quote)), { ...plain, order: 'source' }).attribute(given)
  t.deepEqual(
    first.spans.map(({ source, score }) => [source, score]),
    [['near', 0.5]],
  )
  // By letters alone comes behind exactly too.
  const spelt = [{ id: 'letters', text: 'Shops - to label - all (foods) Farmers.' }, two[1]!]
  const exact = await new PromptLaquer(saying(spans(quote)), plain).attribute({ ...given, sources: spelt })
  t.deepEqual(
    exact.spans.map(({ source, score }) => [source, score]),
    [['exact', 1]],
  )
})

test('an answer that no source holds is asked for again, and then the coarse attribution stands in', async t => {
  const invented = spans('nobody said this at all')
  const model = saying(invented, spans('Farmers protested'))
  const found = await new PromptLaquer(model, plain).attribute(query)
  t.is(found.attempts, 2)
  t.regex(model.asked[1]!.at(-1)!.content, /nobody said this at all/)
  t.deepEqual(
    found.spans.map(({ text }) => text),
    ['Farmers protested'],
  )
  const coarse = [{ output: { start: 0, end: 45 }, sources: [{ source: 'poll', start: 0, end: 31 }] }]
  const fallen = await new PromptLaquer(saying(invented), { ...plain, attempts: 3 }).attribute({
    ...query,
    coarse,
  })
  t.like(fallen, { attempts: 3, isFallback: true, isUnattributed: false })
  t.deepEqual(
    fallen.spans.map(({ text }) => text),
    ['Nine in ten buyers want labels.'],
  )
  t.is(fallen.warnings[0]!.code, 'FALLBACK')
  t.regex(fallen.warnings[0]!.message, /nobody said/)
  const lost = await new PromptLaquer(saying(spans()), { ...plain, attempts: 2 }).attribute(query)
  t.like(lost, { isUnattributed: true, isFallback: false, spans: [] })
  t.is(lost.warnings[0]!.code, 'NOT_FOUND')
})

test('answers as JSON, inside other text, or between semicolons', t => {
  t.deepEqual(parseSpans('Sure: ```json\n{"spans": ["a; b", " c ", "", 7]}\n```'), ['a; b', 'c'])
  t.deepEqual(parseSpans('a b; c ;; '), ['a b', 'c'])
  t.deepEqual(parseSpans('{"spans": "a"}'), ['{"spans": "a"}'])
  t.deepEqual(parseSpans(''), [])
})

test('over an endpoint, with a schema; a recording gives the same answers without it', async t => {
  const recording = join(await temporaryFolder(t), 'answers.jsonl')
  const { address, asked } = await languageServer(t, ({ body }) =>
    chatAnswer(body.response_format ? spans('Farmers protested') : 'Farmers protested against the law.'),
  )
  const ask = (recordingMode: 'auto' | 'replay') =>
    new PromptLaquer(
      new RemoteGenerator(new LanguageEndpoint(address, { model: 'small', recording, recordingMode })),
    ).attribute(query)
  const first = await ask('auto')
  t.is(asked.length, 2)
  t.is(asked[1]!.body.seed, 42)
  t.deepEqual((await ask('replay')).spans, first.spans)
  t.is(asked.length, 2)
})

test('a model of this process writes too', async t => {
  const folder = await checkpointCopy(t, 'llama', {
    'tokenizer.json': letterTokenizer(),
    'tokenizer_config.json': { chat_template: 'ab' },
  })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  const found = await new PromptLaquer(new Generator(model), {
    ...plain,
    attempts: 1,
    maximumTokens: 4,
  }).attribute(query)
  t.is(found.calls.length, 1)
})

test('what is no generator, example or query is refused', async t => {
  t.throws(() => new PromptLaquer({} as never), { code: 'OPTION_TYPE' })
  t.throws(() => new PromptLaquer(saying(''), { examples: [{ claims: 1 }] as never }), {
    code: 'OPTION_UNKNOWN',
  })
  t.throws(() => new PromptLaquer(saying(''), { attempts: 0 }), { code: 'OPTION_RANGE' })
  const laquer = new PromptLaquer(saying(spans('labels')))
  await t.throwsAsync(laquer.attribute({ ...query, highlight: [] }), { code: 'INPUT_VALUE' })
  const mute: TextGenerator = { generate: async () => ({}) }
  await t.throwsAsync(new PromptLaquer(mute).attribute(query), { code: 'TOKENIZER_REQUIRED' })
})

test('each attempt has the next seed, so that a language model may answer otherwise', async t => {
  const seeds: (number | undefined)[] = []
  const model: TextGenerator = {
    generate: async (_, options) => {
      seeds.push(options?.seed)
      return { text: seeds.length === 1 ? claim : spans('in no source at all') }
    },
  }
  await new PromptLaquer(model, { attempts: 3, seed: 7 }).attribute(query)
  // The claim, then three times the sources.
  t.deepEqual(seeds, [7, 7, 8, 9])
})
