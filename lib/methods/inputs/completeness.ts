import type { EnsembleResult } from '#typings/addon.js'
import type { AttributionWarning, Completeness } from '../../attribution/types.js'
import type { Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { rowsOf } from '../../model/stack.js'

/** What a sum of single-precision numbers may be off by, as a share of their sizes. */
const rounding = 2 ** -23
/** A share that is worth a warning: no quadrature of a well-behaved path misses as much. */
const much = 0.1

/** What the scores of example `at` miss of what they add up to by the method; nothing where that was not computed. */
export function completenessOf(result: EnsembleResult, at: number): Completeness | undefined {
  if (result.baselineObjective === undefined) return undefined
  const difference = result.objective[at]! - result.baselineObjective[at]!
  const delta = result.sums[at]! - difference
  return { delta, difference, relative: difference === 0 ? null : Math.abs(delta / difference) }
}

const sizeOf = (result: EnsembleResult, at: number): number =>
  Object.values(result.attributions).reduce(
    (sum, tensor) =>
      (rowsOf(tensor as Tensor, at, 1).data as Float32Array).reduce(
        (sizes, score) => sizes + Math.abs(score),
        sum,
      ),
    0,
  )

/**
 * @param whole What the scores of example `at` share out.
 * @param size How large the numbers are that it is a difference of, or it itself.
 * @throws AscribeError PRECISION_LOST where scores cancel so far that what they add up to is rounding alone.
 */
export function checkPrecision(
  result: EnsembleResult,
  at: number,
  whole: number,
  size: number,
  hint: string,
): void {
  // Of a target that is 0 at both ends nothing is lost by rounding: its scores are INCOMPLETE.
  if (!(size > 0 && Math.abs(result.sums[at]! - whole) > size)) return
  const total = sizeOf(result, at)
  if (!(total * rounding > size)) return
  throw new AscribeError(
    'PRECISION_LOST',
    `The scores share out ${whole.toPrecision(3)}, and their sizes add up to ${total.toPrecision(3)}: they cancel so far that single precision keeps nothing of it`,
    { hint },
  )
}

/**
 * The warning INCOMPLETE where scores miss much of what they should add up to; nothing where they do not.
 *
 * @throws AscribeError PRECISION_LOST
 */
export function completenessWarning(result: EnsembleResult, at: number): AttributionWarning | undefined {
  const completeness = completenessOf(result, at)
  if (completeness === undefined) return undefined
  const { delta, difference } = completeness
  const size = Math.max(Math.abs(result.objective[at]!), Math.abs(result.baselineObjective![at]!))
  const hint = 'Give a baseline that the model can tell from noise (for texts padding, not zeros).'
  checkPrecision(result, at, difference, size, hint)
  if (Math.abs(delta) <= much * Math.max(Math.abs(difference), much * size)) return undefined
  return {
    code: 'INCOMPLETE',
    message: `The scores add up to ${(difference + delta).toPrecision(4)}, and the target changes by ${difference.toPrecision(4)} from the baseline: take more steps, or another baseline.`,
  }
}
