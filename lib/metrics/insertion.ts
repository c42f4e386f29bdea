import type { Model } from '../model/model.js'
import { type CurveOptions, RemovalCurve } from './removalCurve.js'

/**
 * Insertion: the area under the score while features come back on the baseline, strongest first. Higher is better. See
 * `Deletion` for values, options and cost.
 *
 * Source: Petsiuk, Das and Saenko, "RISE" (BMVC 2018), section 4.2.
 */
export class Insertion extends RemovalCurve {
  protected readonly name = 'Insertion'
  protected readonly inserts = true
  constructor(model: Model, options: CurveOptions = {}) {
    super(model, options)
  }
}
