import { arrayConstructors, createTensor, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { concatenate } from '../model/stack.js'
import type { Regions } from '../regions/regions.js'

/** One thing whose regions play: an example as the model takes it, and how it is cut. */
export interface MaskedItem {
  /** All inputs by name, leading axis 1. */
  readonly tensors: Readonly<Record<string, Tensor>>
  readonly regions: Regions
  /** What absence looks like, in the model's space: a number, or a tensor [1, …] that broadcasts to the input. */
  readonly baseline: number | Tensor
}

/**
 * Checks that items, regions and baselines fit each other and the input.
 *
 * @throws AscribeError `INPUT_MISSING`, `INPUT_SHAPE`, `INPUT_VALUE`.
 */
export function checkItems(items: readonly MaskedItem[], input: string, axes: readonly number[]): void {
  const [first] = items
  if (first === undefined) throw new AscribeError('INPUT_MISSING', 'There is nothing to mask')
  const shape = first.tensors[input]?.shape
  if (shape === undefined) throw new AscribeError('INPUT_MISSING', `The model has no input called "${input}"`)
  for (const { tensors, regions, baseline } of items) {
    for (const [name, tensor] of Object.entries(first.tensors))
      if (tensors[name]?.shape.join() !== tensor.shape.join())
        throw new AscribeError('INPUT_SHAPE', `The items have input "${name}" in different shapes`)
    const cut = axes.map(axis => shape[axis])
    if (regions.shape.join() !== cut.join())
      throw new AscribeError(
        'INPUT_SHAPE',
        `The regions lie on [${regions.shape.join(', ')}], and axes ${axes.join(', ')} of "${input}" are [${cut.join(', ')}]`,
      )
    if (typeof baseline === 'number') {
      if (!Number.isFinite(baseline))
        throw new AscribeError('INPUT_VALUE', `The baseline is ${baseline}, not a finite number`)
      continue
    }
    const fits =
      baseline.shape.length === shape.length &&
      baseline.shape.every((size, axis) => size === 1 || size === shape[axis])
    if (!fits)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The baseline has shape [${baseline.shape.join(', ')}], which does not broadcast to [${shape.join(', ')}]`,
      )
    if (!(baseline.data instanceof BigInt64Array) && !baseline.data.every(Number.isFinite))
      throw new AscribeError('INPUT_VALUE', 'The baseline holds NaN or infinity')
  }
}

/** A baseline as a tensor of the input's dtype, [1, …]. */
function baselineTensor({ tensors, baseline }: MaskedItem, input: string): Tensor {
  const { dtype, shape } = tensors[input]!
  const isWhole = dtype === 'i64'
  const convert = (numbers: ArrayLike<number | bigint>) =>
    isWhole
      ? BigInt64Array.from(Array.from(numbers, BigInt))
      : arrayConstructors[dtype as 'f32'].from(Array.from(numbers, Number))
  if (typeof baseline === 'number')
    return createTensor(dtype, new Array<number>(shape.length).fill(1), convert([baseline]) as never)
  return createTensor(dtype, baseline.shape, convert(baseline.data as ArrayLike<number | bigint>) as never)
}

/** A baseline repeated so that all items' have one shape. */
export function commonBaselines(items: readonly MaskedItem[], input: string): Tensor {
  const tensors = items.map(item => baselineTensor(item, input))
  const shape = tensors[0]!.shape
  if (tensors.every(tensor => tensor.shape.join() === shape.join())) return concatenate(tensors)
  throw new AscribeError('INPUT_SHAPE', 'The items have baselines of different shapes')
}
