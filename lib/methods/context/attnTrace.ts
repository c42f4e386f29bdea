import { ContextAttribution } from '../../context/contextAttribution.js'
import type { ContextPrompt, ContextRequest } from '../../context/contextPrompt.js'
import { headWeightsOf } from '../../language/headWeights.js'
import type { Model } from '../../model/model.js'
import type { Span } from '../../regions/spans.js'
import { expectInteger, expectObject } from '../../validate.js'
import { engineEnvironment } from '../engineEnvironment.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { scoreSamples, type TraceSample, tokenScores, warningsOf } from './attentionTrace.js'
import { openTrace } from './openTrace.js'
import { readContext } from './readContext.js'
import { drawSubsets, subsetSize } from './subsets.js'

export const attnTraceOptions = {
  avgK: {
    kind: 'integer',
    default: 5,
    minimum: 1,
    description:
      "A text's score is the mean of so many of its most read tokens, or of all where it has fewer.",
  },
  q: {
    kind: 'number',
    default: 0.4,
    minimum: 0,
    exclusive: true,
    maximum: 1,
    description: 'Share of the texts that each subset keeps; 1 reads the whole context once.',
  },
  B: {
    kind: 'integer',
    default: 30,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Subsets that are read, one forward pass each.',
  },
  topK: {
    kind: 'integer',
    default: 5,
    minimum: 1,
    description: 'Texts that are listed first.',
  },
  rows: {
    kind: 'choice',
    choices: ['attntrace', 'predicting'],
    default: 'attntrace',
    description:
      "Whose attention counts: `predicting` are the tokens before each of the response's, `attntrace` the last of these too.",
  },
  stratified: {
    kind: 'boolean',
    default: false,
    description: 'Draws every text equally often, or one time more.',
  },
  adaptive: {
    kind: 'boolean',
    default: false,
    description:
      'Ends before B subsets once the topK-th and the next text are two standard errors apart, after 10 at least.',
  },
  guards: {
    kind: 'boolean',
    default: true,
    description:
      'Takes all of fewer than five texts, and at least one; without it a subset has ⌊nq⌋ texts, which may be none.',
  },
  seed: { kind: 'integer', default: 0, description: 'Seed of the subsets.' },
} as const

export interface AttnTraceOptions extends Given<typeof attnTraceOptions> {
  /** One weight for each head of each layer, in order ({@link At2}); default the mean of all. */
  headWeights?: ArrayLike<number>
}

export interface TraceOptions {
  /** Tokens of the response that are traced. Default all. */
  span?: Span
  signal?: AbortSignal
  /** Passes done and in all. */
  onProgress?: (done: number, total: number) => void
}

const leastSubsets = 10
const subsetsOfRound = 5

/**
 * Which texts of a context a response came from, by attention (Wang, Geng, Chen and Jia, "AttnTrace", arXiv 2508.03793):
 * the response's rows of all heads and layers are averaged, a text's score is the mean of its `avgK` most read tokens,
 * averaged over `B` random subsets of the texts, so that texts that say the same do not share their attention away.
 *
 * Of a model that reads with an encoder it is the attention from its decoder to what the encoder read (the paper has none such).
 *
 * Scores are mean attention weights (0 to 1, usually 1e-5 to 1e-2), with standard errors over subsets. They do not prove
 * causes: see {@link answerWithout}, which asks again without them. The model's own scale of scores and its windows are honoured, sums are in f32.
 *
 * @example
 * const found = await new AttnTrace(model).attribute({ context, question: 'Who won?', response: 'Anna' })
 * console.log(found.top(3).map(({ score, text }) => `${score} ${text}`))
 */
export class AttnTrace {
  readonly options: Resolved<typeof attnTraceOptions>
  readonly #weights: Float32Array
  readonly #isMean: boolean

  /** @throws AscribeError MODEL_CAPABILITY for models that write no text; OPTION_* */
  constructor(
    readonly model: Model,
    options: AttnTraceOptions = {},
  ) {
    expectObject('options', options)
    const { headWeights, ...given } = options
    this.options = resolveOptions(attnTraceOptions, given)
    this.#isMean = headWeights === undefined
    this.#weights = headWeightsOf(model, headWeights)
  }

  /**
   * Scores of the texts.
   *
   * @throws AscribeError as {@link ContextPrompt.create}; OPTION_RANGE for a span outside the response; ABORTED.
   */
  async attribute(
    given: ContextRequest | ContextPrompt,
    options: TraceOptions = {},
  ): Promise<ContextAttribution> {
    const { prompt, span } = await openTrace(this.model, given, options)
    const began = performance.now()
    const read = await this.#read(prompt, span, true, options)
    return this.#result(prompt, span, read, { first: 0, end: 1 }, performance.now() - began)
  }

  /** Keeps the attention of every row, so that any span of the response is answered without another pass. */
  async trace(given: ContextRequest | ContextPrompt, options: TraceOptions = {}): Promise<ResponseTrace> {
    const { prompt, span } = await openTrace(this.model, given, options)
    const began = performance.now()
    const read = await this.#read(prompt, span, false, options)
    const milliseconds = performance.now() - began
    return new ResponseTrace(prompt, span, part => {
      const rows = { first: part.start - span.start, end: part.end - span.start + this.#extraRows }
      return this.#result(prompt, part, read, rows, milliseconds)
    })
  }

  get #extraRows(): 0 | 1 {
    return this.options.rows === 'attntrace' ? 1 : 0
  }

  async #read(prompt: ContextPrompt, span: Span, fold: boolean, options: TraceOptions): Promise<Reading> {
    const { signal, onProgress } = options
    const { adaptive, avgK, topK } = this.options
    const count = prompt.texts.length
    const subsets = subsetSize(count, this.options) === 0 ? [] : drawSubsets(count, this.options)
    const samples: TraceSample[] = []
    let tokens = 0
    const reading = { weights: this.#weights, extraRows: this.#extraRows, fold, signal }
    const steps = adaptive ? subsetsOfRound : Math.max(1, subsets.length)
    for (let from = 0; from < subsets.length; ) {
      const to = Math.min(subsets.length, from === 0 && adaptive ? leastSubsets : from + steps)
      const part = await readContext(prompt, span, subsets.slice(from, to), reading)
      samples.push(...part.samples)
      tokens += part.tokens
      from = to
      onProgress?.(from, subsets.length)
      if (adaptive && isSettled(scoreSamples(count, samples, avgK, 0, fold ? 1 : rowsOf(samples[0]!)), topK))
        break
    }
    return { samples, tokens }
  }

  async #result(
    prompt: ContextPrompt,
    span: Span,
    { samples, tokens }: Reading,
    rows: { first: number; end: number },
    milliseconds: number,
  ): Promise<ContextAttribution> {
    const { model, options } = this
    const found = scoreSamples(prompt.texts.length, samples, options.avgK, rows.first, rows.end)
    const { seed, ...rest } = options
    const isPart = samples.some(({ kept }) => kept.length < prompt.texts.length)
    const own = this.#isMean ? {} : { headWeights: Array.from(this.#weights) }
    return new ContextAttribution({
      model: { name: model.name, hash: await model.hash() },
      method: {
        name: 'AttnTrace',
        options: { ...rest, ...own },
        seed,
        details: { subsets: samples.length, textsOfSubset: samples[0]?.kept.length ?? 0 },
      },
      unit: this.#isMean ? 'mean attention weight' : 'weighted attention',
      texts: prompt.texts,
      response: prompt.response,
      responseSpan: span,
      scores: found.scores,
      standardErrors: found.standardErrors,
      counts: found.counts,
      tokens: tokenScores(found.tokens, text => prompt.textTokens(text)),
      warnings: [
        ...prompt.warnings.map(message => ({ code: 'TEXTS_DROPPED', message })),
        ...warningsOf(found, { q: isPart ? options.q : undefined, isMean: this.#isMean }),
      ],
      cost: { forwardPasses: samples.length, tokens, milliseconds },
      environment: engineEnvironment(model.device, 1, model.precision),
    })
  }
}

interface Reading {
  readonly samples: readonly TraceSample[]
  readonly tokens: number
}

/** Attention of a response that is kept row by row: see {@link AttnTrace.trace}. */
export class ResponseTrace {
  /** @internal */
  constructor(
    readonly prompt: ContextPrompt,
    /** The response's tokens that were traced. */
    readonly span: Span,
    private readonly answer: (span: Span) => Promise<ContextAttribution>,
  ) {}

  /**
   * Scores of the texts for some of the response's tokens.
   *
   * @throws AscribeError OPTION_RANGE for a span outside those that were traced.
   */
  async attribution(span: Span = this.span): Promise<ContextAttribution> {
    const { start, end } = this.span
    expectInteger('span.start', span?.start, start, end - 1)
    expectInteger('span.end', span.end, span.start + 1, end)
    return this.answer(span)
  }
}

const rowsOf = ({ rows, lengths }: TraceSample): number =>
  rows.length / lengths.reduce((sum, length) => sum + length, 0)

/** Whether the `topK`-th text and the one behind it are two standard errors apart. */
function isSettled(
  { scores, standardErrors }: { scores: number[]; standardErrors: (number | null)[] },
  topK: number,
): boolean {
  if (scores.length <= topK) return standardErrors.every(error => error !== null)
  const order = scores.map((_, at) => at).sort((a, b) => scores[b]! - scores[a]!)
  const [last, next] = [order[topK - 1]!, order[topK]!]
  const [a, b] = [standardErrors[last], standardErrors[next]]
  if (a == null || b == null || standardErrors.includes(null)) return false
  return scores[last]! - scores[next]! > 2 * Math.hypot(a, b)
}
