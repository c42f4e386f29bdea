import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import type { Model } from '../model/model.js'
import {
  type BaselineOption,
  FaithfulnessMetric,
  featuresOption,
  withoutBaseline,
} from './faithfulnessMetric.js'
import type { Ranked } from './perturbation.js'
import type { CopyScores } from './perturbedRuns.js'
import { overScores } from './ranking.js'
import type { SampleResult } from './result.js'
import type { Subject } from './subject.js'

/** Shares of the features that are taken, ERASER's bins. */
const shares = [0.01, 0.05, 0.1, 0.2, 0.5]

export type ErasureOptions = Given<typeof featuresOption> & BaselineOption

/** The score of the whole input less that of what is left, averaged over shares of the strongest features. */
export abstract class Erasure extends FaithfulnessMetric<Ranked> {
  protected abstract readonly name: string
  /** The strongest features stay, and all others go. */
  protected abstract readonly keeps: boolean
  readonly options: Resolved<typeof featuresOption>

  constructor(model: Model, options: ErasureOptions) {
    super(model, options.baseline ?? 0)
    this.options = resolveOptions(featuresOption, withoutBaseline(options))
  }
  protected override get features() {
    return this.options.features
  }
  override identity(): MethodIdentity {
    return { name: this.name, options: { ...this.options, shares } }
  }
  protected override perturb({ scores, count }: Subject): Ranked {
    const taken = shares.map(share => Math.max(1, Math.round(share * count)))
    return {
      kind: 'ranked',
      order: { scores },
      thresholds: [this.keeps ? count : 0, ...taken],
      inserts: this.keeps,
    }
  }
  protected override reduce(_: Subject, scores: CopyScores): Omit<SampleResult, 'index' | 'id'> {
    const differences = (curve: Float64Array) => Array.from(curve.subarray(1), score => curve[0]! - score)
    return {
      values: overScores(scores, curve => {
        const all = differences(curve)
        return all.reduce((sum, value) => sum + value, 0) / all.length
      }),
      curves: Object.fromEntries(
        Object.entries(scores)
          .filter(([name]) => name !== 'accuracy')
          .map(([name, curve]) => [name, differences(curve)]),
      ),
      at: shares,
    }
  }
}
