import type { CoalitionEvaluator } from '../../games/coalitionGame.js'
import { valueAt } from './regionScores.js'

/**
 * Values of a classifier whose confidence comes from another model. Both see every set.
 *
 * @param evidential Gives one number: the confidence.
 */
export function evidentialEvaluator(
  classifier: CoalitionEvaluator,
  evidential: CoalitionEvaluator,
): CoalitionEvaluator {
  const batch = Math.min(classifier.batch, evidential.batch)
  return {
    batch,
    width: classifier.width,
    async evaluate(requests, signal) {
      const values = await classifier.evaluate(requests, signal)
      const confidences = await evidential.evaluate(requests, signal)
      return values.map((value, at) => {
        const joined = value.slice()
        joined[valueAt.confidence] = confidences[at]![0]!
        return joined
      })
    },
  }
}
