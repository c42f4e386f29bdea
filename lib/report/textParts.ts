import type { TokenUnits } from '../attribution/units.js'

/** A stretch of a text as it is shown. */
export interface TextPart {
  readonly text: string
  /** What its tokens add up to; undefined for text that is in no token. */
  readonly score?: number
  /** It is no text of the user's: a token that the tokenizer put in. */
  readonly isAdded: boolean
}

/** A part that tokens are still added to. */
interface Building {
  text: string
  score?: number
  isAdded: boolean
  count: number
}

/**
 * A text cut where its tokens begin and end, every character once: tokens of one character are one part, text between
 * tokens has no score, and runs of one added token are shown once. Without a text, every token is a part.
 */
export function textParts(units: TokenUnits, scores: ArrayLike<number>): TextPart[] {
  const { tokens, text, offsets } = units
  if (text === undefined || offsets === undefined)
    return tokens.map((token, at) => ({ text: token, score: scores[at]!, isAdded: false }))
  const parts: Building[] = []
  let cursor = 0
  const plain = (end: number) => {
    if (end > cursor) parts.push({ text: text.slice(cursor, end), isAdded: false, count: 1 })
    cursor = Math.max(cursor, end)
  }
  for (const [at, token] of tokens.entries()) {
    const place = offsets[at]
    const score = scores[at]!
    const last = parts.at(-1)
    if (place === null || place === undefined || place[0] === place[1]) {
      if (last?.isAdded && last.text === token) {
        last.score! += score
        last.count += 1
      } else {
        plain(place?.[0] ?? cursor)
        parts.push({ text: token, score, isAdded: true, count: 1 })
      }
      continue
    }
    const [start, end] = place
    const before = parts.findLast(part => !part.isAdded)
    if (start < cursor && before?.score !== undefined) {
      before.score += score
      if (end > cursor) before.text += text.slice(cursor, end)
      cursor = Math.max(cursor, end)
      continue
    }
    plain(start)
    parts.push({ text: text.slice(start, end), score, isAdded: false, count: 1 })
    cursor = Math.max(cursor, end)
  }
  plain(text.length)
  return parts.map(({ text: own, score, isAdded, count }) => ({
    text: count > 1 ? `${own} \u00d7${count}` : own,
    ...(score === undefined ? {} : { score }),
    isAdded,
  }))
}
