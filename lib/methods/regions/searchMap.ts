import type { SearchResult } from './greedySearch.js'

/**
 * Scores of regions from 0 to 1 whose order is the search's and whose steps are the jumps of consistency plus
 * collaboration along it. Regions that the search left undecided share one score. Where nothing jumps, all are 0.
 *
 * Source: lima's code, through the label map: there, black pixels keep the maximum.
 */
export function jumpScores(result: SearchResult): Float64Array {
  const { order, prefixes } = result
  const scores = new Float64Array(order.length)
  let before = result.baseline + (1 - result.original)
  let level = 0
  // Undecided regions take the jump to the next known prefix together.
  let group: number[] = []
  for (const [t, region] of order.entries()) {
    group.push(region)
    const known = prefixes[t]
    if (known === undefined && t < order.length - 1) continue
    const value = known === undefined ? before : known.consistency + known.collaboration
    level -= Math.abs(value - before)
    before = value
    for (const member of group) scores[member] = level
    group = []
  }
  const least = Math.min(...scores)
  const greatest = Math.max(...scores) - least
  return scores.map(score => (greatest === 0 ? 0 : (score - least) / greatest))
}

/** n - t for the region at place t; 0 for regions that were not chosen. */
export function rankScores(result: SearchResult): Float64Array {
  const { order, chosen, rejected } = result
  const scores = new Float64Array(order.length)
  for (const [t, region] of order.entries())
    if (t < chosen || t >= order.length - rejected) scores[region] = order.length - t
  return scores
}
