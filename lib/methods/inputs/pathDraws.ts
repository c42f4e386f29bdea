import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { Draws } from './recipe.js'

/**
 * Baselines in turn, and one place on the path out of each of `samples` strata. The strata are dealt out at random: else
 * every baseline would always meet the same ones, and the mean would be another.
 */
export function stratifiedDraws(samples: number, rows: number, seed: number): Draws {
  const random = xoroshiro128plus(seed)
  const strata = Array.from({ length: samples }, (_, at) => at)
  for (let last = samples - 1; last > 0; last--) {
    const at = uniformInt(random, 0, last)
    const held = strata[at]!
    strata[at] = strata[last]!
    strata[last] = held
  }
  return {
    baselines: Float64Array.from({ length: samples }, (_, at) => at % rows),
    points: Float64Array.from(strata, stratum => (stratum + uniformFloat64(random)) / samples),
  }
}

/** Baselines drawn with replacement, and places on the path anywhere. */
export function uniformDraws(samples: number, rows: number, seed: number): Draws {
  const random = xoroshiro128plus(seed)
  const baselines = new Float64Array(samples)
  const points = new Float64Array(samples)
  for (let at = 0; at < samples; at++) {
    baselines[at] = uniformInt(random, 0, rows - 1)
    points[at] = uniformFloat64(random)
  }
  return { baselines, points }
}
