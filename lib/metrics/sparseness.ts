import { sortedSizes } from '../data/sortedSizes.js'
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
    const count = scores.length
    const sizes = new Float64Array(count)
    for (let at = 0; at < count; at++) sizes[at] = Math.abs(scores[at]!)
    const sorted = sortedSizes(sizes)
    let weighted = 0
    let total = 0
    for (let rank = 0; rank < count; rank++) {
      const size = sorted[rank]! + floor
      weighted += (2 * (rank + 1) - count - 1) * size
      total += size
    }
    return { gini: weighted / (count * total) }
  }
}
