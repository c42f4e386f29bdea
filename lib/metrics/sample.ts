import { Attribution } from '../attribution/attribution.js'
import { AscribeError } from '../errors.js'
import type { Target } from '../graph/target.js'
import type { AttributeOptions, Explained } from '../methods/inputs/gradientMethod.js'
import { expectObject, typeError } from '../validate.js'

/** One example that maps are judged on. */
export interface MetricSample {
  readonly input: Explained
  /** What is explained; default the model's top class. */
  readonly target?: Target | number | string
  /** A recorded map: judged where no method is given. */
  readonly map?: RecordedMap
  /** Non-zero where attribution belongs, one number a unit; for localisation. */
  readonly mask?: ArrayLike<number>
  /** Stands in results, and keys the random numbers that are drawn for this sample. Default: no name, key 0. */
  readonly id?: string
}

/** A map that exists already: an attribution, or one score for each element or unit of the input, in its order. */
export type RecordedMap = Attribution | ArrayLike<number>

const isList = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Number.isSafeInteger((value as ArrayLike<number>).length)

/** @throws AscribeError OPTION_TYPE */
export function checkMap(name: string, map: unknown): void {
  if (!(map instanceof Attribution) && !isList(map))
    throw typeError(name, 'an attribution or a list of scores', map)
}

/** @throws AscribeError OPTION_TYPE */
export function checkSample(sample: MetricSample, index: number): void {
  const { map, mask } = expectObject(`sample ${index}`, sample)
  if (map !== undefined) checkMap(`the map of sample ${index}`, map)
  if (mask !== undefined && !isList(mask))
    throw typeError(`the mask of sample ${index}`, 'a list of numbers', mask)
}

/** Anything that explains: a method of this library, or an object with the same verb. */
export interface Attributer {
  attribute(input: Explained, options?: AttributeOptions): Promise<Attribution>
  attributeBatch?(inputs: readonly Explained[], options?: AttributeOptions): Promise<Attribution[]>
}

/** Where maps come from: a method, a function of the sample, or, where none is given, the samples themselves. */
export type MapSource =
  | Attributer
  | ((sample: MetricSample, index: number) => RecordedMap | Promise<RecordedMap>)

const isAttributer = (source: MapSource): source is Attributer => typeof source !== 'function'

/** The maps of some samples, in their order. Samples with one target go through the method together. */
export async function mapsOf(
  samples: readonly MetricSample[],
  first: number,
  source: MapSource | undefined,
  options: Pick<AttributeOptions, 'signal' | 'layer'>,
): Promise<RecordedMap[]> {
  if (source === undefined)
    return samples.map(({ map }, at) => {
      if (map !== undefined) return map
      throw new AscribeError('INPUT_MISSING', `Sample ${first + at} has no recorded map`, {
        hint: 'Give the sample a `map`, or the evaluation a method (`maps`).',
      })
    })
  if (!isAttributer(source)) return Promise.all(samples.map(async (sample, at) => source(sample, first + at)))
  const [{ target }] = samples as [MetricSample]
  const isShared = samples.length > 1 && samples.every(sample => sample.target === target)
  if (isShared && source.attributeBatch !== undefined)
    return source.attributeBatch(
      samples.map(({ input }) => input),
      { ...options, ...(target === undefined ? {} : { target }) },
    )
  const maps: RecordedMap[] = []
  for (const sample of samples)
    maps.push(
      await source.attribute(sample.input, {
        ...options,
        ...(sample.target === undefined ? {} : { target: sample.target }),
      }),
    )
  return maps
}
