import type { AttributionMethod } from '../methods/attributionMethod.js'
import { namedMethod } from '../methods/namedMethod.js'
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
  const optionsOf = (of: string) => methodOptions(findMethod(of), flags)
  const around = findMethod(name).wraps ? { base: { name: base, options: optionsOf(base) } } : {}
  return namedMethod(model, { name, options: optionsOf(name), ...around })
}
