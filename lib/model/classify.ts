import type { OutputEntry } from '../attribution/types.js'
import type { Image } from '../data/image.js'
import { AscribeError } from '../errors.js'
import { expectInteger } from '../validate.js'
import { runExample } from './batching.js'
import type { Explainable } from './explainable.js'
import type { ModelInputs } from './model.js'
import { prepareInput } from './prepareInput.js'

/**
 * The classes with the highest scores, highest first, among equals the earlier one.
 *
 * @param scores One score per class. Where they are a distribution already (none negative, sum 1 within 1e-3), they are
 *   the probabilities; otherwise a softmax over them is.
 */
export function topClasses(
  scores: ArrayLike<number>,
  labels: readonly string[] | undefined,
  count = 5,
): OutputEntry[] {
  const values = Float64Array.from(scores)
  const total = values.reduce((sum, value) => sum + value, 0)
  const isDistribution = values.every(value => value >= 0) && Math.abs(total - 1) < 1e-3
  const greatest = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
  const weights = isDistribution ? values : values.map(value => Math.exp(value - greatest))
  const sum = isDistribution ? 1 : weights.reduce((all, weight) => all + weight, 0)
  return Array.from(values.keys())
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, count)
    .map(index => ({
      index,
      value: values[index]!,
      probability: weights[index]! / sum,
      ...(labels?.[index] === undefined ? {} : { label: labels[index] }),
    }))
}

/**
 * What a classifier says of one picture or example.
 *
 * @param options `output`: which one, by name, default the first; `count`: how many classes, default 5; `signal`.
 * @throws AscribeError `MODEL_CAPABILITY` where the output is not one score per class, and what `model.run` throws.
 */
export async function classify(
  model: Explainable,
  input: Image | string | ModelInputs,
  options: { output?: string; count?: number; signal?: AbortSignal } = {},
): Promise<OutputEntry[]> {
  const count = expectInteger('count', options.count ?? 5, 1)
  const name = options.output ?? model.outputs[0]?.name ?? ''
  const { tensors } = await prepareInput(model, input, options.signal)
  const { shape, data } = (await runExample(model, tensors, [name], options.signal))[name]!
  const isClassifier = shape.length >= 2 && shape[0] === 1 && shape.slice(2).every(size => size === 1)
  if (!isClassifier || data instanceof BigInt64Array)
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `Output "${name}" has shape [${shape.join(', ')}], which is not one score per class of one example`,
    )
  return topClasses(data, model.labels, count)
}
