import type { Recipe } from './explainTogether.js'

/** The recipe of a method that looks at the input itself, once: no path, no noise. */
export const onePass = (
  quantity: Recipe['quantity'],
  more: Pick<Recipe, 'rules' | 'combination'> = {},
): Recipe => ({
  quantity,
  points: Float64Array.of(1),
  weights: Float64Array.of(1),
  samples: 1,
  statistic: 'mean',
  seed: 0,
  ...more,
})
