import type { Span } from '../../regions/spans.js'
import { expectInteger, expectObject } from '../../validate.js'

/** Some of a response's tokens, or all. @throws AscribeError OPTION_TYPE, OPTION_RANGE */
export function checkedSpan(span: Span | undefined, length: number): Span {
  if (span === undefined) return { start: 0, end: length }
  expectObject('span', span)
  const start = expectInteger('span.start', span.start, 0, length - 1)
  return { start, end: expectInteger('span.end', span.end, start + 1, length) }
}
