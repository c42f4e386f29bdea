import { AscribeError } from '../../errors.js'
import type { Span } from '../../regions/spans.js'
import { expectInteger, expectObject, expectString, typeError } from '../../validate.js'

/** A document that an output may stand on. */
export interface QuerySource {
  readonly id: string
  readonly text: string
}

/** A stretch of a source. */
export interface SourceInterval extends Span {
  /** The id of the source. */
  readonly source: string
}

/** What is known of a stretch of the output beforehand: the stretches of sources that it stands on. */
export interface CoarseRecord {
  readonly output: Span
  readonly sources: readonly SourceInterval[]
}

/** A highlight of an output that was written from sources. */
export interface LocalisedQuery {
  readonly sources: readonly QuerySource[]
  readonly output: string
  /** Stretches of the output, in UTF-16 units from the first to behind the last. */
  readonly highlight: readonly Span[]
  /** Coarse attribution, of sentences for one. Default none: every source counts as a whole. */
  readonly coarse?: readonly CoarseRecord[]
}

/** A query that was checked, its stretches in order and merged. */
export interface CheckedQuery {
  readonly sources: readonly QuerySource[]
  readonly output: string
  readonly highlight: readonly Span[]
  /** What may be returned: stretches of sources, in order. Empty where nothing that is known touches the highlight. */
  readonly candidates: readonly SourceInterval[]
  /** Whether candidates follow from a coarse attribution. */
  readonly isNarrowed: boolean
}

const mostCharacters = 4_000_000

/** In order, overlapping and touching ones as one. */
export function mergedSpans(spans: readonly Span[]): Span[] {
  const merged: { start: number; end: number }[] = []
  for (const { start, end } of spans.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    const last = merged.at(-1)
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
    else merged.push({ start, end })
  }
  return merged
}

/** The same for stretches of several sources, in the order of the sources. */
export const mergedIntervals = (
  intervals: readonly SourceInterval[],
  sources: readonly QuerySource[],
): SourceInterval[] =>
  sources.flatMap(({ id }) =>
    mergedSpans(intervals.filter(({ source }) => source === id)).map(span => ({ source: id, ...span })),
  )

/** Whether two stretches share a character. */
export const intersects = (a: Span, b: Span): boolean => a.start < b.end && b.start < a.end

function checkedSpan(name: string, given: unknown, length: number): Span {
  const { start, end } = expectObject(name, given) as Partial<Span>
  const from = expectInteger(`${name}.start`, start, 0, length)
  return { start: from, end: expectInteger(`${name}.end`, end, from, length) }
}

/**
 * Checks a query, merges its stretches and narrows the candidates.
 *
 * @throws AscribeError INPUT_VALUE for a highlight of nothing or white space, sources without text or with one id;
 *   OPTION_RANGE for offsets outside, and ids that are no source's.
 */
export function checkedQuery(query: LocalisedQuery): CheckedQuery {
  expectObject('query', query)
  const { sources, highlight, coarse } = query
  if (!Array.isArray(sources)) throw typeError('sources', 'a list of { id, text }', sources)
  const byId = new Map<string, QuerySource>()
  let characters = 0
  for (const source of sources as readonly QuerySource[]) {
    expectObject('source', source)
    const id = expectString('source.id', source.id)
    if (byId.has(id)) throw new AscribeError('INPUT_VALUE', `Two sources have the id ${JSON.stringify(id)}`)
    characters += expectString(`the text of source ${id}`, source.text).length
    byId.set(id, source)
  }
  const output = expectString('output', query.output)
  if (characters + output.length > mostCharacters)
    throw new AscribeError('OPTION_RANGE', `There are more than ${mostCharacters} characters`)
  if (!Array.isArray(highlight)) throw typeError('highlight', 'a list of { start, end }', highlight)
  const spans = mergedSpans(
    highlight.map((span, at) => checkedSpan(`highlight[${at}]`, span, output.length)),
  ).filter(({ start, end }) => output.slice(start, end).trim() !== '')
  if (spans.length === 0) throw new AscribeError('INPUT_VALUE', 'The highlight holds no letter')
  const whole = sources.map(({ id, text }): SourceInterval => ({ source: id, start: 0, end: text.length }))
  const candidates =
    coarse === undefined
      ? whole
      : mergedIntervals(coarseIntervals(coarse, byId, output.length, spans), sources)
  return {
    sources,
    output,
    highlight: spans,
    candidates: candidates.filter(({ start, end }) => end > start),
    isNarrowed: coarse !== undefined,
  }
}

function coarseIntervals(
  coarse: readonly CoarseRecord[],
  sources: ReadonlyMap<string, QuerySource>,
  length: number,
  highlight: readonly Span[],
): SourceInterval[] {
  if (!Array.isArray(coarse)) throw typeError('coarse', 'a list of { output, sources }', coarse)
  return coarse.flatMap((record, at) => {
    expectObject(`coarse[${at}]`, record)
    const output = checkedSpan(`coarse[${at}].output`, record.output, length)
    if (!Array.isArray(record.sources)) throw typeError(`coarse[${at}].sources`, 'a list', record.sources)
    const own = (record.sources as readonly SourceInterval[]).map((interval, k): SourceInterval => {
      const name = `coarse[${at}].sources[${k}]`
      expectObject(name, interval)
      const source = sources.get(interval.source)
      if (source === undefined)
        throw new AscribeError(
          'OPTION_RANGE',
          `${name} names the source ${JSON.stringify(interval.source)}, which there is not`,
        )
      return { source: source.id, ...checkedSpan(name, interval, source.text.length) }
    })
    return highlight.some(span => intersects(span, output)) ? own : []
  })
}

/** What stands at some places of a text, put together by one space. */
export const joinedText = (text: string, spans: readonly Span[]): string =>
  spans.map(({ start, end }) => text.slice(start, end)).join(' ')

/**
 * A stretch of the joined text of some places as stretches of the text itself: the inverse of {@link joinedText}. One that
 * crosses a joint is cut there; what lies on a joint alone is nothing.
 */
export function unjoined(spans: readonly Span[], { start, end }: Span): Span[] {
  let offset = 0
  return spans.flatMap(span => {
    const length = span.end - span.start
    const from = Math.max(start - offset, 0)
    const to = Math.min(end - offset, length)
    offset += length + 1
    return from < to ? [{ start: span.start + from, end: span.start + to }] : []
  })
}

/** An offset that counts code points (as Python does) in UTF-16 units. @throws AscribeError OPTION_RANGE */
export function utf16Offset(text: string, codePoints: number): number {
  expectString('text', text)
  expectInteger('codePoints', codePoints, 0)
  let offset = 0
  let left = codePoints
  for (const point of text) {
    if (left === 0) return offset
    offset += point.length
    left--
  }
  if (left > 0)
    throw new AscribeError('OPTION_RANGE', `The text has ${codePoints - left} characters, not ${codePoints}`)
  return offset
}
