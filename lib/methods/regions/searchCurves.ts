import type { SearchResult } from './greedySearch.js'

/** One point of a curve: the share of the area that is shown (or removed), and the target's probability. */
export type CurvePoint = readonly [area: number, probability: number]

/** Areas are added up in another order than they were counted in: a share that is equal but for rounding counts. */
const areaTolerance = 1e-9

/** Shares of the area that the first t + 1 regions cover. */
export function coveredShares(order: readonly number[], areas: ArrayLike<number>): Float64Array {
  const total = order.reduce((sum, region) => sum + areas[region]!, 0)
  let covered = 0
  return Float64Array.from(order, region => {
    covered += areas[region]!
    return covered / total
  })
}

/** Regions are shown from the first on: (0, baseline), (A_t, consistency_t). */
export function insertionCurve(result: SearchResult, areas: ArrayLike<number>): CurvePoint[] {
  const shares = coveredShares(result.order, areas)
  return [
    [0, result.baseline],
    ...result.prefixes.flatMap((scores, t) =>
      scores === undefined ? [] : [[shares[t]!, scores.consistency] as const],
    ),
  ]
}

/** Regions are taken away from the first on: (0, original), (A_t, 1 - collaboration_t). */
export function deletionCurve(result: SearchResult, areas: ArrayLike<number>): CurvePoint[] {
  const shares = coveredShares(result.order, areas)
  return [
    [0, result.original],
    ...result.prefixes.flatMap((scores, t) =>
      scores === undefined ? [] : [[shares[t]!, 1 - scores.collaboration] as const],
    ),
  ]
}

/** Area under a curve by the trapezoid rule. */
export function areaUnder(curve: readonly CurvePoint[]): number {
  let sum = 0
  for (let at = 1; at < curve.length; ++at) {
    const [[left, low], [right, high]] = [curve[at - 1]!, curve[at]!]
    sum += ((right - left) * (low + high)) / 2
  }
  return sum
}

/** The point with the highest probability among those of at most this share of the area; the first among equals. */
export function highestConfidence(
  curve: readonly CurvePoint[],
  share: number,
): { probability: number; area: number } | undefined {
  let best: { probability: number; area: number } | undefined
  // The point before any region is shown is no set of regions.
  for (const [area, probability] of curve.slice(1))
    if (area <= share + areaTolerance && (best === undefined || probability > best.probability))
      best = { probability, area }
  return best
}
