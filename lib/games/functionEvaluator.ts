import { AscribeError } from '../errors.js'
import { abortable } from '../model/abortable.js'
import { expectInteger } from '../validate.js'
import type { CoalitionEvaluator, Request } from './coalitionGame.js'

/** Values of a batch of coalitions: a number each, or `width` numbers each. */
export type ValueFunction = (
  requests: readonly Request[],
  signal?: AbortSignal,
) => ArrayLike<number | ArrayLike<number>> | Promise<ArrayLike<number | ArrayLike<number>>>

/**
 * Values from a function: a black box. It gets batches of coalitions (with the item they are of) and gives values in
 * their order.
 *
 * @param options `width`: numbers of one value, default 1; `batch`: the most coalitions of one call, default 32.
 */
export function functionEvaluator(
  values: ValueFunction,
  options: { width?: number; batch?: number } = {},
): CoalitionEvaluator {
  const width = expectInteger('width', options.width ?? 1, 1)
  const batch = expectInteger('batch', options.batch ?? 32, 1)
  return {
    width,
    batch,
    async evaluate(requests, signal) {
      const given = await abortable(async () => values(requests, signal), signal)
      if (typeof given !== 'object' || given === null)
        throw new AscribeError('INPUT_SHAPE', 'The function gave no list of values')
      return Array.from(given, value =>
        typeof value === 'number' ? Float64Array.of(value) : Float64Array.from(value),
      )
    },
  }
}
