/** How total-order indices are estimated. */
export const sobolEstimators = ['jansen', 'homma', 'saltelli', 'glen', 'janon'] as const
export type SobolEstimator = (typeof sobolEstimators)[number]

/** A variance below this counts as none. */
const smallestVariance = 1e-12

const mean = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let at = 0; at < values.length; at++) sum += values[at]!
  return sum / values.length
}

/**
 * The total-order index of one player, from values at the rows of A and at the same rows with the player's column from
 * another design B. Variances are unbiased and at least 1e-12.
 *
 * Source: Jansen (1999), Homma and Saltelli (1996), Saltelli et al. (2008), Glen and Isaacs (2012), Janon et al. (2014). In
 * Xplique's form of Janon's the energy alone is divided by count - 1.
 */
export function sobolIndex(
  estimator: SobolEstimator,
  base: ArrayLike<number>,
  mixed: ArrayLike<number>,
): number {
  const count = base.length
  const centre = mean(base)
  let squares = 0
  for (let at = 0; at < count; at++) squares += (base[at]! - centre) ** 2
  const variance = Math.max(squares / (count - 1), smallestVariance)
  let [product, gap] = [0, 0]
  for (let at = 0; at < count; at++) {
    product += (base[at]! * mixed[at]!) / count
    gap += (base[at]! - mixed[at]!) ** 2
  }
  switch (estimator) {
    case 'jansen':
      return gap / (2 * count * variance)
    case 'homma':
      return (variance - product + centre * centre) / variance
    case 'saltelli':
      return 1 - (product - centre * centre) / variance
    case 'glen': {
      const other = mean(mixed)
      let [covariance, mixedSquares] = [0, 0]
      for (let at = 0; at < count; at++) {
        covariance += (base[at]! - centre) * (mixed[at]! - other)
        mixedSquares += (mixed[at]! - other) ** 2
      }
      const scale = Math.sqrt(squares * mixedSquares)
      return 1 - covariance / Math.max(scale, smallestVariance)
    }
    case 'janon': {
      const both = (centre + mean(mixed)) / 2
      let energy = 0
      for (let at = 0; at < count; at++) energy += (base[at]! ** 2 + mixed[at]! ** 2) / (2 * count)
      return 1 - (product - both * both) / Math.max(energy - both * both, smallestVariance)
    }
  }
}
