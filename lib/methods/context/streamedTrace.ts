import { ContextAttribution } from '../../context/contextAttribution.js'
import type { ContextPrompt, ContextQuestion } from '../../context/contextPrompt.js'
import { AscribeError } from '../../errors.js'
import {
  type GenerateOptions,
  type Generation,
  type GenerationPiece,
  Generator,
} from '../../language/generator.js'
import { headWeightsOf } from '../../language/headWeights.js'
import type { Model } from '../../model/model.js'
import type { Span } from '../../regions/spans.js'
import { expectObject } from '../../validate.js'
import { engineEnvironment } from '../engineEnvironment.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { scoreSamples, tokenScores, warningsOf } from './attentionTrace.js'
import { attnTraceOptions } from './attnTrace.js'
import { openPrompt } from './openTrace.js'
import { checkedSpan } from './span.js'

export const streamedTraceOptions = {
  avgK: attnTraceOptions.avgK,
  topK: attnTraceOptions.topK,
} as const

export interface StreamedTraceOptions extends Given<typeof streamedTraceOptions> {
  /** One weight for each head of each layer, in order; default the mean of all. */
  headWeights?: ArrayLike<number>
}

/** An answer that is being written, or was. */
interface Written {
  /** Of each token, what its row read of the texts' tokens. */
  readonly rows: Float32Array[]
  readonly ids: number[]
  spans: readonly Span[]
  milliseconds: number
}

/** What generation itself may be told; the attention is read by the trace. */
export type TracedGenerateOptions = Omit<GenerateOptions, 'attention'>

/**
 * Where an answer comes from while it is written: the attention of each token's row is read in the step that writes it,
 * so that sources can be shown with every sentence at almost no cost. It is what {@link AttnTrace} gives with `q: 1` and
 * `rows: 'predicting'` for the whole context, within rounding; nothing is read again.
 *
 * @example
 * const trace = await StreamedTrace.open(model, { context, question: 'Who won?' })
 * for await (const { text } of trace.stream({ maximumTokens: 200 })) {
 *   process.stdout.write(text)
 *   if (text.endsWith('.')) console.log((await trace.attribution()).top(1))
 * }
 */
export class StreamedTrace {
  readonly options: Resolved<typeof streamedTraceOptions>
  readonly #generator: Generator
  readonly #weights: Float32Array
  readonly #isMean: boolean
  /** The answer that was begun last: an earlier one that is still being written writes into its own. */
  #written: Written = { rows: [], ids: [], spans: [], milliseconds: 0 }

  private constructor(
    /** The prompt that is answered; it has no response. */
    readonly prompt: ContextPrompt,
    { headWeights, ...options }: StreamedTraceOptions,
  ) {
    this.options = resolveOptions(streamedTraceOptions, options)
    this.#generator = new Generator(prompt.model)
    this.#weights = headWeightsOf(prompt.model, headWeights)
    this.#isMean = headWeights === undefined
  }

  /** @throws AscribeError as {@link ContextPrompt.create}; OPTION_* */
  static async open(
    model: Model,
    given: ContextQuestion | ContextPrompt,
    options: StreamedTraceOptions = {},
    signal?: AbortSignal,
  ): Promise<StreamedTrace> {
    expectObject('options', options)
    return new StreamedTrace(await openPrompt(model, given, signal), options)
  }

  /** How many tokens are written so far. */
  get length(): number {
    return this.#written.ids.length
  }

  /** Writes the answer. What an earlier call wrote is forgotten. */
  async generate(options: TracedGenerateOptions = {}): Promise<Generation> {
    const { ids, observer, written, at } = await this.#begin(options)
    const generation = await this.#generator.generate(ids, { ...options, attention: observer })
    written.ids.push(...generation.ids)
    written.milliseconds = performance.now() - at
    return generation
  }

  /** Writes the answer and gives it piece by piece; {@link attribution} may be asked between two pieces. */
  async *stream(options: TracedGenerateOptions = {}): AsyncGenerator<GenerationPiece> {
    const { ids, observer, written, at } = await this.#begin(options)
    for await (const piece of this.#generator.stream(ids, { ...options, attention: observer })) {
      written.ids.push(piece.id)
      written.milliseconds = performance.now() - at
      yield piece
    }
  }

  /**
   * Scores of the texts for the answer so far, or for some of its tokens.
   *
   * @throws AscribeError INPUT_VALUE where nothing is written yet; OPTION_RANGE for a span outside it.
   */
  async attribution(span?: Span): Promise<ContextAttribution> {
    const { ids, rows: all, spans, milliseconds } = this.#written
    if (ids.length === 0) throw new AscribeError('INPUT_VALUE', 'Nothing was written yet')
    const { prompt, options } = this
    const { model } = prompt
    const traced = checkedSpan(span, ids.length)
    const lengths = spans.map(({ start, end }) => end - start)
    const width = lengths.reduce((sum, length) => sum + length, 0)
    const rows = new Float32Array((traced.end - traced.start) * width)
    for (let row = traced.start; row < traced.end; row++) rows.set(all[row]!, (row - traced.start) * width)
    const sample = { kept: [...prompt.texts.keys()], lengths, rows }
    const found = scoreSamples(prompt.texts.length, [sample], options.avgK, 0, traced.end - traced.start)
    const { response } = await prompt.withResponse([...ids])
    return new ContextAttribution({
      model: { name: model.name, hash: await model.hash() },
      method: {
        name: 'StreamedTrace',
        options: { ...options, ...(this.#isMean ? {} : { headWeights: Array.from(this.#weights) }) },
      },
      unit: this.#isMean ? 'mean attention weight' : 'weighted attention',
      texts: prompt.texts,
      response,
      responseSpan: traced,
      scores: found.scores,
      tokens: tokenScores(found.tokens, text => prompt.textTokens(text)),
      warnings: [
        ...prompt.warnings.map(message => ({ code: 'TEXTS_DROPPED', message })),
        ...warningsOf(found, { q: undefined, isMean: this.#isMean }),
      ],
      cost: { forwardPasses: 0, tokens: 0, milliseconds },
      environment: engineEnvironment(model.device, 1, model.precision),
    })
  }

  async #begin(options: TracedGenerateOptions) {
    expectObject('generate options', options)
    if ('attention' in options)
      throw new AscribeError('OPTION_UNKNOWN', 'generate options have no attention here: the trace reads it')
    const written: Written = { rows: [], ids: [], spans: [], milliseconds: 0 }
    this.#written = written
    const tokens = await this.prompt.allTokens()
    written.spans = tokens.spans
    const take = (row: Float32Array) => {
      const parts = tokens.spans.map(({ start, end }) => row.subarray(start, end))
      const own = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
      let at = 0
      for (const part of parts) {
        own.set(part, at)
        at += part.length
      }
      written.rows.push(own)
    }
    return { ids: tokens.ids, observer: { weights: this.#weights, take }, written, at: performance.now() }
  }
}
