import { AscribeError } from '../errors.js'
import { expectNumber } from '../validate.js'

/** How scores are turned into colours; stated in every picture's caption. */
export interface ScoreRange {
  /** Whether negative scores occur, so that colours diverge around zero. */
  readonly isSigned: boolean
  /** The score (its absolute value) that gets the strongest colour; 0 where all scores are 0. */
  readonly limit: number
  /** The percentile of the absolute scores that `limit` is; 100 is the greatest. */
  readonly percentile: number
  /** The share of scores beyond the limit, which all get the strongest colour. */
  readonly clippedShare: number
}

/**
 * The range of colours for some scores: symmetric around zero (or from zero, where none is negative) up to a
 * percentile of the absolute scores, so that a few extreme pixels do not fade the rest.
 *
 * @param percentile From 0 to 100, default 99.5, interpolated linearly between ranks. Where it is 0 although some
 *   score is not, the greatest is taken (percentile 100).
 * @throws AscribeError `NOT_FINITE` where a score is NaN or infinite; `OPTION_RANGE`.
 */
export function scoreRange(scores: ArrayLike<number>, percentile = 99.5): ScoreRange {
  expectNumber('percentile', percentile, 0, 100)
  const sizes = Float64Array.from(scores, Math.abs)
  let isSigned = false
  for (let index = 0; index < sizes.length; index++) {
    if (!Number.isFinite(sizes[index]!))
      throw new AscribeError('NOT_FINITE', `score ${index} is ${scores[index]}, which has no colour`)
    if (scores[index]! < 0) isSigned = true
  }
  sizes.sort()
  const last = sizes.length - 1
  const greatest = last < 0 ? 0 : sizes[last]!
  const limit = last < 0 ? 0 : interpolate(sizes, (last * percentile) / 100)
  if (limit === 0) return { isSigned, limit: greatest, percentile: 100, clippedShare: 0 }
  let beyond = 0
  while (beyond <= last && sizes[last - beyond]! > limit) beyond++
  return { isSigned, limit, percentile, clippedShare: beyond / sizes.length }
}

function interpolate(sorted: Float64Array, rank: number): number {
  const below = Math.floor(rank)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (rank - below)
}
