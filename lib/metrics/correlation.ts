import type { Masked } from './perturbedRuns.js'
import type { Subject } from './subject.js'

/** The attribution that goes with the removed players, copy by copy. */
export function removedScores(
  { scores }: Subject,
  { players, playerOf, count, removed }: Masked,
): Float64Array {
  const byPlayer = new Float64Array(players)
  for (let feature = 0; feature < scores.length; feature++)
    byPlayer[playerOf?.[feature] ?? feature]! += scores[feature]!
  const sums = new Float64Array(count)
  for (let copy = 0; copy < count; copy++) {
    const gone = removed(copy)
    let sum = 0
    for (let at = 0; at < gone.length; at++) sum += byPlayer[gone[at]!]!
    sums[copy] = sum
  }
  return sums
}
