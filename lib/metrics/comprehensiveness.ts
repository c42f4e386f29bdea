import type { Model } from '../model/model.js'
import { Erasure, type ErasureOptions } from './erasure.js'

/**
 * Comprehensiveness: what the score loses when the strongest 1, 5, 10, 20 and 50 % of the features go, and the mean of
 * the five (AOPC). Higher is better.
 *
 * Values by form of the score (`logit` and `probability` of a class, else `score`); the differences share by share are the
 * curves. At least one feature goes. ERASER's bins and their rounding are [unconfirmed]. 6 forward passes.
 *
 * @param options `features`, `baseline` (default 0).
 * Source: DeYoung et al., "ERASER: a benchmark to evaluate rationalized NLP models" (ACL 2020), section 4.3.
 */
export class Comprehensiveness extends Erasure {
  protected readonly name = 'Comprehensiveness'
  protected readonly keeps = false
  constructor(model: Model, options: ErasureOptions = {}) {
    super(model, options)
  }
}
