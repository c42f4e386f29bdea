import { join } from 'node:path'
import test from 'ava'
import { AttnTrace, loadModel, type StreamedAnswer, streamAnswer, traceAnswer } from '#lib/index.js'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { letterTokenizer } from '../oracles/letterTokenizer.js'
import { relativeError } from '../oracles/recordedCheckpoints.js'
import { sharedData } from '../oracles/sharedData.js'

const documents = [
  { name: 'a.txt', text: 'Tom had a red ball. He liked to play with it.' },
  { name: 'b.txt', text: 'One day it rained. Lily had a big cat.\nThe cat was sad.' },
]
const request = { documents, question: 'Once upon a time', template: '[context] [question]' }

async function collected(events: AsyncIterable<StreamedAnswer>) {
  const found: StreamedAnswer[] = []
  for await (const event of events) found.push(event)
  const texts = found.flatMap(event => (event.kind === 'text' ? [event.text] : []))
  const sentences = found.flatMap(event => (event.kind === 'sentence' ? [event] : []))
  const last = found.at(-1)!
  if (last.kind !== 'end') throw new Error('The last event is not the end')
  return { found, texts, sentences, trace: last.trace }
}

test('sentences of a story are told with their sources as they end; it is what one pass over the answer reads', async t => {
  const folder = sharedData(t, 'stories260k')
  if (folder === undefined) return
  const model = await loadModel(join(folder, 'stories260K.bin'), { tokenizer: join(folder, 'tok512.bin') })
  t.teardown(() => model.tokenizer?.dispose())
  const { found, texts, sentences, trace } = await collected(
    streamAnswer(model, request, { maximumTokens: 90, avgK: 4 }),
  )
  t.is(texts.join(''), trace.answer)
  t.true(sentences.length >= 3)
  // The first is told before the last word of the answer is.
  const first = found.findIndex(({ kind }) => kind === 'sentence')
  t.true(found.slice(first).filter(({ kind }) => kind === 'text').length > 5)
  const forced = await traceAnswer(new AttnTrace(model, { q: 1, rows: 'predicting', avgK: 4 }), {
    ...request,
    answer: trace.answer,
  })
  t.deepEqual(
    sentences.map(({ sentence }) => [sentence.text, sentence.start, sentence.end]),
    forced.sentences.map(({ text, start, end }) => [text, start, end]),
  )
  for (const [at, { sentence, sources }] of sentences.entries()) {
    const { scores } = forced.sentences[at]!.attribution
    t.true(relativeError(Float32Array.from(sentence.attribution.scores), scores) < 1e-5)
    t.deepEqual(sentence.sources, forced.sentences[at]!.sources)
    t.deepEqual(
      sources.map(({ number }) => number),
      sentence.sources.map(index => trace.numberOf(index)),
    )
    for (const { document, line, text } of sources)
      t.true(
        documents
          .find(({ name }) => name === document)!
          .text.split('\n')
          [line - 1]!.includes(text),
      )
  }
  t.true(relativeError(Float32Array.from(trace.attribution.scores), forced.attribution.scores) < 1e-5)
})

test('what is wrong with a request is said before anything is written; leaving the loop ends the work', async t => {
  const model = await loadModel(await checkpointCopy(t, 'llama', { 'tokenizer.json': letterTokenizer() }))
  t.teardown(() => model.tokenizer?.dispose())
  const asked = {
    documents: [{ name: 'a', text: 'ab cd.' }],
    question: 'q',
    template: 'x [context] [question]',
  }
  const failed = (own: object, options: object, code: string) =>
    t.throwsAsync(collected(streamAnswer(model, { ...asked, ...own }, options)), { code })
  await failed({ answer: 'a' }, {}, 'OPTION_UNKNOWN')
  await failed({ documents: [] }, {}, 'INPUT_VALUE')
  await failed({}, { sources: 0 }, 'OPTION_RANGE')
  await failed({}, { share: 2 }, 'OPTION_RANGE')
  await failed({}, { method: 'ContextCite' }, 'OPTION_UNKNOWN')
  await failed({}, { signal: AbortSignal.abort() }, 'ABORTED')
  for await (const { kind } of streamAnswer(model, asked, { maximumTokens: 30 })) {
    t.is(kind, 'text')
    break
  }
})
