import { type Aligned, aligned, byParts, slice } from './aligned.js'

/** A piece of text that the tokenizer's model makes tokens of by itself. */
export type Piece = Aligned

const byteAlphabet: readonly string[] = (() => {
  const isShown = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isShown(byte) ? byte : next++))
})()

const encoder = new TextEncoder()

/** Text as byte-level tokenizers see it: one letter for each byte of UTF-8. */
const asBytes = (text: string): string =>
  Array.from(encoder.encode(text), byte => byteAlphabet[byte]).join('')

/** What a pre-tokenizer puts in place of characters before it splits. */
export interface Alphabet {
  readonly isBytes: boolean
  /** What stands for a space, where something does. */
  readonly space: string | undefined
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

/** The alphabet of a tokenizer's pieces, from the description of its pre-tokenizer. */
export function alphabetOf(preTokenizer: unknown): Alphabet {
  const parts = flattened(preTokenizer)
  const isBytes = parts.some(part => part.type === 'ByteLevel')
  const meta = parts.find(part => part.type === 'Metaspace')
  const space = meta === undefined ? undefined : String(meta.replacement ?? '\u2581')
  return { isBytes, space: isBytes ? byteAlphabet[0x20] : space }
}

/** A description and those inside it. */
export function flattened(description: unknown): Record<string, unknown>[] {
  if (typeof description !== 'object' || description === null) return []
  const own = description as Record<string, unknown>
  const inner = [...list(own.pretokenizers), ...list(own.normalizers), ...list(own.processors)]
  return [own, ...inner.flatMap(flattened)]
}

/**
 * Lays pieces out on the text that they were split from. What lies between two is dropped text: it must make no pieces
 * itself. Undefined where a piece is not found.
 */
export function layOut(
  from: Aligned,
  pieces: readonly string[],
  { isBytes, space }: Alphabet,
  split: (text: string) => readonly string[],
): Piece[] | undefined {
  const letters = (part: string) =>
    isBytes ? asBytes(part) : space === undefined ? part : part.replaceAll(' ', space)
  const parts = [...from.text]
  const seen = byParts(from, parts, letters)
  const own = byParts(aligned(from.text), parts, letters)
  const isDropped = (start: number, end: number) => {
    if (start >= end) return true
    const text = from.text.slice(own.starts[start], own.ends[end - 1])
    return text.trim() === '' || split(text).length === 0
  }
  const find = (piece: string, cursor: number): number => {
    for (let at = seen.text.indexOf(piece, cursor); at >= 0; at = seen.text.indexOf(piece, at + 1))
      if (isDropped(cursor, at)) return at
    return -1
  }
  let cursor = 0
  const found: Piece[] = []
  for (const piece of pieces) {
    const at = find(piece, cursor)
    // A space that was put in front stands for nothing.
    const isLed = space !== undefined && piece.startsWith(space)
    const rest = isLed ? piece.slice(space.length) : piece
    const behind = isLed ? find(rest, cursor) : -1
    if (at < 0 && behind < 0) return undefined
    const isPut = at < 0 || (behind >= 0 && behind < at)
    const start = isPut ? behind : at
    const end = start + (isPut ? rest.length : piece.length)
    const laid = slice(seen, start, end)
    const edge = laid.starts[0] ?? seen.ends[start - 1] ?? from.starts[0] ?? 0
    found.push(
      isPut
        ? {
            text: piece,
            starts: [...Array.from(space!, () => edge), ...laid.starts],
            ends: [...Array.from(space!, () => edge), ...laid.ends],
          }
        : laid,
    )
    cursor = end
  }
  return found
}
