import type { Encoding, Tokenizer } from '../data/tokenizer/tokenizer.js'
import { AscribeError } from '../errors.js'
import type { Span } from '../regions/spans.js'
import type { PromptFrame } from './promptFrame.js'
import type { ContextText } from './segmentText.js'
import { placeTokens } from './tokenOffsets.js'

/** A piece of a prompt: a text of the context (`text` is its number), or what always stays. */
export interface Piece {
  readonly content: string
  readonly text: number | undefined
  /** Characters of the text in front that the prompt does not have. */
  readonly skipped?: number
}

export interface TokenPiece {
  readonly ids: readonly number[]
  readonly text: number | undefined
  /** Where each token lies in what the piece says, in UTF-16 units. */
  readonly places?: readonly (Span | null)[]
}

/** How texts that are written as tokens by themselves are put together. */
export interface ApartOptions {
  readonly dropFirstToken?: boolean
  readonly specialsInside?: boolean
}

/** Everything of a prompt in order: what stands before, the texts, what lies between them, what stands behind. */
export function piecesOf(
  { before, after, shown }: PromptFrame,
  texts: readonly ContextText[],
  whole: string,
): Piece[] {
  const inside = (start: number, end: number) =>
    whole.slice(Math.max(start, shown.start), Math.max(shown.start, Math.min(end, shown.end)))
  const pieces: Piece[] = [{ content: before, text: undefined }]
  let at = 0
  for (const [text, { start, end }] of texts.entries()) {
    if (start > at) pieces.push({ content: inside(at, start), text: undefined })
    pieces.push({ content: inside(start, end), text, skipped: Math.max(0, shown.start - start) })
    at = end
  }
  pieces.push({ content: inside(at, whole.length) + after, text: undefined })
  return pieces
}

/**
 * Tokens shared out among pieces by where each begins; one that is no letter goes with the one before it, but for those that
 * the tokenizer ends every text with, which always stay.
 */
function sharedOut(
  pieces: readonly Piece[],
  ids: readonly number[],
  spans: readonly (Span | null)[],
): TokenPiece[] {
  const end = spans.findLastIndex(span => span !== null) + 1
  const found = pieces.map(({ text }) => ({ ids: [] as number[], text, places: [] as (Span | null)[] }))
  let [piece, begin] = [0, 0]
  for (const [at, id] of ids.entries()) {
    const span = spans[at] ?? null
    if (at >= end) piece = pieces.length - 1
    while (span !== null && piece < pieces.length - 1) {
      const behind = begin + pieces[piece]!.content.length
      if (span.start < behind) break
      begin = behind
      piece++
    }
    found[piece]!.ids.push(id)
    found[piece]!.places.push(span && inPiece(span, begin, pieces[piece]!))
  }
  return found
}

/** A span of a whole text in one of its pieces. */
function inPiece({ start, end }: Span, begin: number, { content, skipped = 0 }: Piece): Span {
  const from = Math.max(0, start - begin)
  return { start: skipped + from, end: skipped + Math.max(from, Math.min(end - begin, content.length)) }
}

export const spansOf = (offsets: Encoding['offsets']): (Span | null)[] =>
  offsets.map(span => span && { start: span[0], end: span[1] })

export async function encodedPieces(
  tokenizer: Tokenizer,
  pieces: readonly Piece[],
  specials: boolean,
  signal?: AbortSignal,
): Promise<TokenPiece[]> {
  const text = pieces.map(({ content }) => content).join('')
  const { ids, offsets } = await tokenizer.encode(text, { specials, signal })
  return sharedOut(pieces, ids, spansOf(offsets))
}

/** Every piece by itself. */
export async function encodedApart(
  tokenizer: Tokenizer,
  pieces: readonly Piece[],
  specials: boolean,
  { dropFirstToken = false, specialsInside = false }: ApartOptions,
  signal?: AbortSignal,
): Promise<TokenPiece[]> {
  const found: TokenPiece[] = []
  for (const [at, { content, text }] of pieces.entries()) {
    const isText = text !== undefined
    const isLed = isText ? dropFirstToken : at === 0 ? specials : specialsInside && at === pieces.length - 1
    const { ids, offsets } =
      content === '' && !isLed
        ? { ids: [], offsets: [] }
        : await tokenizer.encode(content, { specials: isLed, signal })
    const from = isText && dropFirstToken ? 1 : 0
    found.push({ ids: ids.slice(from), text, places: spansOf(offsets.slice(from)) })
  }
  return found
}

/** Tokens that a model read: the prompt's, whichever way it was written as tokens. */
export async function givenPieces(
  tokenizer: Tokenizer,
  pieces: readonly Piece[],
  ids: readonly number[],
  signal?: AbortSignal,
): Promise<TokenPiece[]> {
  const text = pieces.map(({ content }) => content).join('')
  for (const specials of [true, false]) {
    const own = await tokenizer.encode(text, { specials, signal })
    if (own.ids.length === ids.length && own.ids.every((id, at) => id === ids[at]))
      return sharedOut(pieces, ids, spansOf(own.offsets))
  }
  for (const specials of [true, false]) {
    const placed = await placeTokens(tokenizer, ids, { specials, signal })
    if (placed.text !== text) continue
    return sharedOut(pieces, ids, placed.spans)
  }
  throw new AscribeError('INPUT_VALUE', 'promptIds are not the tokens of this prompt', {
    hint: 'The context, question, template and chat must be those that the model was asked with.',
  })
}
