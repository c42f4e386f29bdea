import { AscribeError } from '../errors.js'
import { findQuote } from '../methods/localised/findQuote.js'
import { HiddenStateLaquer } from '../methods/localised/hiddenStateLaquer.js'
import { PromptLaquer } from '../methods/localised/promptLaquer.js'
import type { LocalisedAttribution, LocalisedSpan } from '../methods/localised/result.js'
import type { CoarseRecord, QuerySource, SourceInterval } from '../methods/localised/sources.js'
import type { Span } from '../regions/spans.js'
import {
  expectKnownKeys,
  expectObject,
  expectOneOf,
  expectSignalAndProgress,
  expectString,
  typeError,
} from '../validate.js'
import { AnswerTrace } from './answerTrace.js'

/** A span of a document that a quotation stands on. */
export interface QuotedSpan extends Omit<LocalisedSpan, 'source'> {
  /** The number of the document. */
  readonly document: number
}

/** A few words of an answer, and the spans of the documents that support just these. */
export interface AnswerQuote extends Span {
  /** As it stands in the answer. */
  readonly text: string
  readonly spans: readonly QuotedSpan[]
  /** Nothing supports it, as far as the method tells. */
  readonly isUnattributed: boolean
  /** What the documents were asked to support, where a language model was prompted. */
  readonly claim?: string
  readonly warnings: LocalisedAttribution['warnings']
  readonly method: LocalisedAttribution['method']
}

export interface QuoteAnswerOptions {
  /** Where spans are looked for: in the sources of the quotation's sentences, or in all documents. Default sources. */
  within?: 'sources' | 'documents'
  signal?: AbortSignal
  /** Told after each quotation: how many are done, and of how many. */
  onProgress?: (done: number, total: number) => void
}

/**
 * Localised queries on a traced answer (LAQuer): a few words of it are quoted, and the spans of the documents that support
 * just these come back. The trace is the coarse attribution: unless `within` is `documents`, only the sources of the
 * sentences that the quotation touches are looked at.
 *
 * @param laquer By hidden states ({@link HiddenStateLaquer}, on any causal model: the answer is read once), or by prompting
 *   ({@link PromptLaquer}).
 * @param quotes Words of the answer as they stand there, but for case.
 * @throws AscribeError INPUT_VALUE for words that the answer does not hold; as the methods.
 * @example
 * const trace = await traceAnswer(new AttnTrace(model), { documents, question })
 * const [{ spans }] = await quoteAnswer(trace, new HiddenStateLaquer(model), ['the copper key'])
 */
export async function quoteAnswer(
  trace: AnswerTrace,
  laquer: HiddenStateLaquer | PromptLaquer,
  quotes: readonly string[],
  options: QuoteAnswerOptions = {},
): Promise<AnswerQuote[]> {
  if (!(trace instanceof AnswerTrace)) throw typeError('trace', 'an AnswerTrace', trace)
  if (!(laquer instanceof HiddenStateLaquer || laquer instanceof PromptLaquer))
    throw typeError('laquer', 'a HiddenStateLaquer or a PromptLaquer', laquer)
  if (!Array.isArray(quotes)) throw typeError('quotes', 'a list of texts', quotes)
  expectObject('options', options)
  expectKnownKeys('options', options, ['within', 'signal', 'onProgress'])
  expectSignalAndProgress(options)
  const { within = 'sources', signal, onProgress } = options
  expectOneOf('within', within, ['sources', 'documents'] as const)
  const { answer } = trace
  const places = quotes.map(quote => quotedPlace(answer, expectString('quote', quote)))
  const sources = trace.documents.map(({ text }, at): QuerySource => ({ id: String(at), text }))
  const coarse = within === 'sources' ? coarseOf(trace) : undefined
  const query = { sources, output: answer, ...(coarse ? { coarse } : {}) }
  const own = signal ? { signal } : {}
  const response =
    laquer instanceof HiddenStateLaquer
      ? await laquer.read(
          { sources, output: answer, layout: { output: `\n\nQuestion: ${trace.question}\nAnswer:` } },
          own,
        )
      : undefined
  const found: AnswerQuote[] = []
  for (const place of places) {
    const each: LocalisedAttribution & { claim?: string } =
      response?.query([place], coarse) ??
      (await (laquer as PromptLaquer).attribute({ ...query, highlight: [place] }, own))
    found.push({
      ...place,
      text: answer.slice(place.start, place.end),
      spans: each.spans.map(({ source, ...span }) => ({ document: Number(source), ...span })),
      isUnattributed: each.isUnattributed,
      ...(each.claim === undefined ? {} : { claim: each.claim }),
      warnings: each.warnings,
      method: each.method,
    })
    onProgress?.(found.length, places.length)
  }
  return found
}

function quotedPlace(answer: string, quote: string): Span {
  const found = findQuote(answer, quote, 0)
  if (found === undefined)
    throw new AscribeError('INPUT_VALUE', `The answer does not hold ${JSON.stringify(quote.slice(0, 80))}`, {
      hint: `It is: ${answer.trim().slice(0, 200)}`,
    })
  return { start: found.start, end: found.end }
}

/** What sentences of the answer stand on, as places in the documents. */
function coarseOf({ sentences, documents, attribution }: AnswerTrace): CoarseRecord[] {
  const placed = ({ start, end }: Span): SourceInterval[] =>
    documents.flatMap((document, at) => {
      const [from, to] = [Math.max(start, document.start), Math.min(end, document.end)]
      return from < to ? [{ source: String(at), start: from - document.start, end: to - document.start }] : []
    })
  return sentences.map(({ start, end, sources }) => ({
    output: { start, end },
    sources: sources.flatMap(text => placed(attribution.texts[text]!)),
  }))
}
