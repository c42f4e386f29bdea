import { arrayConstructors, elementCount, type Tensor } from '../data/tensor.js'

/** Tensors one after the other along their leading axis; they have one dtype and equal shapes behind it. */
export function concatenate(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as [Tensor]
  if (tensors.length === 1) return first
  const rows = tensors.reduce((sum, tensor) => sum + tensor.shape[0]!, 0)
  const shape = [rows, ...first.shape.slice(1)]
  const data = new arrayConstructors[first.dtype](elementCount(shape))
  let offset = 0
  for (const tensor of tensors) {
    data.set(tensor.data as never, offset)
    offset += tensor.data.length
  }
  return { dtype: first.dtype, shape, data } as Tensor
}

/** Examples as one batch, input by input. */
export const stack = (examples: readonly Readonly<Record<string, Tensor>>[]): Record<string, Tensor> =>
  Object.fromEntries(
    Object.keys(examples[0] ?? {}).map(name => [name, concatenate(examples.map(each => each[name]!))]),
  )

/** Some rows of a tensor along its leading axis, as a view. */
export function rowsOf(tensor: Tensor, first: number, count: number): Tensor {
  const shape = [count, ...tensor.shape.slice(1)]
  const each = elementCount(shape.slice(1))
  return { ...tensor, shape, data: tensor.data.subarray(first * each, (first + count) * each) } as Tensor
}
