const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })

/** Before a name: never the end of a sentence. */
const titles = new Set(
  'mr mrs ms dr prof st mt gen col capt lt sgt sen rep gov rev hon pres fig figs eq no nos vol pp cf e.g i.e vs approx dept est'.split(
    ' ',
  ),
)
/** Behind a name or a list: the end of a sentence only where the next word begins one. */
const endings = new Set(
  'inc ltd co corp jr sr bros etc al ph.d m.d b.a m.a a.m p.m u.s u.k u.n e.u d.c'.split(' '),
)
const starters = new Set(
  'a an the this that these those he she it its we you they i in on at for from but and so however then when while if as there here after before'.split(
    ' ',
  ),
)
/** One letter and a full stop (an initial), or several of them (an acronym). */
const initials = /^(?:\p{L}\.)*\p{Lu}$/u

/** A question or a call inside quotes, behind which the sentence goes on in small letters. */
const quoted = /[.!?]["'\u2019\u201d)\]]+[^\S\n\r\u2028\u2029]*$/u

/** Characters at the end of a sentence, and at the beginning of the next, that decide whether it ends. */
const lookedAt = 64

/** Whether a rule of Unicode ended a sentence where none ends: at an abbreviation, or at a quotation inside it. */
function goesOn(sentence: string, next: string): boolean {
  if (quoted.test(sentence) && /^\s*\p{Ll}/u.test(next)) return true
  const found = /(\S+)\.\s*$/u.exec(sentence)
  if (found === null || /[\n\r\u2028\u2029]\s*$/u.test(sentence)) return false
  const word = found[1]!.replace(/^[("'\u2018\u201c[]+/u, '')
  const plain = word.toLowerCase()
  if (titles.has(plain)) return true
  const first = /^[^\p{L}\p{N}]*([\p{L}\p{N}']+)/u.exec(next.slice(0, lookedAt))?.[1]?.toLowerCase() ?? ''
  return (endings.has(plain) || initials.test(word)) && !starters.has(first)
}

/** The segmenter's time grows with the square of what it is given. */
const windowUnits = 4096

/** The sentences of UAX 29, one behind the other. */
export function* unicodeSentences(text: string): Generator<string> {
  let [from, size] = [0, windowUnits]
  while (from < text.length) {
    const window = text.slice(from, from + size)
    const isLast = from + size >= text.length
    // Whether a sentence ends can hang on the next letter, however far; the last sentence may go on behind the window.
    const known = isLast ? window.length : window.search(/\p{L}[^\p{L}]*$/u)
    let settled = 0
    for (const { segment, index } of segmenter.segment(window)) {
      const end = index + segment.length
      if (!isLast && (end > known || end === window.length)) break
      yield segment
      settled = end
    }
    size = settled === 0 ? size * 2 : windowUnits
    from += settled
  }
}

/**
 * Where the sentences of a text end, in UTF-16 units: by Unicode's rules (UAX 29; decimals, web addresses, closing quotes
 * and ellipses before small letters are inside), but not behind abbreviations and initials. A line break ends a sentence,
 * and white space belongs to the sentence before it.
 */
export function sentenceEnds(text: string): number[] {
  const ends: number[] = []
  /** The end of what is not cut yet, as much as is looked at, and whether there is more than white space in it. */
  let [open, isOpen] = ['', false]
  let at = 0
  for (const segment of unicodeSentences(text)) {
    const hasLetters = segment.trim() !== ''
    if (isOpen && hasLetters && !goesOn(open, segment)) {
      ends.push(at)
      ;[open, isOpen] = ['', false]
    }
    open = (open + segment).slice(-lookedAt)
    isOpen ||= hasLetters
    at += segment.length
  }
  if (at > 0) ends.push(at)
  return ends
}
