import { AscribeError } from '../errors.js'
import { generating } from '../language/decoding.js'
import { promptTokens } from '../language/generator.js'
import type { Model } from '../model/model.js'
import type { Span } from '../regions/spans.js'
import {
  expectInteger,
  expectIterable,
  expectKnownKeys,
  expectObject,
  expectOneOf,
  expectSignalAndProgress,
  expectString,
  typeError,
} from '../validate.js'
import { fitted } from './fittedPieces.js'
import { type FrameOptions, promptFrame } from './promptFrame.js'
import {
  encodedApart,
  encodedPieces,
  givenPieces,
  type Piece,
  piecesOf,
  type TokenPiece,
} from './promptPieces.js'
import { type ResponseTokens, responseTokens, type WrittenBefore } from './responseTokens.js'
import {
  type ContextText,
  joinPassages,
  type SegmentOptions,
  segmentOptionsOf,
  segmentText,
} from './segmentText.js'

/** How a prompt without some of its texts becomes tokens. */
export type PromptTokenisation = 'once' | 'anew' | 'apart'

export const promptTokenisations = ['once', 'anew', 'apart'] as const

/** A context, and what is asked about it. */
export interface ContextQuestion extends SegmentOptions, FrameOptions {
  /** One text, which is cut ({@link segmentText}), or passages, which are the texts as they are. */
  context: string | readonly string[]
  /**
   * `once`: the whole prompt is written as tokens and texts are tokens that are left out; `anew`: each shorter prompt is
   * written as tokens by itself; `apart`: every text is, and they are put together. Default once.
   */
  tokenisation?: PromptTokenisation
  /** Token ids of the whole prompt as a model read them ({@link Generation.promptIds}). */
  promptIds?: readonly number[]
  /** With `apart`: leaves out the first token of each text, whatever it is, as the reference does. Default false. */
  dropFirstToken?: boolean
  /** With `apart`: tokens that the tokenizer adds at ends are also put before what follows the context and before the response, as the reference does. Default false. */
  specialsInside?: boolean
  /** What is done with a prompt and response longer than the model reads: an error, or texts are left out from the end on. Default error. */
  overlong?: 'error' | 'drop'
}

/** A context, what was asked about it, and the response that it is to be traced for. */
export interface ContextRequest extends ContextQuestion {
  /**
   * What the model answered: a text, whose tokens are those that the tokenizer writes behind the prompt (with `apart`: by
   * itself), or the token ids that it wrote.
   */
  response: string | readonly number[]
}

/** A prompt as token ids alone. */
export interface TokenRequest {
  /** The whole prompt. */
  ids: readonly number[]
  /** Which of these tokens each text is, in order. */
  spans: readonly Span[]
  /** The tokens that the model wrote; default none yet. */
  response?: readonly number[]
}

/** Tokens of a prompt that some texts were left out of. */
export interface PromptTokens {
  readonly ids: readonly number[]
  /** The tokens of each text that is kept, in the order of the texts. */
  readonly spans: readonly Span[]
}

/** Writes a shorter prompt as tokens. What stopped the making of the prompt has no say in it. */
type WrittenAnew = (kept: ReadonlySet<number>, signal?: AbortSignal) => Promise<readonly TokenPiece[]>

const requestKeys = [
  'context',
  'question',
  'response',
  'template',
  'chat',
  'system',
  'unit',
  'segmentWords',
  'spans',
  'tokenisation',
  'promptIds',
  'dropFirstToken',
  'specialsInside',
  'overlong',
]

/**
 * A prompt with a context of several texts, of which any can be left out, and a response: what all traces of a context
 * stand on. Texts are removed, not masked: the tokens behind them move up.
 */
export class ContextPrompt {
  readonly #pieces: readonly TokenPiece[]
  readonly #anew: WrittenAnew | undefined
  readonly #written: WrittenBefore

  private constructor(
    readonly model: Model,
    /** Texts of the context in order. */
    readonly texts: readonly ContextText[],
    readonly response: ResponseTokens,
    pieces: readonly TokenPiece[],
    written: WrittenBefore,
    /** What was left out so that the rest fits the model. */
    readonly warnings: readonly string[] = [],
    anew?: WrittenAnew,
    /** What was asked; absent for token ids alone. */
    readonly question?: string,
  ) {
    this.#pieces = pieces
    this.#written = written
    this.#anew = anew
  }

  /**
   * Cuts the context, fills the template and writes all of it as tokens. Without a response the prompt is one to be
   * answered ({@link withResponse}).
   *
   * @throws AscribeError INPUT_VALUE for no texts, a text without tokens, an empty response, token ids that are not the
   *   prompt; INPUT_SHAPE where it is longer than the model reads; OPTION_*; TOKENIZER_REQUIRED; MODEL_CAPABILITY.
   */
  static async create(
    model: Model,
    request: ContextQuestion | ContextRequest,
    signal?: AbortSignal,
  ): Promise<ContextPrompt> {
    generating(model)
    expectObject('context request', request)
    expectKnownKeys('context request', request, requestKeys)
    expectSignalAndProgress({ signal })
    const { context, tokenisation = 'once', overlong = 'error' } = request
    const response = 'response' in request ? request.response : undefined
    expectOneOf('tokenisation', tokenisation, promptTokenisations)
    expectOneOf('overlong', overlong, ['error', 'drop'] as const)
    for (const name of ['dropFirstToken', 'specialsInside'] as const)
      if (request[name] !== undefined && typeof request[name] !== 'boolean')
        throw typeError(name, 'true or false', request[name])
      else if (request[name] && tokenisation !== 'apart')
        throw new AscribeError('OPTION_RANGE', `${name} goes with tokenisation apart alone`)
    if (request.question !== undefined) expectString('question', request.question)
    if (request.template !== undefined) expectString('template', request.template)
    const { tokenizer } = model
    if (tokenizer === undefined)
      throw new AscribeError('TOKENIZER_REQUIRED', `Model ${model.name} has no tokenizer`, {
        hint: 'Give token ids and spans (ContextPrompt.fromTokens).',
      })
    if (typeof context !== 'string' && (request.unit ?? request.spans) !== undefined)
      throw new AscribeError(
        'OPTION_RANGE',
        'Several passages are texts as they are: unit and spans need one',
      )
    const texts =
      typeof context === 'string' ? segmentText(context, segmentOptionsOf(request)) : joinPassages(context)
    const whole = typeof context === 'string' ? context : texts.map(({ text }) => text).join('')
    const frame = await promptFrame(model, whole, request, signal)
    const pieces = piecesOf(frame, texts, whole)
    const encode = (some: readonly Piece[], own: AbortSignal | undefined) =>
      encodedPieces(tokenizer, some, frame.specials, own)
    let parts: readonly TokenPiece[]
    if (tokenisation === 'apart')
      parts = await encodedApart(tokenizer, pieces, frame.specials, request, signal)
    else if (request.promptIds !== undefined)
      parts = await givenPieces(
        tokenizer,
        pieces,
        await promptTokens(model, request.promptIds, signal),
        signal,
      )
    else parts = await encode(pieces, signal)
    const ids = parts.flatMap(each => each.ids)
    const written =
      tokenisation === 'apart'
        ? { ids, specialsInside: request.specialsInside === true }
        : { ids, text: pieces.map(({ content }) => content).join(''), specials: frame.specials }
    const answer =
      response === undefined ? noResponse : await responseTokens(model, response, written, signal)
    const made = fitted(model, texts, parts, answer.ids.length, overlong)
    const anew =
      tokenisation === 'anew'
        ? (kept: ReadonlySet<number>, own?: AbortSignal) =>
            encode(
              pieces.filter(({ text }) => text === undefined || kept.has(text)),
              own,
            )
        : undefined
    return new ContextPrompt(
      model,
      made.texts,
      answer,
      made.pieces,
      written,
      made.warnings,
      anew,
      request.question,
    )
  }

  /**
   * A prompt as token ids, for models without tokenizers and for prompts that a program put together itself.
   *
   * @throws AscribeError INPUT_VALUE for ids that are none of the model's, spans out of order; INPUT_SHAPE.
   */
  static async fromTokens(model: Model, request: TokenRequest): Promise<ContextPrompt> {
    generating(model)
    expectObject('token request', request)
    expectKnownKeys('token request', request, ['ids', 'spans', 'response'])
    const ids = await promptTokens(model, request.ids)
    const response =
      request.response === undefined ? noResponse : await responseTokens(model, request.response, { ids })
    if (!Array.isArray(request.spans) || request.spans.length === 0)
      throw new AscribeError('INPUT_VALUE', 'The context has no texts: spans is empty')
    const pieces: TokenPiece[] = []
    let at = 0
    for (const [text, span] of request.spans.entries()) {
      const start = expectInteger(`spans[${text}].start`, span?.start, 0, ids.length - 1)
      const end = expectInteger(`spans[${text}].end`, span?.end, start + 1, ids.length)
      if (start < at)
        throw new AscribeError('INPUT_VALUE', `Span ${text} begins before the one before it ends (${at})`)
      pieces.push({ ids: ids.slice(at, start), text: undefined }, { ids: ids.slice(start, end), text })
      at = end
    }
    pieces.push({ ids: ids.slice(at), text: undefined })
    const { tokenizer } = model
    let place = 0
    const texts: ContextText[] = []
    for (const piece of pieces) {
      if (piece.text === undefined) continue
      const text = tokenizer ? await tokenizer.decode(piece.ids, { specials: true }) : ''
      texts.push({ text, start: place, end: place + text.length })
      place += text.length
    }
    const { pieces: kept } = fitted(model, texts, pieces, response.ids.length, 'error')
    return new ContextPrompt(model, texts, response, kept, { ids })
  }

  /**
   * The same prompt with another response: a text, or the token ids that a model wrote.
   *
   * @throws AscribeError INPUT_VALUE for an empty one; INPUT_SHAPE where the model reads less.
   */
  async withResponse(response: string | readonly number[], signal?: AbortSignal): Promise<ContextPrompt> {
    expectSignalAndProgress({ signal })
    const answer = await responseTokens(this.model, response, this.#written, signal)
    const { pieces } = fitted(this.model, this.texts, this.#pieces, answer.ids.length, 'error')
    return new ContextPrompt(
      this.model,
      this.texts,
      answer,
      pieces,
      this.#written,
      this.warnings,
      this.#anew,
      this.question,
    )
  }

  /** The response. @throws AscribeError INPUT_VALUE where there is none yet. */
  answered(): ResponseTokens {
    if (this.response.ids.length === 0)
      throw new AscribeError('INPUT_VALUE', 'The prompt has no response yet', {
        hint: 'Give `response`, or let a Generator write one (withResponse).',
      })
    return this.response
  }

  /**
   * The prompt's tokens with these texts only, in their order whatever the order of `kept`.
   *
   * @throws AscribeError OPTION_RANGE for a text that there is not; OPTION_TYPE; ABORTED.
   */
  async tokens(kept: Iterable<number>, signal?: AbortSignal): Promise<PromptTokens> {
    expectSignalAndProgress({ signal })
    const wanted = new Set(expectIterable('kept', kept, 'a list of numbers of texts'))
    for (const text of wanted) expectInteger('text', text, 0, this.texts.length - 1)
    const pieces =
      this.#anew === undefined
        ? this.#pieces.filter(({ text }) => text === undefined || wanted.has(text))
        : await this.#anew(wanted, signal)
    const spans: Span[] = []
    let at = 0
    for (const { ids, text } of pieces) {
      if (text !== undefined) spans.push({ start: at, end: at + ids.length })
      at += ids.length
    }
    return { ids: pieces.flatMap(({ ids }) => ids), spans }
  }

  /** The tokens of a text in the whole prompt, and where each lies in the context. */
  textTokens(text: number): { readonly id: number; readonly span: Span | null }[] {
    expectInteger('text', text, 0, this.texts.length - 1)
    const piece = this.#pieces.find(each => each.text === text)
    const { start } = this.texts[text]!
    return (piece?.ids ?? []).map((id, at) => {
      const place = piece!.places?.[at] ?? null
      return { id, span: place && { start: start + place.start, end: start + place.end } }
    })
  }

  /** The whole prompt. */
  async allTokens(): Promise<PromptTokens> {
    return this.tokens(this.texts.keys())
  }
}

const noResponse: ResponseTokens = { ids: [] }
