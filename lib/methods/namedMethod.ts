import { AscribeError } from '../errors.js'
import type { Model } from '../model/model.js'
import type { AttributionMethod } from './attributionMethod.js'
import { GradientMethod } from './inputs/gradientMethod.js'
import { findMethod } from './registry.js'

/** A method of the registry by its name, in any spelling. */
export interface NamedMethod {
  readonly name: string
  readonly options?: Readonly<Record<string, unknown>>
  /** What a wrapping method goes around; default `Saliency`. */
  readonly base?: { readonly name: string; readonly options?: Readonly<Record<string, unknown>> }
}

/**
 * Makes a method for a model by its name, around another one where it is made for that.
 *
 * @throws AscribeError `OPTION_RANGE` for an unknown name, or a base that nothing can go around
 */
export async function namedMethod(
  model: Model,
  { name, options = {}, base = { name: 'Saliency' } }: NamedMethod,
): Promise<AttributionMethod> {
  const entry = findMethod(name)
  const create = await entry.load()
  if (!entry.wraps) return create(model, { ...options })
  const around = findMethod(base.name)
  if (around.wraps)
    throw new AscribeError('OPTION_RANGE', `${around.name} goes around another method and cannot be the base`)
  const inner = (await around.load())(model, { ...base.options })
  if (!(inner instanceof GradientMethod))
    throw new AscribeError(
      'OPTION_RANGE',
      `${around.name} reads no gradients of values that noise could be put on`,
    )
  return create(model, { ...options }, inner)
}
