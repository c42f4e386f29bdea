import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { Tensor } from '../data/tensor.js'
import type { Model } from '../model/model.js'
import { expectInteger } from '../validate.js'
import { shuffledTensor } from './shuffledTensor.js'

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
