import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { AscribeError } from '../errors.js'
import { expectInteger } from '../validate.js'

/** A mean and the ends of its 95 % interval. */
export interface Interval {
  readonly mean: number
  readonly low: number
  readonly high: number
  /** How many values it rests on. */
  readonly count: number
}

/** The 97.5 % quantile of the standard normal distribution. */
const quantile = 1.959963984540054

/** Wilson's 95 % score interval of a share: `successes` of `count`. */
export function wilsonInterval(successes: number, count: number): Interval {
  expectInteger('count', count, 1)
  expectInteger('successes', successes, 0, count)
  const share = successes / count
  const scale = 1 + quantile ** 2 / count
  const centre = (share + quantile ** 2 / (2 * count)) / scale
  const half =
    (quantile * Math.sqrt((share * (1 - share)) / count + quantile ** 2 / (4 * count ** 2))) / scale
  return { mean: share, low: Math.max(0, centre - half), high: Math.min(1, centre + half), count }
}

/**
 * The mean of some values with its 95 % percentile bootstrap interval (Efron 1979).
 *
 * @param options `seed` of the resampling, default 0; `resamples`, default 2000.
 * @throws AscribeError `INPUT_SHAPE` without values, `NOT_FINITE`
 */
export function bootstrapInterval(
  values: readonly number[],
  options: { seed?: number; resamples?: number } = {},
): Interval {
  if (values.length === 0) throw new AscribeError('INPUT_SHAPE', 'There are no values to take a mean of')
  const unusable = values.findIndex(value => !Number.isFinite(value))
  if (unusable >= 0) throw new AscribeError('NOT_FINITE', `Value ${unusable} is ${values[unusable]}`)
  const resamples = expectInteger('resamples', options.resamples ?? 2000, 100, 1_000_000)
  const generator = xoroshiro128plus(expectInteger('seed', options.seed ?? 0))
  const count = values.length
  const means = new Float64Array(resamples)
  for (let sample = 0; sample < resamples; sample++) {
    let sum = 0
    for (let draw = 0; draw < count; draw++) sum += values[uniformInt(generator, 0, count - 1)]!
    means[sample] = sum / count
  }
  means.sort()
  const at = (share: number): number => means[Math.round(share * (resamples - 1))]!
  return {
    mean: values.reduce((sum, value) => sum + value, 0) / count,
    low: at(0.025),
    high: at(0.975),
    count,
  }
}
