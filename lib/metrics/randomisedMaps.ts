import type { Attribution } from '../attribution/attribution.js'
import { Target } from '../graph/target.js'
import { type NamedMethod, namedMethod } from '../methods/namedMethod.js'
import type { Model } from '../model/model.js'
import { expectKnownKeys, expectObject, expectString, typeError } from '../validate.js'
import { mapScores, valueScores } from './mapMetric.js'
import { throwIfAborted } from './metric.js'
import { plainMaps } from './plainMaps.js'
import { type Attributer, checkMap, type MetricSample, mapsOf, type RecordedMap } from './sample.js'

/** Maps that exist already: of a sample, for the model as it is (no layer), or once a layer has been randomised. */
export type RecordedMaps = (
  sample: MetricSample,
  index: number,
  layer: string | undefined,
) => RecordedMap | Promise<RecordedMap>

/** A method for every model: a function, or a method of the registry. */
export type MethodSource = ((model: Model) => Attributer) | string | NamedMethod

/** Where the maps of a randomisation come from: scores by unit, of some samples in their order. */
export interface RandomisedMaps {
  /** Asked first: it is for these targets that the other maps are. */
  original(
    model: Model,
    samples: readonly MetricSample[],
    first: number,
  ): Promise<{ maps: Float64Array[]; samples: readonly MetricSample[] }>
  randomised(
    model: () => Model,
    samples: readonly MetricSample[],
    first: number,
    layer: string,
  ): Promise<Float64Array[]>
}

const unitScores = (map: RecordedMap): Float64Array => mapScores(map, 'unit')

export function recordedMaps(
  recorded: RecordedMaps,
  spent: (forwardPasses: number, maps: number) => void,
  signal?: AbortSignal,
): RandomisedMaps {
  const of = async (samples: readonly MetricSample[], first: number, layer: string | undefined) => {
    const maps = await Promise.all(
      samples.map(async (sample, at) => {
        throwIfAborted(signal)
        const map = await recorded(sample, first + at, layer)
        checkMap(`the map of sample ${first + at}${layer === undefined ? '' : ` after "${layer}"`}`, map)
        return unitScores(map)
      }),
    )
    spent(0, maps.length)
    return maps
  }
  return {
    original: async (_, samples, first) => ({ maps: await of(samples, first, undefined), samples }),
    randomised: (_, samples, first, layer) => of(samples, first, layer),
  }
}

/** @throws AscribeError `OPTION_TYPE` */
export function checkMethodSource(source: unknown): void {
  if (typeof source === 'function' || typeof source === 'string') return
  if (typeof source !== 'object' || source === null || !('name' in source))
    throw typeError('method', 'a function of a model, or the name of a method with its options', source)
  expectKnownKeys('method', source, ['name', 'options', 'base'])
  expectString('method.name', (source as NamedMethod).name)
  for (const part of ['options', 'base'] as const)
    if ((source as NamedMethod)[part] !== undefined)
      expectObject(`method.${part}`, (source as NamedMethod)[part])
}

/** Maps of a method that is made for every model. */
export function methodMaps(
  source: MethodSource,
  options: { layer?: string | readonly string[]; signal?: AbortSignal },
  spent: (forwardPasses: number, maps: number) => void,
): RandomisedMaps {
  const methodOf = async (model: Model): Promise<Attributer> =>
    typeof source === 'function'
      ? source(model)
      : namedMethod(model, typeof source === 'string' ? { name: source } : source)
  return {
    async original(model, samples, first) {
      const maps = (await mapsOf(samples, first, await methodOf(model), options)) as Attribution[]
      spent(
        maps.reduce((sum, { cost }) => sum + cost.forwardPasses, 0),
        maps.length,
      )
      return {
        maps: maps.map(unitScores),
        samples: samples.map((sample, at) => withFixedTarget(sample, maps[at]!)),
      }
    },
    async randomised(model, samples) {
      const calls = samples.map(({ input, target }) => ({ input, target: Target.from(target) }))
      const own = model()
      try {
        const maps = await plainMaps(await methodOf(own), calls, options)
        spent(
          maps.reduce((sum, { forwardPasses }) => sum + forwardPasses, 0),
          maps.length,
        )
        return maps.map(({ values }) => valueScores(values, 'unit'))
      } finally {
        own.dispose()
      }
    },
  }
}

/** The class that the untouched model gave a sample stays its target. */
export function withFixedTarget(sample: MetricSample, original: Attribution): MetricSample {
  const target = Target.from(sample.target)
  const { index } = original.targets[0]!
  if (target.description.kind !== 'top' || index === undefined) return sample
  return { ...sample, target: Target.class(index, target.options) }
}
