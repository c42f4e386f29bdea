import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator'
import { createTensor, type Tensor } from '../data/tensor.js'
import type { Model } from '../model/model.js'
import { expectInteger } from '../validate.js'

/** The same elements in another order. */
export function shuffledTensor({ dtype, shape, data }: Tensor, generator: RandomGenerator): Tensor {
  const shuffled = data.slice() as Float32Array
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = uniformInt(generator, 0, last)
    const kept = shuffled[last]!
    shuffled[last] = shuffled[other]!
    shuffled[other] = kept
  }
  return createTensor(dtype, shape, shuffled as never) as Tensor
}

/**
 * The same model with the elements of every weight shuffled within their tensor: it has the original's architecture
 * and distribution of weights, and knows nothing. An explanation that looks the same for it does not depend on what
 * the model learnt (the full randomisation of Adebayo et al. 2018). The original is not changed.
 *
 * @param seed One seed gives one model, default 42.
 */
export function withShuffledParameters(model: Model, seed = 42): Model {
  const generator = xoroshiro128plus(expectInteger('seed', seed))
  const overlay: Record<string, Tensor> = {}
  for (const { name } of model.parameters.list())
    overlay[name] = shuffledTensor(model.parameters.read(name), generator)
  return model.withParameters(overlay)
}
