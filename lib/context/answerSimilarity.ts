import { AscribeError } from '../errors.js'
import { type Coalition, membersOf } from '../games/coalition.js'
import { type CoalitionEvaluator, CoalitionGame } from '../games/coalitionGame.js'
import type { TextGenerator } from '../language/services.js'
import { expectInteger, expectKnownKeys, expectObject, expectString, typeError } from '../validate.js'
import { bleu } from './bleu.js'
import { cutTemplate, usualTemplate } from './promptFrame.js'
import { type ContextText, joinPassages, type SegmentOptions, segmentText } from './segmentText.js'

/** A context, what was asked about it, and what was answered, by a model that only writes texts. */
export interface AnswerRequest extends SegmentOptions {
  /** One text, which is cut, or passages, which are the texts as they are. */
  context: string | readonly string[]
  question?: string
  /** Text with `[context]` and, where there is a question, `[question]`. */
  template?: string
  response: string
}

export interface AnswerSimilarityOptions {
  /** Tokens of each answer at most. Default 256. */
  maximumTokens?: number
  /** Requests that are made at once, where the generator allows. Default 4. */
  concurrency?: number
}

const usualTokens = 256

/**
 * How much a model that only writes texts answers alike when its prompt keeps only some texts of its context: BLEU of the
 * answer against the response, from 0 to 1, where no log-probability can be asked for. One answer for each set; sets that
 * were asked for are remembered. Give it to methods that leave texts out, made for the same generator.
 *
 * Source: Wang et al., "TracLLM" (arXiv 2506.04202, 2025), for black boxes; which BLEU it takes is [unconfirmed].
 *
 * @example
 * const similarity = new AnswerSimilarity(new RemoteGenerator(endpoint), { context, question, response })
 * const found = await new ContextLeaveOneOut(similarity.generator).attribute(similarity)
 */
export class AnswerSimilarity {
  readonly texts: readonly ContextText[]
  readonly response: string
  readonly question: string | undefined
  readonly #known: CoalitionGame
  readonly #before: string
  readonly #after: string
  readonly #whole: string
  readonly #maximumTokens: number

  /** @throws AscribeError INPUT_VALUE for no texts or an empty response; OPTION_* */
  constructor(
    readonly generator: TextGenerator,
    request: AnswerRequest,
    options: AnswerSimilarityOptions = {},
  ) {
    if (typeof generator?.generate !== 'function')
      throw typeError('generator', 'something that generates texts', generator)
    expectObject('answer request', request)
    const { context, question, template, response, ...cut } = request
    expectKnownKeys('answer request', cut, ['unit', 'segmentWords', 'spans'])
    if (question !== undefined) expectString('question', question)
    if (template !== undefined) expectString('template', template)
    this.response = expectString('response', response)
    this.question = question
    if (response.trim() === '') throw new AscribeError('INPUT_VALUE', 'The response is empty')
    expectObject('options', options)
    expectKnownKeys('options', options, ['maximumTokens', 'concurrency'])
    this.#maximumTokens = expectInteger('maximumTokens', options.maximumTokens ?? usualTokens, 1, 1 << 20)
    const concurrency = expectInteger('concurrency', options.concurrency ?? 4, 1, 256)
    this.texts = typeof context === 'string' ? segmentText(context, cut) : joinPassages(context)
    this.#whole = typeof context === 'string' ? context : this.texts.map(({ text }) => text).join('')
    const parts = cutTemplate(template ?? usualTemplate(question, true), question)
    this.#before = parts[0]
    this.#after = parts[1]
    const evaluator: CoalitionEvaluator = {
      batch: concurrency,
      width: 1,
      evaluate: (requests, signal) =>
        Promise.all(
          requests.map(async ({ coalition }) => Float64Array.of(await this.#similarity(coalition, signal))),
        ),
    }
    this.#known = new CoalitionGame({ players: this.texts.length, evaluator })
  }

  /** Answers that were asked for. */
  get evaluations(): number {
    return this.#known.cost.evaluations
  }

  /** The game of the texts, which shares what is known. */
  game(): CoalitionGame {
    return this.#known
  }

  /** The prompt that keeps some of the texts; what lies between texts stays. */
  promptWith(kept: Iterable<number>): string {
    const wanted = new Set(kept)
    let [content, at] = ['', 0]
    for (const [text, { start, end }] of this.texts.entries()) {
      content += this.#whole.slice(at, start)
      if (wanted.has(text)) content += this.#whole.slice(start, end)
      at = end
    }
    return this.#before + content + this.#whole.slice(at) + this.#after
  }

  async #similarity(coalition: Coalition, signal: AbortSignal | undefined): Promise<number> {
    const { text } = await this.generator.generate(this.promptWith(membersOf(coalition)), {
      temperature: 0,
      maximumTokens: this.#maximumTokens,
      ...(signal ? { signal } : {}),
    })
    if (text === undefined)
      throw new AscribeError(
        'TOKENIZER_REQUIRED',
        'The generator writes no texts: its model has no tokenizer',
      )
    return bleu(this.response, text)
  }
}
