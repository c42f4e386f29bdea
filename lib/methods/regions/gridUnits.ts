import type { Units } from '../../attribution/units.js'
import { type RegionInput, spreadScores } from './regionInput.js'

/**
 * Scores of the cells of a grid: a small map over the picture, which reports enlarge smoothly; for what is no picture
 * each cell's score at all of its places.
 */
export function gridScores(
  example: RegionInput,
  side: number,
  scores: ArrayLike<number>,
): { units: Units; data: Float32Array } {
  const own = example.prepared.units[example.input]
  if (own?.kind !== 'grid') return spreadScores(example, scores)
  return {
    units: {
      kind: 'grid',
      layout: 'HW',
      channels: 1,
      height: side,
      width: side,
      placement: own.placement,
    },
    data: Float32Array.from(scores),
  }
}
