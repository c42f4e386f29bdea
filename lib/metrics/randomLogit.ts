import type { Attribution } from '../attribution/attribution.js'
import { cosineSimilarity, spearmanCorrelation } from '../data/rankStatistics.js'
import { AscribeError } from '../errors.js'
import { Target } from '../graph/target.js'
import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import { classify } from '../model/classify.js'
import type { Model } from '../model/model.js'
import { typeError } from '../validate.js'
import { mapScores } from './mapMetric.js'
import { type EvaluateOptions, type Judged, Metric, placeOf, type Tally } from './metric.js'
import { randomStream } from './randomStream.js'
import type { SampleResult } from './result.js'
import type { Attributer, MetricSample } from './sample.js'

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
 * better. Quantus compares by structural similarity instead. Two explanations and one forward pass a sample; `maps` must
 * be a method.
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
    const { maps } = options
    if (typeof maps === 'function' || (maps as { model?: Model } | undefined)?.model === undefined)
      throw typeError('maps', 'a method with its model', maps)
    return super.explain(samples, first, options)
  }
  protected override async judge(
    group: readonly Judged[],
    { maps, layer, signal }: EvaluateOptions,
    tally: Tally,
  ): Promise<SampleResult[]> {
    const method = maps as Attributer & { model: Model }
    const results: SampleResult[] = []
    for (const judged of group) {
      const own = judged.map as Attribution
      const { index } = own.targets[0]!
      if (index === undefined)
        throw new AscribeError('TARGET_INVALID', `The target of sample ${judged.index} is no class`)
      const { options } = Target.from(judged.sample.target)
      const classes = await classify(method.model, judged.sample.input, {
        count: Number.MAX_SAFE_INTEGER,
        ...(options.output === undefined ? {} : { output: options.output }),
        ...(signal ? { signal } : {}),
      })
      if (classes.length < 2) throw new AscribeError('MODEL_CAPABILITY', 'The model has no other class')
      const drawn = randomStream(this.options.seed, judged.sample.id, 'class').below(classes.length - 1)
      const other = await method.attribute(judged.sample.input, {
        target: Target.class(drawn < index ? drawn : drawn + 1, options),
        ...(layer === undefined ? {} : { layer }),
        ...(signal ? { signal } : {}),
      })
      tally.forwardPasses += 1 + own.cost.forwardPasses + other.cost.forwardPasses
      const [a, b] = [own, other].map(map => {
        const scores = mapScores(map, 'unit')
        return this.options.absolute ? scores.map(Math.abs) : scores
      }) as [Float64Array, Float64Array]
      results.push({
        ...placeOf(judged),
        values: { spearman: spearmanCorrelation(a, b), cosine: cosineSimilarity(a, b) },
      })
    }
    return results
  }
}
