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
import type { Ranked } from './perturbation.js'
import type { CopyScores } from './perturbedRuns.js'
import { areaUnder, asCurves, overScores } from './ranking.js'
import type { SampleResult } from './result.js'
import type { Subject } from './subject.js'

export const pixelFlippingOptions = {
  featuresInStep: {
    kind: 'integer',
    default: 1,
    minimum: 1,
    description: 'Features that are removed in one step.',
  },
  ...featuresOption,
} as const

export type PixelFlippingOptions = Given<typeof pixelFlippingOptions> & BaselineOption

/**
 * Pixel flipping: the score after each step in which the strongest features that are left take the sample's own least
 * value. Lower is better.
 *
 * As Quantus has it, the whole input is no point of the curve, and the area counts steps (trapezia of width 1), so that it
 * grows with their number: compare maps of one size only, or take `Deletion`. Values by form of the score, as there.
 *
 * @param options `featuresInStep` (default 1), `features`, `baseline` (default `minimum`).
 * Source: Bach et al., "On pixel-wise explanations for non-linear classifier decisions" (PLOS ONE 2015), section
 * "Pixel-flipping".
 */
export class PixelFlipping extends FaithfulnessMetric<Ranked> {
  readonly options: Resolved<typeof pixelFlippingOptions>

  constructor(model: Model, options: PixelFlippingOptions = {}) {
    super(model, options.baseline ?? 'minimum')
    this.options = resolveOptions(pixelFlippingOptions, withoutBaseline(options))
  }
  protected override get features() {
    return this.options.features
  }
  override identity(): MethodIdentity {
    return { name: 'PixelFlipping', options: this.options }
  }
  protected override perturb({ scores, count }: Subject): Ranked {
    const { featuresInStep } = this.options
    if (featuresInStep > count)
      throw rangeError('featuresInStep', `at most ${count}, the number of features`, featuresInStep)
    const steps = Math.ceil(count / featuresInStep)
    return {
      kind: 'ranked',
      order: { scores },
      thresholds: Array.from({ length: steps }, (_, step) => Math.min((step + 1) * featuresInStep, count)),
    }
  }
  protected override reduce(
    { count }: Subject,
    scores: CopyScores,
    { thresholds }: Ranked,
  ): Omit<SampleResult, 'index' | 'id'> {
    const steps = thresholds.length - 1
    return {
      values: overScores(scores, curve => (steps === 0 ? 0 : areaUnder(curve) * steps)),
      curves: asCurves(scores),
      at: thresholds.map(threshold => threshold / count),
    }
  }
}
