import { uniformInt } from 'pure-rand/distribution/uniformInt'
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator'
import { createTensor, type Tensor } from '../data/tensor.js'

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
