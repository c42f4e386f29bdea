import { type Span, spanOf } from './aligned.js'
import type { Piece } from './pieces.js'

/** What of a tokenizer's model says how its tokens stand for text. */
export interface TokenForm {
  /** Put before every token of a piece but the first. */
  readonly prefix: string
  /** Put behind every token of a piece but the last. */
  readonly suffix: string
  /** Put behind the last token of a piece. */
  readonly wordSuffix: string
  readonly hasByteTokens: boolean
  readonly unknown: string | undefined
  /** A piece is known as a whole, or not at all. */
  readonly knowsWholePieces: boolean
  readonly fusesUnknown: boolean
}

const byteToken = /^<0x[0-9A-F]{2}>$/
const encoder = new TextEncoder()

/** The letters that a token stands for. */
function letters(token: string, at: number, count: number, form: TokenForm): string {
  let own = token
  if (at > 0 && form.prefix !== '' && own.startsWith(form.prefix)) own = own.slice(form.prefix.length)
  if (at < count - 1 && form.suffix !== '' && own.endsWith(form.suffix))
    own = own.slice(0, -form.suffix.length)
  if (at === count - 1 && form.wordSuffix !== '' && own.endsWith(form.wordSuffix))
    own = own.slice(0, -form.wordSuffix.length)
  return own
}

/** The range of the whole text that each token of a piece stands for; undefined where they do not fit the piece. */
export function tokenSpans(piece: Piece, tokens: readonly string[], form: TokenForm): Span[] | undefined {
  const { text } = piece
  const spans: Span[] = []
  let cursor = 0
  /** Bytes of the character at the cursor that tokens have stood for. */
  let bytes = 0
  for (const [at, token] of tokens.entries()) {
    const own = letters(token, at, tokens.length, form)
    if (bytes === 0 && own !== '' && text.startsWith(own, cursor)) {
      spans.push(spanOf(piece, cursor, cursor + own.length))
      cursor += own.length
      continue
    }
    const character = String.fromCodePoint(text.codePointAt(cursor) ?? 0x20)
    if (form.hasByteTokens && byteToken.test(token)) {
      spans.push(spanOf(piece, cursor, cursor + character.length))
      bytes += 1
      if (bytes < encoder.encode(character).length) continue
      bytes = 0
      cursor += character.length
      continue
    }
    if (token !== form.unknown) {
      // Characters that a model has no word for may be left out.
      const found = text.indexOf(own, cursor)
      if (found < 0) return undefined
      spans.push(spanOf(piece, found, found + own.length))
      cursor = found + own.length
      continue
    }
    const end = unknownEnd(piece, cursor, tokens, at, form)
    spans.push(spanOf(piece, cursor, end))
    cursor = end
  }
  return spans
}

/** Where an unknown token ends: the whole piece, one character, or what lies before the next known token. */
function unknownEnd(
  { text }: Piece,
  cursor: number,
  tokens: readonly string[],
  at: number,
  form: TokenForm,
): number {
  if (form.knowsWholePieces || (form.fusesUnknown && at === tokens.length - 1)) return text.length
  if (form.fusesUnknown) {
    const next = text.indexOf(letters(tokens[at + 1]!, at + 1, tokens.length, form), cursor + 1)
    return next < 0 ? text.length : next
  }
  return cursor + String.fromCodePoint(text.codePointAt(cursor) ?? 0x20).length
}
