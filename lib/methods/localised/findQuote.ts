import type { Span } from '../../regions/spans.js'

/** How a quotation was found. */
export type QuoteMatch = 'exact' | 'normalised' | 'fuzzy'

export interface FoundQuote extends Span {
  readonly match: QuoteMatch
}

/** Letters and digits in small letters, and where in the text each stands. */
function projection(text: string): { letters: string; starts: number[]; ends: number[] } {
  let letters = ''
  const [starts, ends]: [number[], number[]] = [[], []]
  let at = 0
  for (const point of text) {
    if (/[\p{L}\p{N}]/u.test(point)) {
      // A capital may be a letter and a mark in small.
      const small = point.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')
      letters += small
      for (let k = 0; k < small.length; k++) {
        starts.push(at)
        ends.push(at + point.length)
      }
    }
    at += point.length
  }
  return { letters, starts, ends }
}

/** Case aside; small letters that are longer than their capitals are compared letter by letter. */
function exact(text: string, quote: string): Span | undefined {
  const [small, wanted] = [text.toLowerCase(), quote.toLowerCase()]
  if (small.length === text.length) {
    const start = small.indexOf(wanted)
    return start < 0 ? undefined : { start, end: start + wanted.length }
  }
  for (let start = 0; start + quote.length <= text.length; start++)
    if (text.slice(start, start + quote.length).toLowerCase() === wanted)
      return { start, end: start + quote.length }
  return undefined
}

/** The first, shortest stretch whose letters and digits are the quotation's, whatever stands between them. */
function normalised(text: string, quote: string): Span | undefined {
  const needle = projection(quote).letters
  if (needle === '') return undefined
  const { letters, starts, ends } = projection(text)
  const at = letters.indexOf(needle)
  return at < 0 ? undefined : { start: starts[at]!, end: ends[at + needle.length - 1]! }
}

/** Characters of a quotation that are looked for approximately, as matchers by bits do. */
const pattern = 32

/**
 * Where the beginning of a quotation stands with the fewest edits (Sellers' algorithm, the place does not count), up to the
 * first later occurrence of its last word, or as many words.
 */
function fuzzy(text: string, quote: string, threshold: number): Span | undefined {
  const wanted = [...quote.trim().toLowerCase().slice(0, pattern)]
  if (wanted.length === 0) return undefined
  const small = text.toLowerCase()
  if (small.length !== text.length) return undefined
  // Edits of the pattern's first `row` characters that end here, and where such a match begins.
  let edits = wanted.map((_, row) => row + 1)
  let begins = wanted.map(() => 0)
  let best = { edits: Number.POSITIVE_INFINITY, start: 0, end: 0 }
  for (let at = 0; at < small.length; at++) {
    const [next, from]: [number[], number[]] = [[], []]
    for (const [row, letter] of wanted.entries()) {
      const diagonal = row === 0 ? 0 : edits[row - 1]!
      const options: [number, number][] = [
        [diagonal + (letter === small[at] ? 0 : 1), row === 0 ? at : begins[row - 1]!],
        [edits[row]! + 1, begins[row]!],
        [(row === 0 ? 0 : next[row - 1]!) + 1, row === 0 ? at + 1 : from[row - 1]!],
      ]
      const least = options.reduce((a, b) => (b[0] < a[0] ? b : a))
      next.push(least[0])
      from.push(least[1])
    }
    edits = next
    begins = from
    const last = edits.at(-1)!
    if (last < best.edits) best = { edits: last, start: begins.at(-1)!, end: at + 1 }
  }
  if (best.edits > threshold * wanted.length) return undefined
  const words = quote.trim().split(/\s+/)
  const lastWord = words.at(-1)!.toLowerCase()
  const found = words.length > 1 ? small.indexOf(lastWord, best.start) : -1
  if (found >= 0) return { start: best.start, end: found + lastWord.length }
  const rest = Array.from(text.slice(best.start).matchAll(/\S+/g)).slice(0, words.length).at(-1)
  if (rest === undefined) return undefined
  return { start: best.start, end: best.start + rest.index + rest[0].length }
}

/**
 * Finds a quotation in a text: as it is but for case; else by its letters and digits alone; else approximately.
 *
 * @param threshold Edits that the beginning may have, as a share of its length; 0: none, nothing is approximate.
 */
export function findQuote(text: string, quote: string, threshold: number): FoundQuote | undefined {
  const wanted = quote.trim()
  if (wanted === '') return undefined
  for (const [match, found] of [
    ['exact', () => exact(text, wanted)],
    ['normalised', () => normalised(text, wanted)],
    ['fuzzy', () => (threshold > 0 ? fuzzy(text, wanted, threshold) : undefined)],
  ] as const) {
    const span = found()
    if (span !== undefined) return { ...span, match }
  }
  return undefined
}
