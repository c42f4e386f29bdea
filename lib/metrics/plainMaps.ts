import type { Attribution } from '../attribution/attribution.js'
import type { Units } from '../attribution/units.js'
import { GradientMethod, type TargetedInput } from '../methods/inputs/gradientMethod.js'
import type { Model } from '../model/model.js'
import { typeError } from '../validate.js'
import type { EvaluateOptions } from './metric.js'
import type { Attributer, MapSource } from './sample.js'

/** A method that knows its model, so that inputs can be prepared and moved. */
export type Explainer = Attributer & { readonly model: Model }

/** Scores by explained value, and what they cost. */
export interface PlainMap {
  readonly values: readonly { readonly name: string; readonly units: Units; readonly scores: Float32Array }[]
  readonly forwardPasses: number
}

/** @throws AscribeError `OPTION_TYPE` */
export function expectExplainer(maps: MapSource | undefined): Explainer {
  if (typeof maps === 'function' || (maps as Partial<Explainer> | undefined)?.model === undefined)
    throw typeError('maps', 'a method with its model', maps)
  return maps as Explainer
}

const plain = ({ inputs, cost }: Attribution): PlainMap => ({
  values: inputs.map(({ name, units, scores }) => ({ name, units, scores: scores.data as Float32Array })),
  forwardPasses: cost.forwardPasses,
})

/** Maps of many inputs, each for a target of its own: in full passes where the method knows how. */
export async function plainMaps(
  method: Attributer,
  calls: readonly TargetedInput[],
  { layer, signal }: Pick<EvaluateOptions, 'layer' | 'signal'>,
): Promise<PlainMap[]> {
  const options = { ...(layer === undefined ? {} : { layer }), ...(signal ? { signal } : {}) }
  if (method instanceof GradientMethod) return method.scoresOf(calls, options)
  const maps: PlainMap[] = []
  while (maps.length < calls.length) {
    const { input, target } = calls[maps.length]!
    const next = calls.findIndex((call, at) => at > maps.length && call.target !== target)
    const alike = calls.slice(maps.length, next === -1 ? calls.length : next)
    if (method.attributeBatch === undefined || alike.length === 1)
      maps.push(plain(await method.attribute(input, { ...options, target })))
    else {
      const inputs = alike.map(call => call.input)
      maps.push(...(await method.attributeBatch(inputs, { ...options, target })).map(plain))
    }
  }
  return maps
}
