import { arrayConstructors, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { classIndex, Target } from '../graph/target.js'
import { targetKey } from '../graph/targetKey.js'
import { choose } from '../methods/inputs/choice.js'
import { explainedValues } from '../methods/inputs/explainedValues.js'
import { filled } from '../methods/inputs/explainTogether.js'
import type { Baseline } from '../methods/inputs/gradientMethod.js'
import type { Example } from '../methods/inputs/gradientResult.js'
import type { Model } from '../model/model.js'
import { prepareInput } from '../model/prepareInput.js'
import { type FeatureKind, type FeatureMap, featureScores, featuresOf } from './features.js'
import type { MetricSample, RecordedMap } from './sample.js'
import { scoresByName } from './scoresByName.js'

/** What absence looks like: see `Baseline`; `minimum` is the least number of the sample's own value ("black"). */
export type MetricBaseline = Baseline | 'minimum'

/** A sample that is ready to be judged: its contents, features, scores and target. */
export interface Subject extends Example {
  readonly index: number
  readonly id: string | undefined
  readonly sample: MetricSample
  readonly target: Target
  /** The class that the target picks, of targets with a class. */
  readonly class?: number
  /** Features of each explained value, in the order of their names. */
  readonly features: readonly FeatureMap[]
  /** Features in all. */
  readonly count: number
  /** Contents of each explained value where it is absent, in the order of their names. */
  readonly baselines: readonly Tensor[]
  /** One score a feature, value after value. */
  readonly scores: Float64Array
}

/** How samples are made ready; one for each evaluation. */
export interface SubjectOptions {
  features: FeatureKind
  baseline: MetricBaseline
  layer?: string | readonly string[]
  signal?: AbortSignal
}

function minimumOf(tensor: Tensor): number {
  let least = Number.POSITIVE_INFINITY
  for (const value of tensor.data as Float32Array) if (value < least) least = value
  return least
}

/** Makes a sample ready. Nothing in it depends on other samples. */
export async function prepareSubject(
  model: Model,
  sample: MetricSample,
  index: number,
  map: RecordedMap,
  options: SubjectOptions,
): Promise<Subject> {
  const prepared = await prepareInput(model, sample.input)
  const { baseline, layer, signal } = options
  const explained = await explainedValues(model, prepared, {
    ...(baseline === 'minimum' ? {} : { baseline }),
    ...(layer === undefined ? {} : { layer }),
    ...(signal ? { signal } : {}),
  })
  const { names, tensors } = explained
  const features = names.map(name =>
    featuresOf(explained.units[name]!, tensors[name]!.shape, options.features),
  )
  const count = features.reduce((sum, each) => sum + each.count, 0)
  const given = await scoresByName(map, names, explained.units)
  const parts = names.map((name, at) => {
    const own = given.get(name)
    if (own === undefined)
      throw new AscribeError('INPUT_MISSING', `The map of sample ${index} says nothing of "${name}"`, {
        hint: `It has scores of ${[...given.keys()].join(', ')}; name layers with \`layer\`.`,
      })
    return featureScores(own, features[at]!, tensors[name]!.data.length, name)
  })
  const scores = parts.length === 1 ? parts[0]! : Float64Array.from(parts.flatMap(part => [...part]))
  const target = Target.from(sample.target)
  const { description } = target
  const chosen =
    description.kind === 'class'
      ? classIndex(description.of, model.labels)
      : description.kind === 'top'
        ? (await choose(model, { prepared }, target, signal)).class
        : undefined
  return {
    index,
    id: sample.id,
    sample,
    prepared,
    explained,
    target,
    ...(chosen === undefined ? {} : { class: chosen }),
    features,
    count,
    baselines: names.map(name => {
      const like = tensors[name]!
      const tensor = filled(baseline === 'minimum' ? minimumOf(like) : explained.baselines[name], like, name)
      return tensor.dtype === like.dtype
        ? tensor
        : ({
            ...tensor,
            dtype: like.dtype,
            data: arrayConstructors[like.dtype as 'f32'].from(tensor.data as Float32Array),
          } as Tensor)
    }),
    scores,
  }
}

/** What must be equal for two subjects to go through the model in one pass. */
export const kindOf = (subject: Subject): string =>
  JSON.stringify([
    targetKey(subject.target),
    [subject.prepared.tensors, subject.explained.tensors].map(tensors =>
      Object.entries(tensors).map(([name, { dtype, shape }]) => [name, dtype, shape]),
    ),
  ])
