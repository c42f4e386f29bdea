import { continuation, type WrittenText } from '../data/tokenizer/continuation.js'
import { AscribeError } from '../errors.js'
import type { Model } from '../model/model.js'
import { expectKnownKeys, expectObject, expectSignalAndProgress, typeError } from '../validate.js'
import { generating } from './decoding.js'
import { type Prompt, promptTokens, writtenPrompt } from './generator.js'
import { textStates } from './textRows/textStates.js'
import { tokenValues } from './textRows/tokenValues.js'

/** A text whose probability is wanted. */
export interface ScoreRequest {
  /** The text, as the tokens that the tokenizer writes behind what is given ({@link continuation}); or token ids. */
  readonly text: string | readonly number[]
  /** What stands before it. An encoder-decoder reads it. */
  readonly given: Prompt
}

/** How likely a text is. */
export interface TextScore {
  /** The sum over its tokens, in nats. */
  readonly logProbability: number
  readonly ids: readonly number[]
  /** Of each token, given everything before it. */
  readonly logProbabilities: readonly number[]
  /** The most likely token in each place. */
  readonly mostLikely: readonly number[]
}

export interface ScoreOptions {
  signal?: AbortSignal
  /** Texts done and in all. */
  onProgress?: (done: number, total: number) => void
}

/** Texts that are read together at most, for what they share. */
const textsTogether = 64

/** What a request comes to: ids of which all from `first` on are scored. */
interface Row {
  readonly ids: readonly number[]
  readonly first: number
  readonly source?: readonly number[]
}

/**
 * Log-probabilities of given texts: one pass over a text and what stands before it, in which only the states that
 * predict the text go through the product with the vocabulary.
 *
 * @example
 * const scorer = new Scorer(model)
 * const { logProbability } = await scorer.score({ given: 'The capital of France is', text: ' Paris' })
 */
export class Scorer {
  /** @throws AscribeError MODEL_CAPABILITY for models that do not predict tokens one by one. */
  constructor(readonly model: Model) {
    generating(model)
  }

  /** @throws AscribeError INPUT_VALUE for an empty text; INPUT_SHAPE where it is longer than the model's context. */
  async score(request: ScoreRequest, options: ScoreOptions = {}): Promise<TextScore> {
    const [only] = await this.scoreBatch([request], options)
    return only!
  }

  /** Scores texts side by side; each is what {@link score} gives, within the rounding of another batch. */
  async scoreBatch(requests: readonly ScoreRequest[], options: ScoreOptions = {}): Promise<TextScore[]> {
    if (!Array.isArray(requests)) throw typeError('requests', 'an array of requests', requests)
    expectObject('score options', options)
    expectKnownKeys('score options', options, ['signal', 'onProgress'])
    expectSignalAndProgress(options)
    const rows: Row[] = []
    for (const request of requests) rows.push(await this.#row(request, options.signal))
    const found: TextScore[] = []
    while (found.length < rows.length) {
      const group = rows.slice(found.length, found.length + textsTogether)
      found.push(...(await this.#scoreGroup(group, options.signal)))
      options.onProgress?.(found.length, rows.length)
    }
    return found
  }

  async #row(request: ScoreRequest, signal?: AbortSignal): Promise<Row> {
    expectObject('request', request)
    expectKnownKeys('request', request, ['text', 'given'])
    const { model } = this
    const { decoder } = generating(model)
    const { ids: given, written } = await writtenPrompt(model, request.given, signal)
    // An encoder reads what is given by itself.
    const behind = decoder.encode === undefined ? written : undefined
    const text = await this.#textTokens(request.text, behind, signal)
    const before = decoder.encode === undefined ? given : [decoder.startToken!]
    const ids = [...before, ...text]
    if (ids.length > decoder.contextLength)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The text and what is given are ${ids.length} tokens, and model ${model.name} reads ${decoder.contextLength} in all`,
      )
    return { ids, first: before.length, ...(decoder.encode === undefined ? {} : { source: given }) }
  }

  async #textTokens(
    text: string | readonly number[],
    behind: WrittenText | undefined,
    signal?: AbortSignal,
  ): Promise<readonly number[]> {
    const { model } = this
    if (typeof text !== 'string') return promptTokens(model, text, signal, 'text')
    if (model.tokenizer === undefined)
      throw new AscribeError('TOKENIZER_REQUIRED', `Model ${model.name} has no tokenizer: give token ids`)
    const { ids } = await continuation(model.tokenizer, behind, text, signal)
    if (ids.length === 0) throw new AscribeError('INPUT_VALUE', 'The text has no token')
    return ids
  }

  async #scoreGroup(group: readonly Row[], signal?: AbortSignal): Promise<TextScore[]> {
    const { model } = this
    const texts = group.map(({ ids, first, source }) => ({
      ids,
      firstRow: first - 1,
      endRow: ids.length - 1,
      ...(source ? { source } : {}),
    }))
    const { states } = await textStates(model, texts, { signal })
    const targets = group.flatMap(({ ids, first }) => ids.slice(first))
    const { values, mostLikely } = await tokenValues(model, states, targets, 'logProbability', signal)
    let from = 0
    return group.map(({ ids, first }) => {
      const own = ids.slice(first)
      const to = from + own.length
      const logProbabilities = Array.from(values.subarray(from, to))
      const best = Array.from(mostLikely!.subarray(from, to), Number)
      from = to
      return {
        logProbability: logProbabilities.reduce((sum, each) => sum + each, 0),
        ids: own,
        logProbabilities,
        mostLikely: best,
      }
    })
  }
}
