import type { Model } from '../model/model.js'
import { Erasure, type ErasureOptions } from './erasure.js'

/**
 * Sufficiency: what the score loses when only the strongest 1, 5, 10, 20 and 50 % of the features stay, and the mean of
 * the five (AOPC). Lower is better. See `Comprehensiveness`; bins [unconfirmed].
 *
 * It is not the metric that Quantus calls Sufficiency, which compares the predictions of samples with like maps.
 *
 * Source: DeYoung et al., "ERASER: a benchmark to evaluate rationalized NLP models" (ACL 2020), section 4.3.
 */
export class Sufficiency extends Erasure {
  protected readonly name = 'Sufficiency'
  protected readonly keeps = true
  constructor(model: Model, options: ErasureOptions = {}) {
    super(model, options)
  }
}
