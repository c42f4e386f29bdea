import { AscribeError } from '../errors.js'
import { coalitionOf, complementOf, membersOf } from '../games/coalition.js'
import { type GenerateOptions, type Generation, Generator } from '../language/generator.js'
import { AttnTrace } from '../methods/context/attnTrace.js'
import { PerturbedContext } from '../methods/context/perturbedContext.js'
import type { ContextMethod } from '../methods/context/registry.js'
import type { Model } from '../model/model.js'
import type { Span } from '../regions/spans.js'
import {
  expectInteger,
  expectKnownKeys,
  expectNumber,
  expectObject,
  expectSignalAndProgress,
  expectString,
  typeError,
} from '../validate.js'
import { joinedDocuments, sentenceTokens, sourcesOf } from './answerParts.js'
import { AnswerTrace, type TracedDocument } from './answerTrace.js'
import type { ContextAttribution } from './contextAttribution.js'
import { ContextPrompt } from './contextPrompt.js'
import { type FrameOptions, promptFrame } from './promptFrame.js'
import { ResponseScores } from './responseScores.js'
import { type ContextUnit, segmentText } from './segmentText.js'

export interface TraceAnswerRequest extends Omit<FrameOptions, 'question'> {
  /** What the model reads, in order; blank lines are put between documents. */
  documents: readonly TracedDocument[]
  question: string
  /** The answer, where somebody else gave it. Default: the model's own, its most likely tokens. */
  answer?: string | undefined
  /** What sources are. Default sentences. */
  unit?: ContextUnit | undefined
  /** Words of a segment. Default 100. */
  segmentWords?: number | undefined
}

export interface TraceAnswerOptions {
  /** Sources of a sentence at most. Default 3. */
  sources?: number | undefined
  /** The least share of a sentence's greatest score that a source has. Default 0.3. */
  share?: number | undefined
  /** Tokens of the answer at most. */
  maximumTokens?: number | undefined
  signal?: AbortSignal | undefined
  /** Thousandths of the work, and 1000. */
  onProgress?: ((done: number, total: number) => void) | undefined
}

/**
 * Asks a model a question about documents (or takes an answer that somebody gave), and finds for each sentence of the
 * answer which texts of the documents it came from.
 *
 * @param method Made for the same model.
 * @throws AscribeError INPUT_VALUE for empty documents and answers; INPUT_SHAPE where they are longer than the model reads;
 *   MODEL_CAPABILITY; TOKENIZER_REQUIRED; OPTION_*; ABORTED.
 * @example
 * const trace = await traceAnswer(new AttnTrace(model), { documents: [{ name: 'notes', text }], question: 'Who won?' })
 * for (const { text, sources } of trace.sentences) console.log(text, sources.map(index => trace.numberOf(index)))
 */
export async function traceAnswer(
  method: ContextMethod,
  request: TraceAnswerRequest,
  options: TraceAnswerOptions = {},
): Promise<AnswerTrace> {
  if (typeof method?.attribute !== 'function')
    throw typeError('method', 'a method that traces contexts', method)
  expectObject('trace request', request)
  expectKnownKeys('trace request', request, [
    'documents',
    'question',
    'answer',
    'unit',
    'segmentWords',
    'template',
    'chat',
    'system',
  ])
  expectObject('trace options', options)
  expectKnownKeys('trace options', options, ['sources', 'share', 'maximumTokens', 'signal', 'onProgress'])
  expectSignalAndProgress(options)
  const { model } = method
  const { signal, onProgress } = options
  const most = expectInteger('sources', options.sources ?? 3, 1)
  const share = expectNumber('share', options.share ?? 0.3, 0, 1)
  if (options.maximumTokens !== undefined) expectInteger('maximumTokens', options.maximumTokens, 1, 1 << 20)
  const { documents, answer, unit, segmentWords, ...asked } = request
  const question = expectString('question', request.question)
  const { text: context, places } = joinedDocuments(documents)
  const cut = {
    ...(unit === undefined ? {} : { unit }),
    ...(segmentWords === undefined ? {} : { segmentWords }),
  }
  const written = answer === undefined ? await answered(model, context, asked, options) : undefined
  const prompt = await ContextPrompt.create(
    model,
    { context, ...asked, ...cut, response: written?.ids ?? expectString('answer', answer) },
    signal,
  )
  const { response } = prompt
  const sentences = segmentText(response.text!).filter(({ text }) => text.trim() !== '')
  const spans = sentences.map(sentence => sentenceTokens(response, sentence))
  const [attribution, ...found] = await attributions(
    method,
    prompt,
    [{ start: 0, end: response.ids.length }, ...spans],
    signal,
    onProgress,
  )
  return new AnswerTrace({
    documents: places,
    question,
    answer: response.text!,
    ...(written ? { generation: written.generation } : {}),
    prompt,
    attribution: attribution!,
    sentences: sentences.map(({ text, start, end }, at) => ({
      text,
      start,
      end,
      attribution: found[at]!,
      sources: sourcesOf(found[at]!, most, share),
    })),
  })
}

/**
 * What the model answers where some of the context's texts are left out. Options as for {@link Generator}.
 *
 * @throws AscribeError OPTION_RANGE for a text that there is not; as {@link Generator.generate}.
 */
export async function answerWithout(
  prompt: ContextPrompt,
  without: Iterable<number>,
  options: GenerateOptions = {},
): Promise<Generation> {
  if (!(prompt instanceof ContextPrompt)) throw typeError('prompt', 'a ContextPrompt', prompt)
  const count = prompt.texts.length
  const left = coalitionOf(count, without)
  expectObject('generate options', options)
  const { ids } = await prompt.tokens(membersOf(complementOf(left, count)), options.signal)
  return new Generator(prompt.model).generate(ids, { temperature: 0, ...options })
}

async function answered(
  model: Model,
  context: string,
  asked: FrameOptions,
  { maximumTokens, signal }: TraceAnswerOptions,
): Promise<{ ids: readonly number[]; generation: Generation }> {
  const generator = new Generator(model)
  const frame = await promptFrame(model, context, asked, signal)
  if (model.tokenizer === undefined)
    throw new AscribeError('TOKENIZER_REQUIRED', `Model ${model.name} has no tokenizer`)
  const text = frame.before + context.slice(frame.shown.start, frame.shown.end) + frame.after
  const { ids } = await model.tokenizer.encode(text, { specials: frame.specials, signal })
  const generation = await generator.generate(ids, {
    temperature: 0,
    ...(maximumTokens === undefined ? {} : { maximumTokens }),
    ...(signal ? { signal } : {}),
  })
  // The token that ends an answer is no part of it.
  const own = generation.finish === 'end' ? generation.ids.slice(0, -1) : generation.ids
  if (own.length === 0 || generation.text?.trim() === '')
    throw new AscribeError('INPUT_VALUE', `Model ${model.name} answered nothing`)
  return { ids: own, generation }
}

/** Scores for several spans of one response, in the passes of one where the method allows it. */
async function attributions(
  method: ContextMethod,
  prompt: ContextPrompt,
  spans: readonly Span[],
  signal: AbortSignal | undefined,
  onProgress: ((done: number, total: number) => void) | undefined,
): Promise<ContextAttribution[]> {
  const options = { ...(signal ? { signal } : {}) }
  if (method instanceof AttnTrace) {
    const trace = await method.trace(prompt, { ...options, ...(onProgress ? { onProgress } : {}) })
    return Promise.all(spans.map(span => trace.attribution(span)))
  }
  const shared = method instanceof PerturbedContext ? new ResponseScores(prompt) : undefined
  const found: ContextAttribution[] = []
  for (const [at, span] of spans.entries()) {
    const each = {
      ...options,
      span,
      onProgress: (done: number, total: number) => onProgress?.(at * total + done, spans.length * total),
    }
    found.push(
      shared
        ? await (method as PerturbedContext).attribute(shared, each)
        : await method.attribute(prompt, each),
    )
  }
  return found
}
