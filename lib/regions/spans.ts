import { AscribeError } from '../errors.js'
import { expectInteger, typeError } from '../validate.js'
import { eachPlace, type Regions, regionsFromLabels } from './regions.js'

/** A run of tokens (or characters, columns …): from `start` up to and without `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/**
 * Spans of a text as regions, numbered in their order; what no span covers is one more, last region.
 *
 * @param length How many tokens the text has.
 * @param spans Default: each token is a region.
 * @throws AscribeError `OPTION_RANGE` for spans that are empty or reach past the text; `INPUT_VALUE` where two overlap.
 */
export function textSpans(length: number, spans?: readonly Span[]): Regions {
  expectInteger('length', length, 1)
  if (spans === undefined) return { ...eachPlace(length), kind: 'text-spans' }
  if (!Array.isArray(spans)) throw typeError('spans', 'a list of { start, end }', spans)
  const labels = new Int32Array(length).fill(-1)
  for (const [index, span] of spans.entries()) {
    const start = expectInteger(`spans[${index}].start`, span?.start, 0, length - 1)
    const end = expectInteger(`spans[${index}].end`, span?.end, start + 1, length)
    const taken = labels.subarray(start, end).find(label => label >= 0)
    if (taken !== undefined)
      throw new AscribeError('INPUT_VALUE', `Spans ${taken} and ${index} overlap: regions must be disjoint`)
    labels.fill(index, start, end)
  }
  return regionsFromLabels(
    labels.map(label => (label < 0 ? spans.length : label)),
    [length],
    'text-spans',
  )
}
