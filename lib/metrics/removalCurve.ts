import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import type { Given, Resolved } from '../methods/options.js'
import { resolveOptions } from '../methods/options.js'
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

export const curveOptions = {
  steps: {
    kind: 'integer',
    default: 10,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Equal steps in which the features go or come; the curve has one point more.',
  },
  ...featuresOption,
} as const

export type CurveOptions = Given<typeof curveOptions> & BaselineOption

/** Thresholds of a curve: 0, and the features that are gone after each of so many equal steps. */
function stepsOf(count: number, steps: number): number[] {
  if (steps > count) throw rangeError('steps', `at most ${count}, the number of features`, steps)
  return Array.from({ length: steps + 1 }, (_, step) => Math.round((step * count) / steps))
}

/** A curve of scores while features go, or come, strongest first. */
export abstract class RemovalCurve extends FaithfulnessMetric<Ranked> {
  protected abstract readonly name: string
  protected abstract readonly inserts: boolean
  readonly options: Resolved<typeof curveOptions>

  constructor(model: Model, options: CurveOptions) {
    super(model, options.baseline ?? 0)
    this.options = resolveOptions(curveOptions, withoutBaseline(options))
  }
  protected override get features() {
    return this.options.features
  }
  override identity(): MethodIdentity {
    return { name: this.name, options: this.options }
  }
  protected override perturb({ scores, count }: Subject): Ranked {
    return {
      kind: 'ranked',
      order: { scores },
      thresholds: stepsOf(count, this.options.steps),
      inserts: this.inserts,
    }
  }
  protected override reduce(
    { count }: Subject,
    scores: CopyScores,
    { thresholds }: Ranked,
  ): Omit<SampleResult, 'index' | 'id'> {
    return {
      values: overScores(scores, areaUnder),
      curves: asCurves(scores),
      at: thresholds.map(threshold => threshold / count),
    }
  }
}
