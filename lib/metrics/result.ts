import { bootstrapInterval, type Interval, wilsonInterval } from './intervals.js'

/** What a metric says of one sample. */
export interface SampleResult {
  /** The place of the sample among those that were given. */
  readonly index: number
  readonly id?: string
  /** The metric by name: of a faithfulness metric once for each form of the score. NaN where it is not defined. */
  readonly values: Readonly<Record<string, number>>
  /** Scores along the way, by name, for metrics that have a curve. */
  readonly curves?: Readonly<Record<string, readonly number[]>>
  /** Where the points of the curves lie, as shares of the features. */
  readonly at?: readonly number[]
}

/** A mean over samples with its 95 % interval, and how many samples had no defined value and are not in it. */
export interface Summary extends Interval {
  readonly undefinedCount: number
}

/** What a metric says of a set of samples. */
export interface MetricResult {
  readonly metric: string
  readonly options: object
  readonly seed?: number
  readonly samples: readonly SampleResult[]
  /** By name of the value. */
  readonly summary: Readonly<Record<string, Summary>>
  /** Means of the samples' curves, point by point, where all samples have as many points. */
  readonly curves: Readonly<Record<string, readonly number[]>>
  readonly cost: { readonly forwardPasses: number; readonly milliseconds: number }
  /** Something a reader must know, for example BATCH_FIXED. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[]
}

/**
 * The mean of what is defined, with a 95 % interval: the percentile bootstrap, or Wilson's for a share of hits, which must be
 * said: correlations and means may be 0 or 1 throughout too, and are no share of anything.
 *
 * @param isShare Whether values are hits (1) and misses (0). Where some lie between, as of ties, the bootstrap is taken.
 */
export function summarise(values: readonly number[], isShare = false): Summary {
  const defined = values.filter(Number.isFinite)
  const undefinedCount = values.length - defined.length
  if (defined.length === 0)
    return { mean: Number.NaN, low: Number.NaN, high: Number.NaN, count: 0, undefinedCount }
  const interval =
    isShare && defined.every(value => value === 0 || value === 1)
      ? wilsonInterval(defined.filter(value => value === 1).length, defined.length)
      : bootstrapInterval(defined)
  return { ...interval, undefinedCount }
}

/** Every value by name, summarised over the samples; `shares` are the names of those that are hits and misses. */
export function summariseAll(
  samples: readonly SampleResult[],
  shares: readonly string[] = [],
): Record<string, Summary> {
  const names = [...new Set(samples.flatMap(({ values }) => Object.keys(values)))]
  return Object.fromEntries(
    names.map(name => [
      name,
      summarise(
        samples.map(({ values }) => values[name] ?? Number.NaN),
        shares.includes(name),
      ),
    ]),
  )
}

/** The mean of every curve that all samples have with as many points. */
export function meanCurves(samples: readonly SampleResult[]): Record<string, readonly number[]> {
  const curves: Record<string, readonly number[]> = {}
  for (const [name, { length }] of Object.entries(samples[0]?.curves ?? {})) {
    const all = samples.map(sample => sample.curves?.[name])
    if (!all.every(curve => curve?.length === length)) continue
    curves[name] = Array.from(
      { length },
      (_, at) => all.reduce((sum, curve) => sum + curve![at]!, 0) / all.length,
    )
  }
  return curves
}
