import { greatestPositions } from '../data/rankStatistics.js'

/** The place of each feature in the order of falling scores, from 0; among equals the earlier feature comes first. */
export function ranksOf(scores: ArrayLike<number>): Float32Array {
  const ranks = new Float32Array(scores.length)
  const order = greatestPositions(scores, scores.length)
  for (let rank = 0; rank < order.length; rank++) ranks[order[rank]!] = rank
  return ranks
}

/** The area under a curve whose points lie evenly from 0 to 1, by trapezia. */
export function areaUnder(curve: ArrayLike<number>): number {
  let sum = 0
  for (let at = 1; at < curve.length; at++) sum += (curve[at - 1]! + curve[at]!) / 2
  return sum / (curve.length - 1)
}

/** What `reduce` gives of each form of the score; whether the class is the top one is no score. */
export function overScores(
  scores: Readonly<Record<string, Float64Array>>,
  reduce: (values: Float64Array) => number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(scores)
      .filter(([name]) => name !== 'accuracy')
      .map(([name, values]) => [name, reduce(values)]),
  )
}

/** Curves as plain numbers. */
export const asCurves = (scores: Readonly<Record<string, Float64Array>>): Record<string, readonly number[]> =>
  Object.fromEntries(Object.entries(scores).map(([name, values]) => [name, Array.from(values)]))
