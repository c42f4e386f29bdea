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
  let total = 0
  let isDistribution = true
  let greatest = Number.NEGATIVE_INFINITY
  for (let at = 0; at < scores.length; at++) {
    const value = scores[at]!
    total += value
    if (!(value >= 0)) isDistribution = false
    greatest = Math.max(greatest, value)
  }
  isDistribution &&= Math.abs(total - 1) < 1e-3
  let sum = isDistribution ? 1 : 0
  for (let at = 0; at < scores.length && !isDistribution; at++) sum += Math.exp(scores[at]! - greatest)
  return highest(scores, count).map(index => {
    const value = scores[index]!
    return {
      index,
      value,
      probability: isDistribution ? value : Math.exp(value - greatest) / sum,
      ...(labels?.[index] === undefined ? {} : { label: labels[index] }),
    }
  })
}

/** Where the highest of many numbers stand, without putting all in order: it is asked for with every map. */
function highest(scores: ArrayLike<number>, count: number): number[] {
  const places: number[] = []
  const before = (a: number, b: number) => (scores[b]! - scores[a]! || a - b) < 0
  for (let at = 0; at < scores.length; at++) {
    if (places.length === count && !before(at, places[count - 1]!)) continue
    let place = Math.min(places.length, count - 1)
    for (; place > 0 && before(at, places[place - 1]!); place--) places[place] = places[place - 1]!
    places[place] = at
  }
  return places
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
