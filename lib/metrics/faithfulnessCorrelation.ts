import { pearsonCorrelation } from '../data/rankStatistics.js'
import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import type { Model } from '../model/model.js'
import { rangeError } from '../validate.js'
import {
  type BaselineOption,
  FaithfulnessMetric,
  featuresOption,
  withoutBaseline,
} from './faithfulnessMetric.js'
import type { Masked } from './perturbation.js'
import type { CopyScores } from './perturbedRuns.js'
import { randomStream, subsetsOf } from './randomStream.js'
import { overScores } from './ranking.js'
import type { SampleResult } from './result.js'
import { seedOption } from './seedOption.js'
import type { Subject } from './subject.js'

export const faithfulnessCorrelationOptions = {
  runs: {
    kind: 'integer',
    default: 100,
    minimum: 2,
    maximum: 1_000_000,
    description: 'Subsets that are drawn.',
  },
  subsetSize: {
    kind: 'integer',
    default: 224,
    minimum: 1,
    description: 'Features of a subset; fewer than there are.',
  },
  ...featuresOption,
  ...seedOption,
} as const

export type FaithfulnessCorrelationOptions = Given<typeof faithfulnessCorrelationOptions> & BaselineOption

/**
 * Faithfulness correlation: Pearson's correlation between the attribution of random subsets of one size and what the
 * score loses when they are removed. -1 to 1, higher is better; undefined (NaN, counted) where either is constant.
 *
 * Values by form of the score (`logit` and `probability` of a class, else `score`). `runs` forward passes.
 *
 * @param options `runs` (default 100), `subsetSize` (default 224), `features`, `seed`, `baseline` (default `minimum`).
 * @throws AscribeError `OPTION_RANGE` where a subset would have every feature
 * Source: Bhatt, Weller and Moura, "Evaluating and aggregating feature-based model explanations" (IJCAI 2020), section
 * 3.3; defaults as Quantus has them.
 */
export class FaithfulnessCorrelation extends FaithfulnessMetric<Masked> {
  readonly options: Resolved<typeof faithfulnessCorrelationOptions>

  constructor(model: Model, options: FaithfulnessCorrelationOptions = {}) {
    super(model, options.baseline ?? 'minimum')
    this.options = resolveOptions(faithfulnessCorrelationOptions, withoutBaseline(options))
  }
  protected override get features() {
    return this.options.features
  }
  override identity(): MethodIdentity {
    const { seed, ...options } = this.options
    return { name: 'FaithfulnessCorrelation', options, seed }
  }
  protected override perturb({ count, id, scores }: Subject): Masked {
    const { runs, subsetSize, seed } = this.options
    if (subsetSize >= count)
      throw rangeError('subsetSize', `less than ${count}, the number of features`, subsetSize)
    const draw = subsetsOf(count, subsetSize)
    return {
      kind: 'masked',
      players: count,
      count: runs,
      removed: at => draw(randomStream(seed, id, at)),
      mostRemoved: subsetSize,
      weights: scores,
      said: new Float64Array(runs),
    }
  }
  protected override reduce(
    _: Subject,
    scores: CopyScores,
    { said }: Masked,
  ): Omit<SampleResult, 'index' | 'id'> {
    // What is lost is the score of the whole input, a constant, less the copy's.
    return {
      values: overScores(scores, left =>
        pearsonCorrelation(
          said,
          left.map(score => -score),
        ),
      ),
    }
  }
}
