import { AscribeError } from '../../errors.js'
import type { ChatMessage } from '../../language/chatPrompt.js'
import { RemoteGenerator } from '../../language/remote/remoteGenerator.js'
import type { TextGenerator } from '../../language/services.js'
import {
  expectKnownKeys,
  expectObject,
  expectSignalAndProgress,
  expectString,
  expectStrings,
  typeError,
} from '../../validate.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { findQuote } from './findQuote.js'
import {
  attributePrompt,
  decontextualisePrompt,
  type LaquerExample,
  laquerExamples,
  parseSpans,
  spansSchema,
} from './laquerPrompts.js'
import { type LocalisedAttribution, rankedSpans, unattributed } from './result.js'
import {
  type CheckedQuery,
  checkedQuery,
  joinedText,
  type LocalisedQuery,
  type SourceInterval,
  unjoined,
} from './sources.js'

export const promptLaquerOptions = {
  decontextualise: {
    kind: 'boolean',
    default: true,
    description: 'The highlight is first written as a claim that stands by itself.',
  },
  attempts: {
    kind: 'integer',
    default: 5,
    minimum: 1,
    maximum: 100,
    description: 'Times the sources are asked for until every span of an answer is found in them.',
  },
  order: {
    kind: 'choice',
    choices: ['match', 'source'],
    default: 'match',
    description:
      'Where a span is looked for: exactly in every source before approximately in any; or, as the reference does, in every way in one source before the next.',
  },
  fuzziness: {
    kind: 'number',
    default: 0.3,
    minimum: 0,
    maximum: 1,
    description:
      'Edits that the beginning of a span may have, as a share of its length, to be found approximately; 0: never. The threshold of the reference is [unconfirmed].',
  },
  maximumTokens: {
    kind: 'integer',
    default: 512,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Tokens of an answer at most.',
  },
  temperature: {
    kind: 'number',
    default: 0,
    minimum: 0,
    maximum: 1000,
    description: 'Of the language model.',
  },
  seed: {
    kind: 'integer',
    default: 42,
    description: 'Of the language model; each attempt has the next one.',
  },
} as const

export type PromptLaquerOptions = Given<typeof promptLaquerOptions> & {
  /** Worked examples in the prompt, at the granularity of the sources. Default three short ones. */
  examples?: readonly LaquerExample[]
}

/** What a prompted answer adds. */
export interface PromptedAttribution extends LocalisedAttribution {
  /** What the sources were asked to support. */
  readonly claim: string
  /** How often the sources were asked for. */
  readonly attempts: number
  /** No answer was found in the sources, so that the candidates of the coarse attribution stand in. */
  readonly isFallback: boolean
  /** Everything that was asked, and what came back. */
  readonly calls: readonly { readonly messages: readonly ChatMessage[]; readonly answer: string }[]
}

/** A source as it is shown: its candidates, put together by a space. */
interface Shown {
  readonly source: string
  readonly text: string
  readonly intervals: readonly SourceInterval[]
}

/** Scores of spans by how they were found. */
const matchScores = { exact: 1, normalised: 0.9, fuzzy: 0.5 } as const

/**
 * Localised queries by prompting: a language model copies the spans of the sources that support a highlight, written as a claim
 * that stands by itself; spans are found in the sources, exactly, by their letters, or approximately, and come back as offsets.
 * Answers with a span that no source has are asked for again; after `attempts` the coarse attribution stands in, with the
 * warning FALLBACK. A call of the language model for the claim, and one for each attempt.
 *
 * Scores say how a span was found: 1 exactly (but for case), 0.9 by letters and digits, 0.5 approximately.
 *
 * Source: Hirsch et al., "LAQuer: localized attribution queries in content-grounded generation" (ACL 2025, arXiv 2506.01187). The
 * instructions are our own, and answers are JSON: a semicolon inside a span breaks the paper's form, which is read too.
 *
 * @example
 * const laquer = new PromptLaquer(new RemoteGenerator(endpoint))
 * const { spans, claim } = await laquer.attribute({ sources, output, highlight: [{ start: 0, end: 24 }], coarse })
 */
export class PromptLaquer {
  readonly options: Resolved<typeof promptLaquerOptions>
  readonly #examples: readonly LaquerExample[]

  /** @param generator A {@link Generator} on a model of this process, a `RemoteGenerator`, or anything that writes texts. */
  constructor(
    readonly generator: TextGenerator,
    options: PromptLaquerOptions = {},
  ) {
    if (typeof generator?.generate !== 'function')
      throw typeError('generator', 'something that generates texts', generator)
    expectObject('options', options)
    const { examples = laquerExamples, ...others } = options
    if (!Array.isArray(examples)) throw typeError('examples', 'a list of worked examples', examples)
    for (const example of examples as readonly LaquerExample[]) {
      expectKnownKeys('example', expectObject('example', example), ['sources', 'claim', 'spans'])
      expectStrings('example.sources', example.sources)
      expectString('example.claim', example.claim)
      expectStrings('example.spans', example.spans)
    }
    this.options = resolveOptions(promptLaquerOptions, others)
    this.#examples = examples as readonly LaquerExample[]
  }

  /** @throws AscribeError INPUT_VALUE, OPTION_RANGE for queries that are none; what the generator throws. */
  async attribute(
    query: LocalisedQuery,
    options: { signal?: AbortSignal } = {},
  ): Promise<PromptedAttribution> {
    expectKnownKeys('options', expectObject('options', options), ['signal'])
    expectSignalAndProgress(options)
    const checked = checkedQuery(query)
    const calls: { messages: readonly ChatMessage[]; answer: string }[] = []
    const ask = async (messages: readonly ChatMessage[], seed: number, isSpans: boolean) => {
      const answer = await this.#ask(messages, seed, isSpans, options.signal)
      calls.push({ messages, answer })
      return answer
    }
    const fragment = joinedText(checked.output, checked.highlight)
    const method = { name: 'PromptLaquer', options: this.options }
    const ending = (
      rest: Partial<PromptedAttribution>,
      claim: string,
      attempts: number,
    ): PromptedAttribution => ({
      ...unattributed(checked, method),
      claim,
      attempts,
      isFallback: false,
      calls,
      ...rest,
    })
    if (checked.candidates.length === 0) return ending({}, fragment, 0)
    const { decontextualise, attempts, seed } = this.options
    const written = decontextualise
      ? (await ask(decontextualisePrompt(checked.output, fragment), seed, false)).trim()
      : fragment
    const claim = written === '' ? fragment : written
    const shown = shownSources(checked)
    let missing: readonly string[] = []
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const messages = attributePrompt(
        shown.map(({ text }) => text),
        claim,
        this.#examples,
        missing,
      )
      const quotes = parseSpans(await ask(messages, seed + attempt - 1, true))
      const found = quotes.map(quote => this.#find(shown, quote))
      missing = quotes.filter((_, at) => found[at] === undefined)
      if (quotes.length > 0 && missing.length === 0)
        return ending(
          {
            spans: rankedSpans(
              checked.sources,
              found.flatMap(each => each!),
            ),
            isUnattributed: false,
          },
          claim,
          attempt,
        )
    }
    const message =
      missing.length > 0
        ? `After ${attempts} attempts the answer still holds ${JSON.stringify(missing[0]!.slice(0, 80))}, which no source does.`
        : `After ${attempts} attempts the language model names no span.`
    if (!checked.isNarrowed) return ending({ warnings: [{ code: 'NOT_FOUND', message }] }, claim, attempts)
    const coarse = checked.candidates.map(interval => ({ ...interval, score: 0 }))
    return ending(
      {
        spans: rankedSpans(checked.sources, coarse),
        isUnattributed: false,
        isFallback: true,
        warnings: [{ code: 'FALLBACK', message: `${message} The coarse attribution stands in.` }],
      },
      claim,
      attempts,
    )
  }

  async #ask(messages: readonly ChatMessage[], seed: number, isSpans: boolean, signal?: AbortSignal) {
    const { maximumTokens, temperature } = this.options
    const given = { maximumTokens, temperature, seed, ...(signal ? { signal } : {}) }
    const { generator } = this
    const said: { text?: unknown } =
      isSpans && generator instanceof RemoteGenerator
        ? await generator.generate(messages, { ...given, schema: spansSchema }).catch(error => {
            // An answer that is no JSON is read as the paper's form would be: as one that is asked for again.
            if (error instanceof AscribeError && error.cause instanceof SyntaxError) return { text: '' }
            throw error
          })
        : await generator.generate(messages, given)
    const { text } = expectObject('what the generator gives', said)
    if (text === undefined)
      throw new AscribeError(
        'TOKENIZER_REQUIRED',
        'The generator writes no texts: its model has no tokenizer',
      )
    return expectString('the text of the generator', text)
  }

  /** The first stretches of sources that are a quotation. */
  #find(shown: readonly Shown[], quote: string): (SourceInterval & { score: number })[] | undefined {
    const { order, fuzziness } = this.options
    const found = shown.map(each => ({ each, match: findQuote(each.text, quote, fuzziness) }))
    const rank = { exact: 0, normalised: 1, fuzzy: 2 }
    const hits = found.filter(({ match }) => match !== undefined)
    const best =
      order === 'source' ? hits[0] : hits.toSorted((a, b) => rank[a.match!.match] - rank[b.match!.match])[0]
    if (best === undefined) return undefined
    const score = matchScores[best.match!.match]
    const spans = unjoined(best.each.intervals, best.match!)
    return spans.map(span => ({ source: best.each.source, ...span, score }))
  }
}

/** Sources with a candidate, each with its candidates alone. */
function shownSources({ sources, candidates }: CheckedQuery): Shown[] {
  return sources.flatMap(({ id, text }) => {
    const intervals = candidates.filter(({ source }) => source === id)
    return intervals.length === 0 ? [] : [{ source: id, text: joinedText(text, intervals), intervals }]
  })
}
