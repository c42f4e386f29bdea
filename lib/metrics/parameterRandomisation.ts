import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { Attribution } from '../attribution/attribution.js'
import { spearmanCorrelation } from '../data/rankStatistics.js'
import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { Target } from '../graph/target.js'
import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import type { Model } from '../model/model.js'
import { expectKnownKeys, expectObject, typeError } from '../validate.js'
import { mapScores } from './mapMetric.js'
import { throwIfAborted } from './metric.js'
import { streamKey } from './randomStream.js'
import { type MetricResult, meanCurves, type SampleResult, summariseAll } from './result.js'
import { type Attributer, type MetricSample, mapsOf } from './sample.js'
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

/** What {@link ParameterRandomisation.evaluate} is told. */
export interface RandomisationRun {
  /** The method for a model: it is asked for one of every randomised model. */
  method: (model: Model) => Attributer
  layer?: string | readonly string[]
  signal?: AbortSignal
  /** Explanations done, and how many there are. */
  onProgress?: (done: number, total: number) => void
}

/** {@link MetricResult} of a randomisation: its curves have one point for each of these layers. */
export interface RandomisationResult extends MetricResult {
  /** The layers in the order in which they were randomised, by their first weight. */
  readonly layers: readonly string[]
}

/**
 * The model parameter randomisation test: does a map change when the weights that it is said to explain are shuffled,
 * layer by layer from the output down? The value of each layer is Spearman's correlation of the map with the original
 * one; a method whose correlation stays high does not depend on those layers, and fails.
 *
 * A sample's values are `last` (every layer randomised, or the last one alone) and `mean` (over the layers); its curve
 * `spearman` has one point for each layer. The target stays what it was for the untouched model. Weights are shuffled
 * within their tensor, which keeps their distribution. Costs layers + 1 explanations a sample.
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

  /** @throws AscribeError `MODEL_CAPABILITY` for a model without weights, `INPUT_MISSING` without samples, `ABORTED` */
  async evaluate(samples: readonly MetricSample[], run: RandomisationRun): Promise<RandomisationResult> {
    expectObject('run', run)
    expectKnownKeys('run', run, ['method', 'layer', 'signal', 'onProgress'])
    if (typeof run.method !== 'function') throw typeError('method', 'a function of a model', run.method)
    if (samples.length === 0) throw new AscribeError('INPUT_MISSING', 'There are no samples')
    const started = performance.now()
    const found = weightLayers(this.model)
    if (found.length === 0)
      throw new AscribeError('MODEL_CAPABILITY', `${this.model.name} has no weights to randomise`)
    const layers = this.options.direction === 'topDown' ? found.toReversed() : found
    const total = samples.length * (layers.length + 1)
    let [done, forwardPasses] = [0, 0]
    const explain = async (model: Model, fixed: readonly MetricSample[]) => {
      const maps: Attribution[] = []
      for (const sample of fixed) {
        const [map] = await mapsOf([sample], 0, run.method(model), {
          ...(run.layer === undefined ? {} : { layer: run.layer }),
          ...(run.signal ? { signal: run.signal } : {}),
        })
        maps.push(map as Attribution)
        forwardPasses += maps.at(-1)!.cost.forwardPasses
        run.onProgress?.(++done, total)
      }
      return maps
    }
    const original = await explain(this.model, samples)
    const fixed = samples.map((sample, at) => withFixedTarget(sample, original[at]!))
    const curves = samples.map((): number[] => [])
    for (const model of this.#randomised(layers)) {
      throwIfAborted(run.signal)
      try {
        for (const [at, map] of (await explain(model, fixed)).entries())
          curves[at]!.push(this.#similarity(original[at]!, map))
      } finally {
        model.dispose()
      }
    }
    const results = samples.map(
      (sample, index): SampleResult => ({
        index,
        ...(sample.id === undefined ? {} : { id: sample.id }),
        values: {
          last: curves[index]!.at(-1)!,
          mean: curves[index]!.reduce((sum, value) => sum + value, 0) / layers.length,
        },
        curves: { spearman: curves[index]! },
        at: layers.map((_, layer) => (layer + 1) / layers.length),
      }),
    )
    const { name, seed, options } = this.identity()
    return {
      metric: name,
      options,
      ...(seed === undefined ? {} : { seed }),
      layers: layers.map(layer => layer.name),
      samples: results,
      summary: summariseAll(results),
      curves: meanCurves(results),
      cost: { forwardPasses, milliseconds: performance.now() - started },
      warnings: [],
    }
  }

  *#randomised(layers: readonly WeightLayer[]): Generator<Model> {
    const { order, seed } = this.options
    let overlay: Record<string, Tensor> = {}
    for (const { parameters } of layers) {
      if (order === 'independent') overlay = {}
      // By name, so that a layer is shuffled in the same way whatever the order.
      for (const name of parameters)
        overlay[name] = shuffledTensor(
          this.model.parameters.read(name),
          xoroshiro128plus(streamKey(`${seed}/${name}`)),
        )
      yield this.model.withParameters(overlay)
    }
  }

  #similarity(first: Attribution, second: Attribution): number {
    const [a, b] = [first, second].map(map => {
      const scores = mapScores(map, 'unit')
      return this.options.absolute ? scores.map(Math.abs) : scores
    }) as [Float64Array, Float64Array]
    return spearmanCorrelation(a, b)
  }
}

/** The class that the untouched model gave a sample stays its target. */
export function withFixedTarget(sample: MetricSample, original: Attribution): MetricSample {
  const target = Target.from(sample.target)
  const { index } = original.targets[0]!
  if (target.description.kind !== 'top' || index === undefined) return sample
  return { ...sample, target: Target.class(index, target.options) }
}
