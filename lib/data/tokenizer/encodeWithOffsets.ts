import { type Aligned, aligned, changed, type Span, slice } from './aligned.js'
import { type Alphabet, alphabetOf, layOut } from './pieces.js'
import { type TokenForm, tokenSpans } from './tokensOf.js'

/** Ids beyond are taken for damage. */
const mostTokens = 1 << 22

type Normalizer = ((text: string) => string) & {
  /** The steps of a sequence. */
  readonly normalizers?: readonly (Normalizer | null)[]
}

/** The parts of the tokenizers package that are used, as it has them. */
export interface PackageTokenizer {
  normalizer: Normalizer | null
  pre_tokenizer: ((text: string, options?: object) => string[]) | null
  model: ((pieces: string[]) => string[]) | null
  post_processor: ((tokens: string[], pair: null, special: boolean) => { tokens: string[] }) | null
  encode(
    text: string,
    options?: { add_special_tokens?: boolean; text_pair?: string; return_token_type_ids?: boolean },
  ): { ids: number[]; tokens: string[]; token_type_ids?: number[] }
  decode(
    ids: number[],
    options?: { skip_special_tokens?: boolean; clean_up_tokenization_spaces?: boolean },
  ): string
  token_to_id(token: string): number | undefined
  get_added_tokens_decoder(): Map<
    number,
    { content: string; normalized: boolean; lstrip: boolean; rstrip: boolean }
  >
}

/** A text as tokens. */
export interface Encoding {
  readonly ids: readonly number[]
  readonly tokens: readonly string[]
  /** Where each token lies in the text, in UTF-16 units without the white space around it; null for one that the
   * tokenizer added. */
  readonly offsets: readonly (Span | null)[]
}

/** Every token that a tokenizer has, by id; an id that is none is ''. */
export interface Vocabulary {
  /** As the tokenizer's model has them: letters of its own stand for spaces and bytes. */
  readonly tokens: readonly string[]
  /** Ids of tokens that are no letters of a text. */
  readonly special: readonly number[]
}

/** Two texts as the tokens of one input. */
export interface PairEncoding {
  readonly ids: readonly number[]
  /** Which text each token belongs to, as the model has it. */
  readonly types: readonly number[]
}

interface Placed {
  token: string
  span: Span
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

/**
 * A tokenizer of the package, which gives no offsets, with offsets: its stages are run one by one, each aligned with the
 * text before it. Tokens must be those that the package gives for the whole text, or there are none.
 */
export class OffsetEncoder {
  readonly #tokenizer: PackageTokenizer
  readonly #alphabet: Alphabet
  readonly #form: TokenForm
  readonly #description: Record<string, unknown>
  readonly #added: { verbatim: RegExp | undefined; normalized: RegExp | undefined }
  readonly #contents: ReadonlyMap<string, { content: string; lstrip: boolean; rstrip: boolean }>

  constructor(tokenizer: PackageTokenizer, description: Record<string, unknown>) {
    this.#tokenizer = tokenizer
    this.#alphabet = alphabetOf(description.pre_tokenizer)
    this.#form = formOf(description)
    this.#description = description
    const contents = new Map<string, { content: string; lstrip: boolean; rstrip: boolean }>()
    const [verbatim, normalized]: [string[], string[]] = [[], []]
    for (const token of tokenizer.get_added_tokens_decoder().values()) {
      const isNormalized = token.normalized && tokenizer.normalizer !== null
      const text = isNormalized ? tokenizer.normalizer!(token.content) : token.content
      if (text === '') continue
      contents.set(text, token)
      ;(isNormalized ? normalized : verbatim).push(text)
    }
    const pattern = (texts: string[]) =>
      texts.length === 0
        ? undefined
        : new RegExp(
            `(${texts
              .toSorted((a, b) => b.length - a.length)
              .map(escaped)
              .join('|')})`,
            'u',
          )
    this.#added = { verbatim: pattern(verbatim), normalized: pattern(normalized) }
    this.#contents = contents
  }

  /** Tokens as a text; nothing is tidied, so that a text's tokens give the text. */
  decode(ids: readonly number[], specials: boolean): string {
    if (ids.length === 0) return ''
    return this.#tokenizer.decode([...ids], {
      skip_special_tokens: !specials,
      clean_up_tokenization_spaces: false,
    })
  }

  /**
   * @param specials Whether the tokenizer adds those that it puts at the ends.
   * @throws Error where the stages do not give what the package does.
   */
  encode(text: string, specials = true): Encoding {
    const whole = this.#tokenizer.encode(text, { add_special_tokens: specials })
    const placed = this.#place(text)
    // Tokens that are added around the text are told from its own by marks in their place.
    const marks = placed.map((_, at) => `\u0000${at}`)
    const order = this.#tokenizer.post_processor?.(marks, null, specials).tokens ?? marks
    const own = order.map(token => (token.startsWith('\u0000') ? placed[Number(token.slice(1))]! : undefined))
    const tokens = order.map((token, at) => own[at]?.token ?? token)
    if (tokens.length !== whole.tokens.length || tokens.some((token, at) => token !== whole.tokens[at]))
      throw new Error('its stages, one by one, do not give the tokens of the whole')
    const missing = whole.ids.findIndex(id => !Number.isInteger(id))
    if (missing >= 0)
      throw new Error(`token ${JSON.stringify(tokens[missing])} has no id, and none is unknown`)
    return {
      ids: whole.ids,
      tokens,
      offsets: own.map(each => (each === undefined ? null : trimmed(text, each.span))),
    }
  }

  /** @throws Error where the tokenizer has no form for two texts, which would then be one. */
  encodePair(first: string, second: string): PairEncoding {
    const { ids, token_type_ids: types = [] } = this.#tokenizer.encode(first, {
      text_pair: second,
      return_token_type_ids: true,
    })
    const apart = [first, second].map(text => this.encode(text, false).ids.length)
    if (ids.length <= apart[0]! + apart[1]!) throw new Error('it puts nothing between two texts')
    if (types.length !== ids.length || !ids.every(Number.isInteger))
      throw new Error('the tokens of two texts are incomplete')
    return { ids, types }
  }

  vocabulary(): Vocabulary {
    const { vocab } = (this.#description.model ?? {}) as { vocab?: unknown }
    const tokens: string[] = []
    const put = (id: unknown, token: unknown) => {
      if (!Number.isSafeInteger(id) || (id as number) < 0 || (id as number) >= mostTokens) return
      while (tokens.length <= (id as number)) tokens.push('')
      if (typeof token === 'string') tokens[id as number] = token
    }
    if (Array.isArray(vocab))
      for (const [id, entry] of vocab.entries()) put(id, Array.isArray(entry) ? entry[0] : entry)
    else for (const [token, id] of Object.entries((vocab ?? {}) as object)) put(id, token)
    const special: number[] = []
    const added = this.#description.added_tokens
    for (const each of (Array.isArray(added) ? added : []) as Record<string, unknown>[]) {
      put(each?.id, each?.content)
      if (each?.special === true) special.push(each.id as number)
    }
    return { tokens, special }
  }

  #place(text: string): Placed[] {
    const { normalizer } = this.#tokenizer
    return this.#sections(aligned(text), this.#added.verbatim).flatMap((section, index) => {
      if ('token' in section) return [section]
      const normalized = normalizer === null ? section : normalize(section, normalizer)
      if (normalized.text === '') return []
      return this.#sections(normalized, this.#added.normalized).flatMap(part =>
        'token' in part ? [part] : this.#tokens(part, index),
      )
    })
  }

  /** Tokens that stand in the text as they are, and what lies between them. */
  #sections(from: Aligned, added: RegExp | undefined): (Placed | Aligned)[] {
    if (added === undefined) return [from]
    const parts = from.text.split(added)
    const places = parts.map((part, at) => ({
      part,
      token: at % 2 === 1 ? this.#contents.get(part) : undefined,
    }))
    let offset = 0
    const found: (Placed | Aligned)[] = []
    for (const [at, { part, token }] of places.entries()) {
      const [start, end] = [offset, offset + part.length]
      offset = end
      if (token !== undefined) {
        found.push({ token: token.content, span: [from.starts[start]!, from.ends[end - 1]!] })
        continue
      }
      const left = places[at - 1]?.token?.rstrip ? part.length - part.trimStart().length : 0
      const right = places[at + 1]?.token?.lstrip ? part.length - part.trimEnd().length : 0
      if (left + right < part.length) found.push(slice(from, start + left, end - right))
    }
    return found
  }

  #tokens(section: Aligned, index: number): Placed[] {
    const { pre_tokenizer: split, model } = this.#tokenizer
    const options = { section_index: index }
    const pieces = split === null ? [section.text] : split(section.text, options)
    const laid = layOut(section, pieces, this.#alphabet, text =>
      split === null ? [text] : split(text, options),
    )
    if (laid === undefined) throw new Error('its pieces are not found in the text')
    return laid.flatMap(piece => {
      const tokens = model!([piece.text])
      const spans = tokenSpans(piece, tokens, this.#form)
      if (spans === undefined)
        throw new Error(`the tokens of ${JSON.stringify(piece.text)} do not add up to it`)
      return tokens.map((token, at) => ({ token, span: spans[at]! }))
    })
  }
}

/** Steps one by one, each aligned with the text before it. */
const normalize = (from: Aligned, normalizer: Normalizer): Aligned =>
  normalizer.normalizers === undefined
    ? changed(from, text => normalizer(text))
    : normalizer.normalizers.reduce<Aligned>(
        (text, step) => (step === null ? text : normalize(text, step)),
        from,
      )

function formOf(description: Record<string, unknown>): TokenForm {
  const model = (description.model ?? {}) as Record<string, unknown>
  const isWordPiece =
    'continuing_subword_prefix' in model && (model.type === 'WordPiece' || !('merges' in model))
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    prefix: text(model.continuing_subword_prefix),
    suffix: text(model.continuing_subword_suffix),
    wordSuffix: text(model.end_of_word_suffix),
    hasByteTokens: model.byte_fallback === true,
    unknown: typeof model.unk_token === 'string' ? model.unk_token : undefined,
    knowsWholePieces: isWordPiece,
    fusesUnknown: model.fuse_unk === true,
  }
}

/** A span without the white space at its ends, unless there is nothing else. */
function trimmed(text: string, [start, end]: Span): Span {
  const own = text.slice(start, end)
  if (own.trim() === '') return [start, end]
  return [start + own.length - own.trimStart().length, end - (own.length - own.trimEnd().length)]
}
