import { AscribeError } from '../errors.js'
import type { Span } from '../regions/spans.js'
import {
  expectInteger,
  expectKnownKeys,
  expectObject,
  expectOneOf,
  expectString,
  expectStrings,
  typeError,
} from '../validate.js'
import { sentenceEnds } from './sentences.js'

/** What a context is cut into. */
export type ContextUnit = 'sentences' | 'paragraphs' | 'segments' | 'words'

export const contextUnits = ['sentences', 'paragraphs', 'segments', 'words'] as const

/** One of the texts that a context consists of: what is traced, kept and removed. */
export interface ContextText {
  readonly text: string
  /** In UTF-16 units of the whole context. */
  readonly start: number
  readonly end: number
}

export interface SegmentOptions {
  /** Default sentences. */
  unit?: ContextUnit
  /** Words of a segment. Default 100. */
  segmentWords?: number
  /** Texts of the caller's own instead of a unit, in order. What lies between two is in no text, and stays. */
  spans?: readonly Span[]
}

/** What {@link segmentText} is told. */
export const segmentOptionNames = ['unit', 'segmentWords', 'spans'] as const

/** Of what a caller says, how the context is cut. */
export const segmentOptionsOf = (given: SegmentOptions): SegmentOptions =>
  Object.fromEntries(
    segmentOptionNames.flatMap(name => (given[name] === undefined ? [] : [[name, given[name]]])),
  )

/** The most characters of one context, in UTF-16 units. */
const maximumUnits = 4_000_000

const cut = (text: string, ends: readonly number[]): ContextText[] =>
  ends.map((end, at) => {
    const start = ends[at - 1] ?? 0
    return { text: text.slice(start, end), start, end }
  })

/** White space at the beginning goes to the first word, all other to the word before it. */
const wordEnds = (text: string): number[] => {
  const starts = Array.from(text.matchAll(/\S+/gu), ({ index }) => index)
  return [...starts.slice(1), text.length]
}

/** Behind every blank line's beginning: the separator is at the front of the later paragraph. */
function paragraphEnds(text: string): number[] {
  const ends: number[] = []
  let at = 0
  for (const { index } of text.matchAll(/\n[^\S\n]*\n\s*/gu)) {
    if (text.slice(at, index).trim() === '') continue
    ends.push(index)
    at = index
  }
  if (text.slice(at).trim() === '' && ends.length > 0) ends.pop()
  return [...ends, text.length]
}

/** Words are what single spaces separate; a space belongs to the word before it. */
function segmentEnds(text: string, words: number): number[] {
  const spaces = Array.from(text.matchAll(/ /gu), ({ index }) => index + 1)
  const ends = spaces.filter((_, at) => (at + 1) % words === 0)
  return ends.at(-1) === text.length ? ends : [...ends, text.length]
}

function checkedSpans(text: string, spans: unknown): ContextText[] {
  if (!Array.isArray(spans)) throw typeError('spans', 'a list of { start, end }', spans)
  if (spans.length === 0) throw new AscribeError('INPUT_VALUE', 'The context has no texts: spans is empty')
  let last = 0
  return (spans as Span[]).map((span, at) => {
    const start = expectInteger(`spans[${at}].start`, span?.start, 0, text.length - 1)
    const end = expectInteger(`spans[${at}].end`, span?.end, start + 1, text.length)
    if (start < last)
      throw new AscribeError(
        'INPUT_VALUE',
        `Span ${at} begins at ${start}, before the one before it ends (${last}): spans must be in order and disjoint`,
      )
    last = end
    return { text: text.slice(start, end), start, end }
  })
}

/**
 * Cuts a context into texts. Except with spans of the caller's own they are lossless: one behind the other they are the
 * context again.
 *
 * - `sentences`: by Unicode's rules, but not behind abbreviations and initials; line breaks end sentences;
 * - `paragraphs`: at blank lines, which go to the front of the paragraph behind them;
 * - `segments`: of `segmentWords` words, separated by single spaces;
 * - `words`: each with the white space behind it.
 *
 * @throws AscribeError INPUT_VALUE for a context without letters, spans that overlap or are not in order; OPTION_RANGE.
 * @example
 * segmentText('One. Two.') // [{ text: 'One. ', start: 0, end: 5 }, { text: 'Two.', start: 5, end: 9 }]
 */
export function segmentText(context: string, options: SegmentOptions = {}): ContextText[] {
  expectString('context', context)
  expectObject('segment options', options)
  if (context.length > maximumUnits)
    throw new AscribeError(
      'OPTION_RANGE',
      `The context has ${context.length} characters, more than ${maximumUnits}`,
    )
  if (context.trim() === '') throw new AscribeError('INPUT_VALUE', 'The context is empty')
  expectKnownKeys('segment options', options, segmentOptionNames)
  const { unit = 'sentences', segmentWords = 100, spans } = options
  if (spans !== undefined) return checkedSpans(context, spans)
  expectInteger('segmentWords', segmentWords, 1)
  switch (expectOneOf('unit', unit, contextUnits)) {
    case 'sentences':
      return cut(context, sentenceEnds(context))
    case 'paragraphs':
      return cut(context, paragraphEnds(context))
    case 'segments':
      return cut(context, segmentEnds(context, segmentWords))
    case 'words':
      return cut(context, wordEnds(context))
  }
}

/** Passages as texts, untouched but for a separator in front of all but the first: the context is what they make together. */
export function joinPassages(passages: readonly string[], separator = '\n\n'): ContextText[] {
  expectStrings('passages', passages)
  expectString('separator', separator)
  if (passages.length === 0) throw new AscribeError('INPUT_VALUE', 'The context has no texts')
  let start = 0
  return passages.map((passage, at) => {
    if (passage.trim() === '') throw new AscribeError('INPUT_VALUE', `Text ${at} of the context is empty`)
    const text = at === 0 ? passage : separator + passage
    const end = start + text.length
    const whole = { text, start, end }
    start = end
    return whole
  })
}
