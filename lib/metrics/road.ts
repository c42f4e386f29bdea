import type { NativeTensor } from '#typings/addon.js'
import { AscribeError } from '../errors.js'
import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import type { Model } from '../model/model.js'
import { native, settle } from '../native.js'
import { expectNumber, rangeError } from '../validate.js'
import { FaithfulnessMetric } from './faithfulnessMetric.js'
import type { GivenCopies } from './perturbation.js'
import type { CopyScores } from './perturbedRuns.js'
import { streamKey } from './randomStream.js'
import { asCurves, ranksOf } from './ranking.js'
import type { SampleResult } from './result.js'
import { seedOption } from './seedOption.js'
import type { Subject } from './subject.js'

export const roadOptions = {
  order: {
    kind: 'choice',
    choices: ['strongestFirst', 'weakestFirst'],
    default: 'strongestFirst',
    description: 'Which pixels go first.',
  },
  noise: {
    kind: 'number',
    default: 0.01,
    minimum: 0,
    maximum: 1e6,
    description: 'Standard deviation of what is added to filled pixels, in model space.',
  },
  ...seedOption,
} as const

export type RoadOptions = Given<typeof roadOptions> & {
  /** Shares of the pixels that go, in per cent, ascending, each below 100. Default 1, 3, 5 … 99. */
  percentages?: readonly number[]
}

const defaultPercentages = Array.from({ length: 50 }, (_, at) => 2 * at + 1)

function checkPercentages(given: readonly number[]): readonly number[] {
  if (!Array.isArray(given) || given.length === 0)
    throw rangeError('percentages', 'at least one number from 0 to below 100', given)
  for (const [at, percentage] of given.entries()) {
    expectNumber(`percentages[${at}]`, percentage, 0)
    if (percentage >= 100) throw rangeError(`percentages[${at}]`, 'a number below 100', percentage)
    if (at > 0 && percentage <= given[at - 1]!)
      throw rangeError(`percentages[${at}]`, `a number above ${given[at - 1]}`, percentage)
  }
  return [...given]
}

/**
 * Remove and debias (ROAD): whether the class stays the top one while pixels go, strongest first, and are filled from
 * their neighbours so that their absence says little by itself: each is the weighted mean of its up to eight neighbours,
 * all of them one sparse system, plus a little noise.
 *
 * Values are means over the percentages: `accuracy` (1 where the class is the top one; lower is better with the
 * strongest first), and of the score (`logit`, `probability`). Curves have them percentage by percentage, and `curves` of
 * the result their means over samples, the accuracy that the paper plots. Pixels are ranked by place, with their channels
 * together; Quantus ranks each channel's for itself and then takes the ranks for places, which only works with one channel.
 * One forward pass and one solution a percentage.
 *
 * @param options `percentages` (default 1, 3 … 99), `order`, `noise` (default 0.01), `seed`.
 * @throws AscribeError `INPUT_SHAPE` where the input is no picture of f32, `OPTION_RANGE`
 * Source: Rong, Leemann et al., "A consistent and efficient evaluation strategy for attribution methods" (ICML 2022),
 * section 4.3; defaults as Quantus has them.
 */
export class Road extends FaithfulnessMetric<GivenCopies> {
  protected readonly features = 'unit'
  readonly options: Resolved<typeof roadOptions>
  readonly percentages: readonly number[]

  constructor(model: Model, options: RoadOptions = {}) {
    super(model, 0)
    const { percentages, ...rest } = options
    this.percentages = checkPercentages(percentages ?? defaultPercentages)
    this.options = resolveOptions(roadOptions, rest)
  }
  override identity(): MethodIdentity {
    const { seed, ...options } = this.options
    return { name: 'Road', options: { ...options, percentages: this.percentages }, seed }
  }

  protected override perturb({ explained, scores, count, id }: Subject): GivenCopies {
    const [name] = explained.names as [string]
    const units = explained.units[name]!
    const picture = explained.tensors[name]!
    if (explained.names.length !== 1 || units.kind !== 'grid' || picture.dtype !== 'f32')
      throw new AscribeError(
        'INPUT_SHAPE',
        'ROAD fills pixels from their neighbours, and this input is no picture of f32',
      )
    const { order, noise, seed } = this.options
    const ranks = ranksOf(order === 'strongestFirst' ? scores : scores.map(score => -score))
    const counts = this.percentages.map(percentage => Math.floor((count * percentage) / 100))
    const rows = async (first: number, wanted: number): Promise<readonly [Float32Array]> => {
      const { data } = await settle(() =>
        native().imputePixels({
          picture: picture as NativeTensor,
          channelsLast: units.layout.endsWith('C'),
          ranks: { dtype: 'f32', shape: [count], data: ranks },
          counts: counts.slice(first, first + wanted),
          noise,
          seed: BigInt(seed),
          item: BigInt(streamKey(id ?? '')),
        }),
      )
      return [data as Float32Array]
    }
    return { kind: 'given', count: counts.length, rows }
  }

  protected override reduce(_: Subject, scores: CopyScores): Omit<SampleResult, 'index' | 'id'> {
    const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length
    return {
      values: Object.fromEntries(Object.entries(scores).map(([name, values]) => [name, mean(values)])),
      curves: asCurves(scores),
      at: this.percentages.map(percentage => percentage / 100),
    }
  }
}
