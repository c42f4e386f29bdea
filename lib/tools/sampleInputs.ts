import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { arrayConstructors, createTensor, elementCount, isFloating, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import type { Model } from '../model/model.js'

/**
 * Seeded inputs for a model of which nothing more is known: reals uniform in [-1, 1), integers 0 or 1 (the only
 * token ids that every vocabulary and mask has), truth values.
 *
 * @param sizes What each symbolic dimension stands for.
 * @throws AscribeError `INPUT_SHAPE` for an input without a declared shape.
 */
export function sampleInputs(
  model: Model,
  sizes: Readonly<Record<string, number>>,
  seed: number,
): Record<string, Tensor> {
  const generator = xoroshiro128plus(seed)
  return Object.fromEntries(
    model.inputs.map(({ name, dtype, shape }) => {
      if (shape === undefined || dtype === undefined || dtype === 'f16' || dtype === 'bf16')
        throw new AscribeError('INPUT_SHAPE', `Input "${name}" has no declared shape of numbers; give it`)
      const dims = shape.map(dim => (typeof dim === 'number' ? dim : sizes[dim]!))
      const data = new arrayConstructors[dtype](elementCount(dims))
      for (let index = 0; index < data.length; index++) {
        const unit = uniformFloat64(generator)
        if (data instanceof BigInt64Array) data[index] = BigInt(Math.floor(2 * unit))
        else data[index] = isFloating(dtype) ? 2 * unit - 1 : Math.floor(2 * unit)
      }
      return [name, createTensor(dtype, dims, data as never)]
    }),
  )
}
