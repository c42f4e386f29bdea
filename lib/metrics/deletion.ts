import type { Model } from '../model/model.js'
import { type CurveOptions, RemovalCurve } from './removalCurve.js'

/**
 * Deletion: the area under the score while features are removed, strongest first. Lower is better: a map that names what
 * the model uses takes the score down at once.
 *
 * A sample's values are the areas (a mean over the curve, in units of the score) of the logit and of the probability;
 * targets without a class have one `score`. Ties go in the order of the features. Costs steps + 1 forward passes; the
 * copies are made inside the plan.
 *
 * @param options `steps` (default 10), `features`, `baseline` (default 0).
 * @throws AscribeError `OPTION_RANGE` for more steps than features
 * Source: Petsiuk, Das and Saenko, "RISE" (BMVC 2018), section 4.2; steps and baseline as Xplique has them.
 */
export class Deletion extends RemovalCurve {
  protected readonly name = 'Deletion'
  protected readonly inserts = false
  constructor(model: Model, options: CurveOptions = {}) {
    super(model, options)
  }
}
