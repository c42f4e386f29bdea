import { AscribeError } from '../errors.js'
import type { AttributionMethod } from '../methods/attributionMethod.js'
import { GradientMethod } from '../methods/inputs/gradientMethod.js'
import { findMethod } from '../methods/registry.js'
import type { Model } from '../model/model.js'
import { methodOptions } from './methodFlags.js'

/**
 * The method that flags describe, around another one where it is made for that.
 *
 * @param flags Values of the flags that the options of a method and its base have become.
 * @throws AscribeError `OPTION_RANGE`
 */
export async function createMethod(
  model: Model,
  name: string,
  base: string,
  flags: Record<string, unknown>,
): Promise<AttributionMethod> {
  const entry = findMethod(name)
  const create = await entry.load()
  if (!entry.wraps) return create(model, methodOptions(entry, flags))
  const around = findMethod(base)
  if (around.wraps)
    throw new AscribeError('OPTION_RANGE', `${around.name} goes around another method and cannot be the base`)
  const inner = (await around.load())(model, methodOptions(around, flags))
  if (!(inner instanceof GradientMethod))
    throw new AscribeError(
      'OPTION_RANGE',
      `${around.name} reads no gradients of values that noise could be put on`,
    )
  return create(model, methodOptions(entry, flags), inner)
}
