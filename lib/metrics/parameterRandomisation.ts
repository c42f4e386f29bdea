import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { spearmanCorrelation } from '../data/rankStatistics.js'
import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import type { Model } from '../model/model.js'
import { expectKnownKeys, expectObject, typeError } from '../validate.js'
import { placeOf, throwIfAborted } from './metric.js'
import {
  checkMethodSource,
  type MethodSource,
  methodMaps,
  type RandomisedMaps,
  type RecordedMaps,
  recordedMaps,
} from './randomisedMaps.js'
import { streamKey } from './randomStream.js'
import { type MetricResult, meanCurves, type SampleResult, summariseAll } from './result.js'
import { checkSample, type MetricSample } from './sample.js'
import { shuffledTensor } from './shuffledTensor.js'
import { type WeightLayer, weightLayers } from './weightLayers.js'

export const parameterRandomisationOptions = {
  order: {
    kind: 'choice',
    choices: ['cascading', 'independent'],
    default: 'cascading',
    description: 'Layers randomised so far stay so, or each is randomised alone.',
  },
  direction: {
    kind: 'choice',
    choices: ['topDown', 'bottomUp'],
    default: 'topDown',
    description: 'From the output to the input, or from the input to the output.',
  },
  absolute: {
    kind: 'boolean',
    default: true,
    description: 'Compare the sizes of scores; off to compare signs too.',
  },
  seed: {
    kind: 'integer',
    default: 42,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Of the shuffling; one seed gives one series of models.',
  },
} as const

export type ParameterRandomisationOptions = Given<typeof parameterRandomisationOptions>

/** What {@link ParameterRandomisation.evaluate} is told: a method, or maps that were recorded. */
export interface RandomisationRun {
  /**
   * The method, which is asked for one of every randomised model: a function of the model, or a method of the registry by
   * its name (with `options`, and the `base` of one that goes around another).
   */
  method?: MethodSource
  /** In place of a method: maps that exist already, of the model as it is and as it is after each of {@link ParameterRandomisation.layers}. */
  maps?: RecordedMaps
  layer?: string | readonly string[]
  signal?: AbortSignal
  /** Explanations done, and how many there are where that is known. */
  onProgress?: (done: number, total: number | undefined) => void
}

/** {@link MetricResult} of a randomisation: its curves have one point for each of these layers. */
export interface RandomisationResult extends MetricResult {
  /** The layers in the order in which they were randomised, by their first weight. */
  readonly layers: readonly string[]
}

/** Samples whose maps are held at once: models are randomised once for each so many. */
const groupSize = 64

/**
 * The model parameter randomisation test: does a map change when the weights that it is said to explain are shuffled,
 * layer by layer from the output down? The value of each layer is Spearman's correlation of the map with the original
 * one; a method whose correlation stays high does not depend on those layers, and fails.
 *
 * A sample's values are `last` (every layer randomised, or the last one alone) and `mean` (over the layers); its curve
 * `spearman` has one point for each layer. The target stays what it was for the untouched model. Weights are shuffled
 * within their tensor, which keeps their distribution. Costs layers + 1 explanations a sample, those of several samples
 * together; memory does not grow with the samples, of which 64 are held at once.
 *
 * @param options `order` (default `cascading`), `direction` (default `topDown`), `absolute` (default true), `seed`
 *   (default 42).
 * Source: Adebayo et al., "Sanity checks for saliency maps" (NeurIPS 2018), section 3.
 */
export class ParameterRandomisation {
  readonly options: Resolved<typeof parameterRandomisationOptions>

  constructor(
    readonly model: Model,
    options: ParameterRandomisationOptions = {},
  ) {
    this.options = resolveOptions(parameterRandomisationOptions, options)
  }
  identity(): MethodIdentity {
    const { seed, ...options } = this.options
    return { name: 'ParameterRandomisation', options, seed }
  }
  /** The layers in the order in which they are randomised, by their first weight. */
  get layers(): readonly string[] {
    return this.#layers().map(({ name }) => name)
  }

  /**
   * Results one by one, in the order of the samples.
   *
   * @throws AscribeError `MODEL_CAPABILITY` for a model without weights, `ABORTED`
   */
  async *stream(
    samples: Iterable<MetricSample> | AsyncIterable<MetricSample>,
    run: RandomisationRun,
  ): AsyncGenerator<SampleResult> {
    check(run)
    yield* this.#stream(samples, run, { forwardPasses: 0 })
  }

  /** @throws AscribeError `MODEL_CAPABILITY` for a model without weights, `INPUT_MISSING` without samples, `ABORTED` */
  async evaluate(
    samples: Iterable<MetricSample> | AsyncIterable<MetricSample>,
    run: RandomisationRun,
  ): Promise<RandomisationResult> {
    check(run)
    const started = performance.now()
    const cost = { forwardPasses: 0 }
    const results: SampleResult[] = []
    for await (const result of this.#stream(samples, run, cost)) results.push(result)
    if (results.length === 0) throw new AscribeError('INPUT_MISSING', 'There are no samples')
    const { name, seed, options } = this.identity()
    return {
      metric: name,
      options,
      ...(seed === undefined ? {} : { seed }),
      layers: this.layers,
      samples: results,
      summary: summariseAll(results),
      curves: meanCurves(results),
      cost: { ...cost, milliseconds: performance.now() - started },
      warnings: [],
    }
  }

  async *#stream(
    samples: Iterable<MetricSample> | AsyncIterable<MetricSample>,
    run: RandomisationRun,
    cost: { forwardPasses: number },
  ): AsyncGenerator<SampleResult> {
    const layers = this.#layers()
    const total = Array.isArray(samples) ? samples.length * (layers.length + 1) : undefined
    let done = 0
    const spent = (forwardPasses: number, maps: number) => {
      cost.forwardPasses += forwardPasses
      done += maps
      run.onProgress?.(done, total)
    }
    const { layer, signal } = run
    const options = { ...(layer === undefined ? {} : { layer }), ...(signal ? { signal } : {}) }
    const source = run.maps ? recordedMaps(run.maps, spent, signal) : methodMaps(run.method!, options, spent)
    let group: MetricSample[] = []
    let first = 0
    for await (const sample of samples) {
      checkSample(sample, first + group.length)
      group.push(sample)
      if (group.length < groupSize) continue
      yield* await this.#judge(group, first, layers, source, signal)
      first += group.length
      group = []
    }
    if (group.length > 0) yield* await this.#judge(group, first, layers, source, signal)
  }

  async #judge(
    group: readonly MetricSample[],
    first: number,
    layers: readonly WeightLayer[],
    source: RandomisedMaps,
    signal: AbortSignal | undefined,
  ): Promise<SampleResult[]> {
    throwIfAborted(signal)
    const original = await source.original(this.model, group, first)
    const curves = group.map((): number[] => [])
    for (const { name, model } of this.#randomised(layers)) {
      throwIfAborted(signal)
      const maps = await source.randomised(model, original.samples, first, name)
      for (const [at, map] of maps.entries()) curves[at]!.push(this.#similarity(original.maps[at]!, map))
    }
    return group.map((sample, at) => ({
      ...placeOf({ index: first + at, sample }),
      values: {
        last: curves[at]!.at(-1)!,
        mean: curves[at]!.reduce((sum, value) => sum + value, 0) / layers.length,
      },
      curves: { spearman: curves[at]! },
      at: layers.map((_, layer) => (layer + 1) / layers.length),
    }))
  }

  #layers(): WeightLayer[] {
    const found = weightLayers(this.model)
    if (found.length === 0)
      throw new AscribeError('MODEL_CAPABILITY', `${this.model.name} has no weights to randomise`)
    return this.options.direction === 'topDown' ? found.toReversed() : found
  }

  /** What follows from randomising one layer after the other; whoever asks for a model disposes of it. */
  *#randomised(layers: readonly WeightLayer[]): Generator<{ name: string; model: () => Model }> {
    const { order, seed } = this.options
    let overlay: Record<string, Tensor> = {}
    let randomised: string[] = []
    for (const { name, parameters } of layers) {
      const isAlone = order === 'independent'
      if (isAlone) overlay = {}
      randomised = isAlone ? [...parameters] : [...randomised, ...parameters]
      const model = () => {
        // By name, so that a layer is shuffled in the same way whatever the order.
        for (const each of randomised) overlay[each] ??= this.#shuffled(each, seed)
        return this.model.withParameters(overlay)
      }
      yield { name, model }
    }
  }

  #shuffled(name: string, seed: number): Tensor {
    return shuffledTensor(this.model.parameters.read(name), xoroshiro128plus(streamKey(`${seed}/${name}`)))
  }

  #similarity(first: Float64Array, second: Float64Array): number {
    const [a, b] = [first, second].map(scores => (this.options.absolute ? scores.map(Math.abs) : scores))
    return spearmanCorrelation(a!, b!)
  }
}

/** @throws AscribeError `OPTION_TYPE`, `OPTION_RANGE` */
function check(run: RandomisationRun): void {
  expectObject('run', run)
  expectKnownKeys('run', run, ['method', 'maps', 'layer', 'signal', 'onProgress'])
  if (run.maps !== undefined && typeof run.maps !== 'function')
    throw typeError('maps', 'a function of a sample, its index and a layer', run.maps)
  if (run.maps === undefined) checkMethodSource(run.method)
  else if (run.method !== undefined)
    throw new AscribeError('OPTION_RANGE', 'Give a method or recorded maps, not both')
}
