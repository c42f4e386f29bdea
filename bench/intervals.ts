import type { Interval } from '#lib/metrics/intervals.js'

/** A mean with the ends of its 95 % interval, as records keep them. */
export type Estimate = Pick<Interval, 'mean' | 'low' | 'high'>

/** With two decimals: `0.51 (0.46 to 0.57)`. */
export const withInterval = ({ mean, low, high }: Estimate): string =>
  `${mean.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`

/** Shares of 0 to 1 as percentages: `51.2 % (46.0 to 57.3)`. */
export const percentWithInterval = ({ mean, low, high }: Estimate): string =>
  `${(100 * mean).toFixed(1)} % (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`
