import type { Tokenizer } from '../data/tokenizer/tokenizer.js'
import { TextStream } from '../language/textStream.js'
import type { Span } from '../regions/spans.js'

/** A text, and where in it each token lies; null for tokens that are none of its letters. */
export interface PlacedTokens {
  readonly text: string
  readonly spans: readonly (Span | null)[]
}

/**
 * Where tokens that a model wrote lie in their text: from the tokenizer where it would write the text as these tokens,
 * otherwise from what each token adds to the text.
 *
 * @param before Tokens that stand before them.
 * @param specials Whether special tokens are letters of the text too.
 */
export async function placeTokens(
  tokenizer: Tokenizer,
  ids: readonly number[],
  { before = [], specials = false, signal }: PlaceOptions = {},
): Promise<PlacedTokens> {
  const decode = (some: readonly number[]) => tokenizer.decode(some, { specials, signal })
  const stream = new TextStream(decode, before, [])
  let text = ''
  const ends: number[] = []
  for (const id of ids) {
    text += await stream.push(id)
    ends.push(text.length)
  }
  text += await stream.end()
  if (ends.length > 0) ends[ends.length - 1] = text.length
  const spans = ends.map((end, at) => {
    const start = ends[at - 1] ?? 0
    return start === end ? null : trimmedSpan(text, start, end)
  })
  // A token that is a part of a character only lies where the character does, as the tokenizer itself has it.
  let next: Span | null = null
  for (let at = ids.length - 1; at >= 0; at--) {
    const start = ends[at - 1] ?? 0
    if (spans[at] !== null) next = { start, end: start + firstCharacter(text, start) }
    else if (next !== null && (await tokenizer.decode([ids[at]!], { specials: false, signal })) !== '')
      spans[at] = next
    else next = null
  }
  return { text, spans }
}

const firstCharacter = (text: string, at: number): number => (text.codePointAt(at)! > 0xffff ? 2 : 1)

export interface PlaceOptions {
  before?: readonly number[]
  specials?: boolean
  signal?: AbortSignal | undefined
}

/** A span without the white space at its ends, unless there is nothing else. */
function trimmedSpan(text: string, start: number, end: number): Span {
  const own = text.slice(start, end)
  if (own.trim() === '') return { start, end }
  return {
    start: start + own.length - own.trimStart().length,
    end: end - (own.length - own.trimEnd().length),
  }
}
