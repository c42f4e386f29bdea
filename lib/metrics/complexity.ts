import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Resolved, resolveOptions } from '../methods/options.js'
import { featuresOption } from './faithfulnessMetric.js'
import { MapMetric } from './mapMetric.js'
import type { MapMetricOptions } from './sparseness.js'

/**
 * Complexity: the entropy, in nats, of the shares that the sizes of a map's scores have. 0 where one feature has
 * everything, the logarithm of their number where all are alike. Lower is simpler. The value is called `entropy`; undefined
 * (NaN, counted) for a map of zeros.
 *
 * @param options `features`: of units (default; scores of channels added up) or of each number.
 * Source: Bhatt, Weller and Moura, "Evaluating and aggregating feature-based model explanations" (IJCAI 2020), section
 * 3.4.
 */
export class Complexity extends MapMetric {
  readonly options: Resolved<typeof featuresOption>

  constructor(options: MapMetricOptions = {}) {
    super()
    this.options = resolveOptions(featuresOption, options)
  }
  protected override get features() {
    return this.options.features
  }
  override identity(): MethodIdentity {
    return { name: 'Complexity', options: this.options }
  }
  protected override valuesOf(scores: Float64Array): Record<string, number> {
    let total = 0
    for (const score of scores) total += Math.abs(score)
    if (total === 0) return { entropy: Number.NaN }
    let entropy = 0
    for (const score of scores) {
      const share = Math.abs(score) / total
      if (share !== 0) entropy -= share * Math.log(share)
    }
    return { entropy }
  }
}
