import { join } from 'node:path'
import test from 'ava'
import {
  AnswerSimilarity,
  AscribeError,
  At2,
  AttentionRollout,
  AttnTrace,
  alignFact,
  answerWithout,
  bleu,
  ContextLeaveOneOut,
  ContextPrompt,
  Embedder,
  Entailment,
  explainGeneration,
  Generator,
  generationErasure,
  HiddenStateLaquer,
  LanguageEndpoint,
  loadModel,
  loadTokenizer,
  PromptLaquer,
  quoteAnswer,
  ReAGent,
  RemoteGenerator,
  RemoteScorer,
  ResponseScores,
  readSafetensors,
  removalCheck,
  Saliency,
  Scorer,
  SelfCitation,
  StreamedTrace,
  segmentText,
  softContextFaithfulness,
  softFaithfulness,
  streamAnswer,
  traceAnswer,
  utf16Offset,
  ValueZeroing,
  wordsOf,
} from '#lib/index.js'
import { repositoryRoot } from '../oracles/repository.js'

const folder = join(repositoryRoot, 'models', 'keys-transformer')
const model = await loadModel(folder)
const request = {
  context: 'The key of Alma is gold 9. The key of Boris is tin 8.',
  question: 'What is the key of Alma?',
  response: 'The key of Alma is gold 9.',
}
const { context, question } = request
const documents = [{ name: 'letters', text: context }]
const prompt = await ContextPrompt.create(model, request)
const found = await new AttnTrace(model, { B: 2 }).attribute(prompt)
const answer = await traceAnswer(new AttnTrace(model, { B: 2 }), {
  documents,
  question,
  answer: request.response,
})
const map = await explainGeneration(model, 'The key of Alma', { answer: ' gold', method: 'Saliency' })
const query = {
  sources: [{ id: 'a', text: context }],
  output: request.response,
  highlight: [{ start: 0, end: 3 }],
}
const writes = (text: unknown) => ({ generate: async () => ({ text }) as { text: string } })

type Call = (value: never) => unknown
async function drained(pieces: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of pieces);
}

/** What must refuse any value that is none of its own kind. */
const refused: Readonly<Record<string, Call>> = {
  'AttnTrace of a model': value => new AttnTrace(value),
  'At2 of a model': value => new At2(value),
  'ContextLeaveOneOut of a model': value => new ContextLeaveOneOut(value),
  'SelfCitation of a model': value => new SelfCitation(value),
  'Generator of a model': value => new Generator(value),
  'Scorer of a model': value => new Scorer(value),
  'Embedder of a model': value => new Embedder(value),
  'Entailment of a model': value => new Entailment(value),
  'HiddenStateLaquer of a model': value => new HiddenStateLaquer(value),
  'ReAGent of a model': value => new ReAGent(value),
  'ValueZeroing of a model': value => new ValueZeroing(value),
  'Saliency of a model': value => new Saliency(value),
  'AttentionRollout of a model': value => new AttentionRollout(value),
  'RemoteGenerator of an endpoint': value => new RemoteGenerator(value),
  'RemoteScorer of an endpoint': value => new RemoteScorer(value),
  'LanguageEndpoint of an address': value => new LanguageEndpoint(value, { model: 'm' }),
  'ResponseScores of a prompt': value => new ResponseScores(value),
  'sets of texts': value => new ResponseScores(prompt).logOdds(value),
  'texts that are kept': value => prompt.tokens(value),
  'texts that are left out': value => answerWithout(prompt, value),
  'the prompt that is answered again': value => answerWithout(value, [0]),
  'the prompt that is checked': value => removalCheck(value, found),
  'the texts that are checked': value => removalCheck(prompt, value),
  'the trace that is judged': value => softContextFaithfulness(prompt, value),
  'the map that is judged': value => softFaithfulness(model, value),
  'the map that is erased': value => generationErasure(model, value),
  'the map that is taken off': value => map.minus(value),
  'where a map is saved': value => map.save(value),
  'the trace that is quoted': value => quoteAnswer(value, new HiddenStateLaquer(model), ['gold']),
  'the method that traces': value => traceAnswer(value, { documents, question }),
  'examples to learn from': value => At2.fit(model, value, { steps: 2 }),
  'what is segmented': value => segmentText(value),
  'what a generator gives': value =>
    new PromptLaquer({ generate: async () => value }).attribute({ ...query, highlight: query.highlight }),
  'what a generator writes': value => new PromptLaquer(writes(value)).attribute(query),
  'an example of a prompt': value => new PromptLaquer(writes(''), { examples: [value] }),
  'a text with code points': value => utf16Offset(value, 0),
  'a text of words': value => wordsOf(value),
  'words of a fact': value => alignFact(value, ['a']),
  'a text that is compared': value => bleu(value, 'a'),
  'where a model lies': value => loadModel(value),
  'where a tokenizer lies': value => loadTokenizer(value),
  'where tensors lie': value => readSafetensors(value),
  'tokens as a text': value => model.tokenizer!.decode(value),
  'the layout of sources': value => new HiddenStateLaquer(model).read({ ...query, layout: value }),
}

/** Calls that a signal ends. */
const steered: Readonly<Record<string, (options: { signal?: never; onProgress?: never }) => unknown>> = {
  AttnTrace: options => new AttnTrace(model).attribute(prompt, options),
  At2: options => new At2(model).attribute(prompt, options),
  ContextLeaveOneOut: options => new ContextLeaveOneOut(model).attribute(prompt, options),
  SelfCitation: options => new SelfCitation(model).attribute(prompt, options),
  'At2.fit': options => At2.fit(model, [prompt], options),
  Generator: options => new Generator(model).generate('The', options),
  stream: options => drained(new Generator(model).stream('The', options)),
  Scorer: options => new Scorer(model).score({ given: 'The', text: ' key' }, options),
  StreamedTrace: async options => (await StreamedTrace.open(model, { context, question })).generate(options),
  traceAnswer: options => traceAnswer(new AttnTrace(model), { documents, question }, options),
  explainGeneration: options => explainGeneration(model, 'The', options),
  ReAGent: options => new ReAGent(model).attribute('The', options),
  removalCheck: options => removalCheck(prompt, found, options),
  run: options => model.run({}, options),
}
const signals: Readonly<Record<string, (signal: never) => unknown>> = {
  ContextPrompt: signal => ContextPrompt.create(model, request, signal),
  withResponse: signal => prompt.withResponse('The', signal),
  tokens: signal => prompt.tokens([0], signal),
  encode: signal => model.tokenizer!.encode('The', { signal }),
  quoteAnswer: signal => quoteAnswer(answer, new HiddenStateLaquer(model), ['gold'], { signal }),
  HiddenStateLaquer: signal => new HiddenStateLaquer(model).read(query, { signal }),
  PromptLaquer: signal => new PromptLaquer(writes('')).attribute(query, { signal }),
  streamAnswer: signal => drained(streamAnswer(model, { documents, question }, { signal })),
  softContextFaithfulness: signal => softContextFaithfulness(prompt, found, { signal }),
  softFaithfulness: signal => softFaithfulness(model, map, { signal }),
  generationErasure: signal => generationErasure(model, map, { signal }),
}

const strangers = [
  null,
  5,
  Number.NaN,
  true,
  { 0: 1 },
  () => 1,
  Symbol('s'),
  10n,
  new Map([['a', 1]]),
] as never[]

async function outcome(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'accepted'
  } catch (error) {
    return error instanceof AscribeError ? error.code : String(error)
  }
}

for (const [name, call] of Object.entries(refused))
  test(`${name}: other values are refused by an AscribeError`, async t => {
    for (const stranger of strangers) {
      const code = await outcome(() => call(stranger))
      t.regex(
        code,
        /^(OPTION_TYPE|OPTION_RANGE|OPTION_UNKNOWN|TOKENIZER_REQUIRED|INPUT_[A-Z]+)$/,
        `${String(stranger)}: ${code}`,
      )
    }
  })

for (const [name, call] of Object.entries(steered))
  test(`${name}: signals and listeners of the wrong kind are refused`, async t => {
    for (const stranger of strangers) {
      t.is(await outcome(() => call({ signal: stranger })), 'OPTION_TYPE', `signal ${String(stranger)}`)
      if (typeof stranger === 'function') continue
      t.is(
        await outcome(() => call({ onProgress: stranger })),
        'OPTION_TYPE',
        `onProgress ${String(stranger)}`,
      )
    }
  })

for (const [name, call] of Object.entries(signals))
  test(`${name}: a signal of the wrong kind is refused`, async t => {
    for (const stranger of strangers)
      t.is(await outcome(() => call(stranger)), 'OPTION_TYPE', String(stranger))
  })

test('options of loadModel that nobody reads, or of the wrong kind, are refused', async t => {
  const load = (options: object) => outcome(() => loadModel(folder, options))
  t.is(await load({ preprocesing: 'imagenet' }), 'OPTION_UNKNOWN')
  for (const name of ['labels', 'tokenizer', 'device', 'memoryLimitBytes', 'withoutPasses', 'name'])
    t.is(await load({ [name]: name === 'memoryLimitBytes' ? '1e9' : 5 }), 'OPTION_TYPE', name)
  t.is(await load({ labels: ['a', 5] }), 'OPTION_TYPE')
  t.is(await load({ memoryLimitBytes: -1 }), 'OPTION_RANGE')
})

test('what holds a token that the model does not have is named', async t => {
  const refusal = { code: 'INPUT_VALUE', message: /^The response holds the token 717,/ } as const
  await t.throwsAsync(ContextPrompt.create(model, { ...request, response: [717] }), refusal)
  await t.throwsAsync(prompt.withResponse([717]), refusal)
  const text = { code: 'INPUT_VALUE', message: /^The text holds the token 717,/ } as const
  await t.throwsAsync(new Scorer(model).score({ given: 'The', text: [717] }), text)
})

test('options of segmentText that nobody reads are refused', async t => {
  t.is(await outcome(() => segmentText(context, { units: 'words' } as never)), 'OPTION_UNKNOWN')
  t.is(await outcome(() => segmentText(context, null as never)), 'OPTION_TYPE')
})

test('options of a context that would change nothing are refused', async t => {
  const create = (options: object) => outcome(() => ContextPrompt.create(model, { ...request, ...options }))
  for (const name of ['chat', 'dropFirstToken', 'specialsInside'])
    t.is(await create({ [name]: 'yes' }), 'OPTION_TYPE', name)
  t.is(await create({ dropFirstToken: true }), 'OPTION_RANGE')
  t.is(await create({ dropFirstToken: true, tokenisation: 'apart' }), 'accepted')
  const options = { attention: { take: () => undefined } } as never
  const trace = await StreamedTrace.open(model, { context, question })
  t.is(await outcome(() => trace.generate(options)), 'OPTION_UNKNOWN')
  t.is(
    await outcome(() => new AnswerSimilarity(writes(''), { ...request, unit: 'letters' as never })),
    'OPTION_RANGE',
  )
})
