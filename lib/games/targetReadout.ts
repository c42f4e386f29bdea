import { AscribeError } from '../errors.js'
import { compileScores, compileTarget } from '../graph/compileTarget.js'
import type { Target } from '../graph/target.js'
import { targetKey } from '../graph/targetKey.js'
import type { Model } from '../model/model.js'
import type { Readout } from './maskedModel.js'

/**
 * The explained scalar as the one number of a value. Targets that pick a class pick it here, so that games of different
 * classes share a plan.
 *
 * @param classes The class of each item, for targets of a class or the top class.
 */
export function targetReadout(model: Model, target: Target, classes: readonly number[]): Readout {
  const { kind } = target.description
  if (kind !== 'class' && kind !== 'top')
    return {
      key: targetKey(target),
      width: 1,
      outputs: (builder, outputs, values) => [
        compileTarget(builder, outputs, target, model.labels, values).objective,
      ],
      read: ([row]) => Float64Array.of(Number(row![0])),
    }
  return {
    key: `target ${targetKey(target)}`,
    width: 1,
    outputs: (builder, outputs) => {
      const name = target.options.output ?? model.outputs[0]?.name ?? ''
      const output = outputs.get(name)
      if (output === undefined)
        throw new AscribeError('TARGET_INVALID', `The model has no output called "${name}"`)
      return [compileScores(builder, output, target.options.score).rows]
    },
    read: ([row], { item }) => {
      const picked = classes[item]
      if (picked === undefined || picked >= row!.length)
        throw new AscribeError(
          'TARGET_INVALID',
          `Class ${picked} is not among the ${row!.length} of the model`,
        )
      return Float64Array.of(row![picked]!)
    },
  }
}
