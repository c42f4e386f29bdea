import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import { featuresOption } from './faithfulnessMetric.js'
import { MapMetric } from './mapMetric.js'

export type MapMetricOptions = Given<typeof featuresOption>

/** Added to every size, as Quantus does, so that a map of zeros has an index: 0. */
const floor = 1e-7

/**
 * Sparseness: the Gini index of the sizes of a map's scores, 0 where all are alike, towards 1 where few have everything.
 * Higher is sparser. The value is called `gini`; no forward passes beyond the map's own.
 *
 * @param options `features`: of units (default; scores of channels added up) or of each number.
 * Source: Chalasani et al., "Concise explanations of neural networks using adversarial training" (ICML 2020), section 5.
 */
export class Sparseness extends MapMetric {
  readonly options: Resolved<typeof featuresOption>

  constructor(options: MapMetricOptions = {}) {
    super()
    this.options = resolveOptions(featuresOption, options)
  }
  protected override get features() {
    return this.options.features
  }
  override identity(): MethodIdentity {
    return { name: 'Sparseness', options: this.options }
  }
  protected override valuesOf(scores: Float64Array): Record<string, number> {
    const sizes = scores.map(score => Math.abs(score) + floor).sort()
    const count = sizes.length
    const [weighted, total] = sizes.reduce(
      ([above, sum], size, at) => [above + (2 * (at + 1) - count - 1) * size, sum + size],
      [0, 0],
    )
    return { gini: weighted / (count * total) }
  }
}
