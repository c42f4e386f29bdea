/** A text made from another, and for each of its UTF-16 units the range of the other that it was made from. */
export interface Aligned {
  readonly text: string
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

/** A range of UTF-16 units. */
export type Span = readonly [start: number, end: number]

/** A text as it is, `offset` units into the whole. */
export function aligned(text: string, offset = 0): Aligned {
  const starts = Array.from({ length: text.length }, (_, at) => offset + at)
  return { text, starts, ends: starts.map(start => start + 1) }
}

export const slice = ({ text, starts, ends }: Aligned, from: number, to: number): Aligned => ({
  text: text.slice(from, to),
  starts: starts.slice(from, to),
  ends: ends.slice(from, to),
})

/** The range of the other text that units [from, to) were made from; empty where nothing was. */
export function spanOf({ starts, ends }: Aligned, from: number, to: number): Span {
  if (from >= to) {
    const at = starts[from] ?? ends.at(-1) ?? 0
    return [at, at]
  }
  return [Math.min(...starts.slice(from, to)), Math.max(...ends.slice(from, to))]
}

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** How many units one disagreement between two texts may take. */
const greatestGap = 64

/** How many units two texts have in common at their beginnings. */
function commonStart(a: string, b: string): number {
  let at = 0
  while (at < a.length && at < b.length && a[at] === b[at]) at += 1
  return at
}

/** A text of which one stretch was kept, taken away or put in; undefined where more was changed. */
function inserted(from: Aligned, to: string): Aligned | undefined {
  const { text } = from
  const kept = text.indexOf(to)
  if (kept >= 0) return slice(from, kept, kept + to.length)
  const start = commonStart(text, to)
  const most = Math.min(text.length, to.length) - start
  let end = 0
  while (end < most && text[text.length - 1 - end] === to[to.length - 1 - end]) end += 1
  if (start + end < Math.min(text.length, to.length)) return undefined
  const count = Math.max(0, to.length - text.length)
  const [edge] = spanOf(from, start, start)
  const [before, after] = [slice(from, 0, start), slice(from, text.length - end, text.length)]
  const put = Array.from({ length: count }, () => edge)
  return {
    text: to,
    starts: [...before.starts, ...put, ...after.starts],
    ends: [...before.ends, ...put, ...after.ends],
  }
}

/**
 * What `change` makes of a text, aligned: judged by what it makes of each code point alone, then of each grapheme
 * (unless it took away or put in one stretch), and where neither adds up to the whole (context decides, or runs are shortened) by comparing the two.
 */
export function changed(from: Aligned, change: (text: string) => string): Aligned {
  const whole = change(from.text)
  if (whole === from.text) return from
  const moved = inserted(from, whole)
  if (moved !== undefined) return moved
  let pieces: Aligned | undefined
  for (const parts of [[...from.text], Array.from(graphemes.segment(from.text), ({ segment }) => segment)]) {
    pieces = byParts(from, parts, change)
    if (pieces.text === whole) return pieces
  }
  return resynchronised(pieces!, whole)
}

/** The parts changed one by one, each unit standing for the whole of its part. */
export function byParts(from: Aligned, parts: readonly string[], change: (text: string) => string): Aligned {
  const texts: string[] = []
  const [starts, ends]: [number[], number[]] = [[], []]
  let at = 0
  for (const part of parts) {
    const own = change(part)
    const [start, end] = spanOf(from, at, at + part.length)
    at += part.length
    texts.push(own)
    for (let unit = 0; unit < own.length; unit++) {
      starts.push(start)
      ends.push(end)
    }
  }
  return { text: texts.join(''), starts, ends }
}

/** Another text laid beside one that it differs from in places: the nearest place from which both agree again is taken. */
function resynchronised(from: Aligned, to: string): Aligned {
  const { text } = from
  const [starts, ends]: [number[], number[]] = [[], []]
  const push = (units: number, [start, end]: Span) => {
    for (let unit = 0; unit < units; unit++) {
      starts.push(start)
      ends.push(end)
    }
  }
  let [i, j] = [0, 0]
  while (j < to.length) {
    if (i < text.length && text[i] === to[j]) {
      push(1, spanOf(from, i, i + 1))
      i += 1
      j += 1
      continue
    }
    const [gone, come] = nextAgreement(text, i, to, j)
    push(come, spanOf(from, i, i + gone))
    i += gone
    j += come
  }
  return { text: to, starts, ends }
}

/** After how many units of each the two texts agree again (over four units, or to the end of both). */
function nextAgreement(a: string, i: number, b: string, j: number): [number, number] {
  for (let gap = 1; gap <= greatestGap; gap++)
    for (let less = gap; less >= 0; less--)
      for (const [gone, come] of [
        [gap, less],
        [less, gap],
      ] as const) {
        const [x, y] = [a.slice(i + gone, i + gone + 4), b.slice(j + come, j + come + 4)]
        if (i + gone > a.length || j + come > b.length) continue
        if (x === y && (x.length === 4 || (i + gone + 4 >= a.length && j + come + 4 >= b.length)))
          return [gone, come]
      }
  return [a.length - i, b.length - j]
}
