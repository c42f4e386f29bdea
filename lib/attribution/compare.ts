import { cosineSimilarity, greatestPositions, spearmanCorrelation } from '../data/rankStatistics.js'
import { AscribeError } from '../errors.js'
import { expectInteger } from '../validate.js'
import type { AttributedInput } from './attributedInput.js'

/** How much two attributions of the same units agree. */
export interface Comparison {
  /** Cosine of the angle between the scores, -1 to 1; NaN where one side is all zero. */
  readonly cosine: number
  /** Spearman's rank correlation, -1 to 1, ties with mean ranks; NaN where one side is constant. */
  readonly spearman: number
  /** The share of the k units with the greatest absolute scores that both have in common, 0 to 1. */
  readonly topOverlap: number
  /** The k of `topOverlap`. */
  readonly k: number
}

/** Compares scores unit by unit, over all inputs together. */
export function compareInputs(
  first: readonly AttributedInput[],
  second: readonly AttributedInput[],
  k: number | undefined,
): Comparison {
  const describe = (inputs: readonly AttributedInput[]): string =>
    inputs.map(({ name, scores }) => `${name} [${scores.shape.join(', ')}]`).join('; ')
  if (describe(first) !== describe(second))
    throw new AscribeError(
      'INPUT_SHAPE',
      `cannot compare scores of ${describe(first)} with ${describe(second)}`,
      {
        hint: 'Aggregate both sides in the same way first.',
      },
    )
  const left = concatenate(first)
  const right = concatenate(second)
  if (left.length === 0) throw new AscribeError('INPUT_SHAPE', 'there are no scores to compare')
  const chosen =
    k === undefined ? Math.max(1, Math.round(left.length / 100)) : expectInteger('k', k, 1, left.length)
  const top = new Set(greatestPositions(left.map(Math.abs), chosen))
  const common = greatestPositions(right.map(Math.abs), chosen).filter(position => top.has(position)).length
  return {
    cosine: cosineSimilarity(left, right),
    spearman: spearmanCorrelation(left, right),
    topOverlap: common / chosen,
    k: chosen,
  }
}

function concatenate(inputs: readonly AttributedInput[]): Float64Array {
  const result = new Float64Array(inputs.reduce((length, { scores }) => length + scores.data.length, 0))
  let position = 0
  for (const { scores } of inputs) {
    result.set(scores.data, position)
    position += scores.data.length
  }
  return result
}
