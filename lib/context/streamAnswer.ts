import { AscribeError } from '../errors.js'
import { StreamedTrace, type StreamedTraceOptions } from '../methods/context/streamedTrace.js'
import type { Model } from '../model/model.js'
import {
  expectInteger,
  expectKnownKeys,
  expectNumber,
  expectObject,
  expectSignalAndProgress,
  expectString,
} from '../validate.js'
import { joinedDocuments, sentenceTokens, sourcesOf } from './answerParts.js'
import { type AnswerSource, AnswerTrace, sourceAt, type TracedSentence } from './answerTrace.js'
import { ContextPrompt } from './contextPrompt.js'
import { type ContextText, segmentText } from './segmentText.js'
import type { TraceAnswerOptions, TraceAnswerRequest } from './traceAnswer.js'

export interface StreamAnswerOptions
  extends Omit<TraceAnswerOptions, 'onProgress'>,
    Pick<StreamedTraceOptions, 'avgK' | 'topK' | 'headWeights'> {}

/**
 * What a streamed answer is told in: `text` as it is written (all of them together are the answer; what may end a sentence waits
 * for the next word), `sentence` with its sources as soon as the sentence is whole, `end` with the whole trace.
 */
export type StreamedAnswer =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'sentence'
      readonly sentence: TracedSentence
      readonly sources: readonly AnswerSource[]
    }
  | { readonly kind: 'end'; readonly trace: AnswerTrace }

/** Behind these letters of the next sentence nothing changes where the one before it ends. */
const settles = /\p{L}[\p{L}\p{N}']*[^\p{L}\p{N}']/u

/**
 * Asks a model a question about documents and tells the sources of each sentence while the answer is written: its attention is
 * read in the steps that write it ({@link StreamedTrace}), so that nothing is read again. Numbers are those of {@link traceAnswer}
 * with `AttnTrace` of `{ q: 1, rows: 'predicting' }`, within rounding; sources are numbered as they are cited first.
 *
 * @throws AscribeError as {@link traceAnswer}.
 * @example
 * for await (const event of streamAnswer(model, { documents: [{ name: 'notes', text }], question: 'Who won?' }))
 *   if (event.kind === 'text') process.stdout.write(event.text)
 *   else if (event.kind === 'sentence') console.log(event.sources)
 */
export async function* streamAnswer(
  model: Model,
  request: Omit<TraceAnswerRequest, 'answer'>,
  options: StreamAnswerOptions = {},
): AsyncGenerator<StreamedAnswer> {
  expectObject('stream request', request)
  expectKnownKeys('stream request', request, [
    'documents',
    'question',
    'unit',
    'segmentWords',
    'template',
    'chat',
    'system',
  ])
  expectObject('stream options', options)
  expectSignalAndProgress(options)
  const { sources = 3, share = 0.3, maximumTokens, signal, ...traced } = options
  expectInteger('sources', sources, 1)
  expectNumber('share', share, 0, 1)
  const { documents, unit, segmentWords, ...asked } = request
  expectString('question', request.question)
  const { text: context, places } = joinedDocuments(documents)
  const cut = {
    ...(unit === undefined ? {} : { unit }),
    ...(segmentWords === undefined ? {} : { segmentWords }),
  }
  const open = await ContextPrompt.create(model, { context, ...asked, ...cut }, signal)
  const trace = await StreamedTrace.open(model, open, traced)
  const sentences: TracedSentence[] = []
  /** What is written so far, its tokens, and how much of it was told. */
  const answer = { text: '', ids: [] as number[], told: 0 }
  const place = async (): Promise<ContextPrompt> => open.withResponse(answer.ids, signal)
  const cited: number[] = []
  const sentenceTold = (sentence: TracedSentence): StreamedAnswer => {
    sentences.push(sentence)
    for (const index of sentence.sources) if (!cited.includes(index)) cited.push(index)
    const own = sentence.sources.map(index => ({
      number: cited.indexOf(index) + 1,
      ...sourceAt(places, sentence.attribution, index),
    }))
    return { kind: 'sentence', sentence, sources: own }
  }
  const sourced = async (
    { text, start, end }: ContextText,
    prompt: ContextPrompt,
  ): Promise<TracedSentence> => {
    const attribution = await trace.attribution(sentenceTokens(prompt.response, { start, end }))
    return { text, start, end, attribution, sources: sourcesOf(attribution, sources, share) }
  }
  const told = function* (to: number): Generator<StreamedAnswer> {
    if (to > answer.told) yield { kind: 'text', text: answer.text.slice(answer.told, to) }
    answer.told = Math.max(answer.told, to)
  }
  const generate = {
    temperature: 0,
    ...(maximumTokens === undefined ? {} : { maximumTokens }),
    ...(signal ? { signal } : {}),
  }
  for await (const { text, id, finish } of trace.stream(generate)) {
    answer.text += text
    // The token that ends an answer is no part of it.
    if (finish !== 'end') answer.ids.push(id)
    if (finish !== undefined || text === '') continue
    // Sentences that were told stay; what is behind them is cut again.
    const from = sentences.at(-1)?.end ?? 0
    const found = wordsOf(answer.text, from)
    for (const [at, sentence] of found.entries()) {
      const next = found[at + 1]
      if (next === undefined) yield* told(trimmedEnd(sentence))
      if (next === undefined || !settles.test(next.text)) break
      yield* told(trimmedEnd(sentence))
      yield sentenceTold(await sourced(sentence, await place()))
    }
  }
  if (answer.text.trim() === '') throw new AscribeError('INPUT_VALUE', `Model ${model.name} answered nothing`)
  const prompt = await place()
  for (const sentence of wordsOf(answer.text, sentences.at(-1)?.end ?? 0)) {
    yield* told(trimmedEnd(sentence))
    yield sentenceTold(await sourced(sentence, prompt))
  }
  yield* told(answer.text.length)
  const whole = await trace.attribution({ start: 0, end: answer.ids.length })
  yield {
    kind: 'end',
    trace: new AnswerTrace({
      documents: places,
      question: request.question,
      answer: answer.text,
      prompt,
      attribution: whole,
      sentences,
      numbering: 'cited',
    }),
  }
}

/** Where a sentence ends but for white space. */
const trimmedEnd = ({ text, start }: ContextText): number => start + text.trimEnd().length

/** Sentences from a place on, those of white space alone left out. */
function wordsOf(text: string, from: number): ContextText[] {
  const rest = text.slice(from)
  if (rest.trim() === '') return []
  return segmentText(rest)
    .filter(sentence => sentence.text.trim() !== '')
    .map(sentence => ({ text: sentence.text, start: from + sentence.start, end: from + sentence.end }))
}
