import type { Span } from '../../regions/spans.js'

/** How a quotation was found. */
export type QuoteMatch = 'exact' | 'normalised' | 'fuzzy'

export interface FoundQuote extends Span {
  readonly match: QuoteMatch
}

/** Counts comparisons of characters, so that tests can hold them to a bound. */
export interface QuoteWork {
  comparisons: number
}

/** What of a text is compared, and where in the text each of its characters stands. */
interface Projection {
  readonly letters: string
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

/** Characters of the text one by one, as `shown` has them. */
function projection(text: string, shown: (point: string) => string): Projection {
  let letters = ''
  const [starts, ends]: [number[], number[]] = [[], []]
  let at = 0
  for (const point of text) {
    const own = shown(point)
    letters += own
    for (let k = 0; k < own.length; k++) {
      starts.push(at)
      ends.push(at + point.length)
    }
    at += point.length
  }
  return { letters, starts, ends }
}

/** A sigma at the end of a word is one elsewhere too. */
const small = (point: string): string => point.toLowerCase().replace('ς', 'σ')
/** Letters and digits in small letters; a capital may be a letter and a mark in small. */
const lettersAlone = (point: string): string =>
  /[\p{L}\p{N}]/u.test(point) ? small(point).replace(/[^\p{L}\p{N}]/gu, '') : ''

/**
 * The first place of one text in another (Knuth, Morris and Pratt): at most two comparisons for each character of both,
 * whatever they are.
 */
function placeOf(wanted: string, text: string, work: QuoteWork): number {
  const back = new Int32Array(wanted.length)
  for (let at = 1, known = 0; at < wanted.length; at++) {
    while (known > 0 && ++work.comparisons && wanted[at] !== wanted[known]) known = back[known - 1]!
    work.comparisons++
    if (wanted[at] === wanted[known]) known++
    back[at] = known
  }
  for (let at = 0, known = 0; at < text.length; at++) {
    while (known > 0 && ++work.comparisons && text[at] !== wanted[known]) known = back[known - 1]!
    work.comparisons++
    if (text[at] === wanted[known]) known++
    if (known === wanted.length) return at + 1 - known
  }
  return -1
}

/** The first, shortest stretch that is the quotation by what `shown` leaves of both. */
function placed(
  text: string,
  quote: string,
  shown: (point: string) => string,
  work: QuoteWork,
): Span | undefined {
  const needle = projection(quote, shown).letters
  if (needle === '') return undefined
  const { letters, starts, ends } = projection(text, shown)
  const at = placeOf(needle, letters, work)
  return at < 0 ? undefined : { start: starts[at]!, end: ends[at + needle.length - 1]! }
}

/** Characters of a quotation that are looked for approximately, as matchers by bits do. */
const pattern = 32

/**
 * Where the beginning of a quotation stands with the fewest edits (Sellers' algorithm, the place does not count), up to the
 * first later occurrence of its last word, or as many words. One comparison for each character of the text and of the
 * beginning.
 */
function fuzzy(text: string, quote: string, threshold: number, work: QuoteWork): Span | undefined {
  // As the text is read: by units of UTF-16, of which rarer letters have two.
  const wanted = quote.trim().toLowerCase().slice(0, pattern).split('')
  if (wanted.length === 0) return undefined
  const lowered = text.toLowerCase()
  if (lowered.length !== text.length) return undefined
  const rows = wanted.length
  // Edits of the pattern's first `row` characters that end here, and where such a match begins.
  const edits = Int32Array.from(wanted, (_, row) => row + 1)
  const begins = new Int32Array(rows)
  let best = { edits: Number.POSITIVE_INFINITY, start: 0 }
  for (let at = 0; at < lowered.length; at++) {
    const character = lowered[at]
    // What stands diagonally before, and above: of the row before.
    let [diagonal, diagonalBegin, above, aboveBegin] = [0, at, 0, at + 1]
    for (let row = 0; row < rows; row++) {
      let least = diagonal + (wanted[row] === character ? 0 : 1)
      let begin = diagonalBegin
      const [left, leftBegin] = [edits[row]!, begins[row]!]
      if (left + 1 < least) [least, begin] = [left + 1, leftBegin]
      if (above + 1 < least) [least, begin] = [above + 1, aboveBegin]
      edits[row] = least
      begins[row] = begin
      diagonal = left
      diagonalBegin = leftBegin
      above = least
      aboveBegin = begin
    }
    work.comparisons += rows
    if (edits[rows - 1]! < best.edits) best = { edits: edits[rows - 1]!, start: begins[rows - 1]! }
  }
  if (best.edits > threshold * rows) return undefined
  const words = quote.trim().split(/\s+/)
  const lastWord = words.at(-1)!.toLowerCase()
  const behind = lowered.slice(best.start)
  const found = words.length > 1 ? placeOf(lastWord, behind, work) : -1
  if (found >= 0) return { start: best.start, end: best.start + found + lastWord.length }
  let [end, count] = [-1, 0]
  for (const word of text.slice(best.start).matchAll(/\S+/g)) {
    end = best.start + word.index + word[0].length
    if (++count === words.length) break
  }
  return end < 0 ? undefined : { start: best.start, end }
}

/**
 * Finds a quotation in a text: as it is but for case; else by its letters and digits alone; else approximately. What it
 * takes grows with the length of both, and not with their product, whatever an answer holds.
 *
 * @param threshold Edits that the beginning may have, as a share of its length; 0: none, nothing is approximate.
 * @param work Is told how many comparisons of characters that took.
 */
export function findQuote(
  text: string,
  quote: string,
  threshold: number,
  work: QuoteWork = { comparisons: 0 },
): FoundQuote | undefined {
  const wanted = quote.trim()
  if (wanted === '') return undefined
  for (const [match, found] of [
    ['exact', () => placed(text, wanted, small, work)],
    ['normalised', () => placed(text, wanted, lettersAlone, work)],
    ['fuzzy', () => (threshold > 0 ? fuzzy(text, wanted, threshold, work) : undefined)],
  ] as const) {
    const span = found()
    if (span !== undefined) return { ...span, match }
  }
  return undefined
}
