import type { Attribution } from '../attribution/attribution.js'
import { cosineSimilarity, spearmanCorrelation } from '../data/rankStatistics.js'
import { AscribeError } from '../errors.js'
import { Target } from '../graph/target.js'
import type { MethodIdentity, TargetedInput } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import { classify } from '../model/classify.js'
import type { Model } from '../model/model.js'
import { mapScores, valueScores } from './mapMetric.js'
import { type EvaluateOptions, type Judged, Metric, placeOf, type Tally } from './metric.js'
import { type Explainer, expectExplainer, plainMaps } from './plainMaps.js'
import { randomStream } from './randomStream.js'
import type { SampleResult } from './result.js'
import type { MetricSample } from './sample.js'

export const randomLogitOptions = {
  absolute: {
    kind: 'boolean',
    default: false,
    description: 'Compare the sizes of scores; off to compare signs too.',
  },
  seed: {
    kind: 'integer',
    default: 42,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Of the other class; keyed by the name of the sample.',
  },
} as const

export type RandomLogitOptions = Given<typeof randomLogitOptions>

/**
 * The random logit test: is the map of another class, drawn at random, another map? Values are `spearman`, the rank
 * correlation of the two, and `cosine`; a method for which they are near 1 does not say which class it explains. Lower is
 * better. Quantus compares by structural similarity instead. Two explanations a sample, those of several samples together,
 * and a forward pass where the model does not declare its classes; `maps` must be a method.
 *
 * @param options `absolute` (default false), `seed` (default 42).
 * @throws AscribeError `MODEL_CAPABILITY` for a model with one class, `TARGET_INVALID` for targets that are no class
 * Source: Sixt, Granz and Landgraf, "When explanations lie" (ICML 2020), section 5.
 */
export class RandomLogit extends Metric {
  readonly options: Resolved<typeof randomLogitOptions>

  constructor(options: RandomLogitOptions = {}) {
    super()
    this.options = resolveOptions(randomLogitOptions, options)
  }
  override identity(): MethodIdentity {
    const { seed, ...options } = this.options
    return { name: 'RandomLogit', options, seed }
  }
  protected override async explain(
    samples: readonly MetricSample[],
    first: number,
    options: EvaluateOptions,
  ) {
    expectExplainer(options.maps)
    return super.explain(samples, first, options)
  }
  protected override async judge(
    group: readonly Judged[],
    options: EvaluateOptions,
    tally: Tally,
  ): Promise<SampleResult[]> {
    const method = options.maps as Explainer
    const calls: TargetedInput[] = []
    for (const { sample, map, index: place } of group) {
      const { index } = (map as Attribution).targets[0]!
      if (index === undefined)
        throw new AscribeError('TARGET_INVALID', `The target of sample ${place} is no class`)
      const target = Target.from(sample.target)
      const count = await this.#classes(method.model, sample, target, options, tally)
      if (count < 2) throw new AscribeError('MODEL_CAPABILITY', 'The model has no other class')
      const drawn = randomStream(this.options.seed, sample.id, 'class').below(count - 1)
      const other = Target.class(drawn < index ? drawn : drawn + 1, target.options)
      calls.push({ input: sample.input, target: other })
    }
    const others = await plainMaps(method, calls, options)
    return group.map((judged, at) => {
      const own = judged.map as Attribution
      const other = others[at]!
      tally.forwardPasses += own.cost.forwardPasses + other.forwardPasses
      const [a, b] = [mapScores(own, 'unit'), valueScores(other.values, 'unit')].map(scores =>
        this.options.absolute ? scores.map(Math.abs) : scores,
      ) as [Float64Array, Float64Array]
      return {
        ...placeOf(judged),
        values: { spearman: spearmanCorrelation(a, b), cosine: cosineSimilarity(a, b) },
      }
    })
  }

  /** How many classes there are: what the model declares, or what it says of the sample. */
  async #classes(
    model: Model,
    { input }: MetricSample,
    { options: { output } }: Target,
    { signal }: EvaluateOptions,
    tally: Tally,
  ): Promise<number> {
    const declared = model.outputs.find(({ name }) => name === (output ?? model.outputs[0]!.name))?.shape
    const [, classes, ...rest] = declared ?? []
    if (typeof classes === 'number' && rest.every(size => size === 1)) return classes
    tally.forwardPasses++
    const found = await classify(model, input, {
      count: Number.MAX_SAFE_INTEGER,
      ...(output === undefined ? {} : { output }),
      ...(signal ? { signal } : {}),
    })
    return found.length
  }
}
