import type { Masked } from './perturbedRuns.js'
import type { Subject } from './subject.js'

/** The attribution that goes with the removed players, copy by copy. */
export function removedScores({ scores }: Subject, { players, playerOf, count, mask }: Masked): Float64Array {
  const byPlayer = new Float64Array(players)
  for (let feature = 0; feature < scores.length; feature++)
    byPlayer[playerOf?.[feature] ?? feature]! += scores[feature]!
  const sums = new Float64Array(count)
  for (let copy = 0; copy < count; copy++) {
    const removed = mask(copy)
    for (let player = 0; player < players; player++)
      if (removed[player] === 1) sums[copy]! += byPlayer[player]!
  }
  return sums
}
