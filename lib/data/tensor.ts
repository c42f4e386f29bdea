import { AscribeError } from '../errors.js'
import { describeValue } from '../validate.js'

/** The array that holds the elements of each element type. `i64` is exact (BigInt); `bool` holds 0 and 1. */
export interface TensorArrays {
  f64: Float64Array
  f32: Float32Array
  i64: BigInt64Array
  i32: Int32Array
  i8: Int8Array
  u8: Uint8Array
  bool: Uint8Array
}

/** The element types that cross the public interface. Half precision lives inside models only. */
export type DType = keyof TensorArrays

/** Whether numbers of a type are real ones, in which there are gradients. */
export const isFloating = (dtype: string | undefined): boolean => dtype === 'f32' || dtype === 'f64'

/**
 * A dense array in row-major (C) order: plain data, safe to build by hand.
 *
 * A scalar has shape `[]` and one element; a dimension may be 0. `data.length` is the product of `shape`.
 */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D
  readonly shape: readonly number[]
  readonly data: TensorArrays[D]
}

/** The constructor of the array behind each element type. */
export const arrayConstructors = {
  f64: Float64Array,
  f32: Float32Array,
  i64: BigInt64Array,
  i32: Int32Array,
  i8: Int8Array,
  u8: Uint8Array,
  bool: Uint8Array,
} as const

/** The greatest rank that is accepted. */
export const maximumRank = 32

/**
 * The number of elements of a shape.
 *
 * @param name What the shape belongs to, for the message.
 * @throws AscribeError `INPUT_SHAPE` where the shape is not a list of at most 32 non-negative integers, or where
 *   the product is not a safe integer.
 */
export function elementCount(shape: readonly number[], name = 'tensor'): number {
  if (!Array.isArray(shape))
    throw new AscribeError(
      'INPUT_SHAPE',
      `${name}: the shape must be an array, received ${describeValue(shape)}`,
    )
  if (shape.length > maximumRank)
    throw new AscribeError('INPUT_SHAPE', `${name}: rank ${shape.length} is above ${maximumRank}`)
  let count = 1
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0)
      throw new AscribeError(
        'INPUT_SHAPE',
        `${name}: dimensions must be non-negative integers, received ${describeValue(size)}`,
      )
    count *= size
  }
  // A zero dimension may hide an overflowing product of the others, so they are multiplied without it too.
  if (!Number.isSafeInteger(shape.reduce((product, size) => product * Math.max(size, 1), 1)))
    throw new AscribeError('INPUT_SHAPE', `${name}: shape [${shape.join(', ')}] has too many elements`)
  return count
}

/**
 * Builds a tensor from a shape and its elements in row-major order.
 *
 * A typed array of the right kind is held as it is (not copied); other lists are converted: to `i64` from
 * integers, to `bool` from booleans or 0/1.
 *
 * @throws AscribeError `INPUT_SHAPE` where length and shape disagree; `INPUT_VALUE` where an element does not fit
 *   the element type; `INPUT_DTYPE` where the element type is not known.
 * @example createTensor('f32', [2, 2], [1, 2, 3, 4])
 */
export function createTensor<D extends DType>(
  dtype: D,
  shape: readonly number[],
  elements?: TensorArrays[D] | ArrayLike<number | bigint | boolean>,
): Tensor<D> {
  const arrayType = Object.hasOwn(arrayConstructors, dtype) ? arrayConstructors[dtype] : undefined
  if (arrayType === undefined)
    throw new AscribeError('INPUT_DTYPE', `element type ${describeValue(dtype)} is not known`, {
      hint: `Known types: ${Object.keys(arrayConstructors).join(', ')}.`,
    })
  const count = elementCount(shape)
  let data: TensorArrays[DType]
  if (elements === undefined) data = new arrayType(count)
  else if (elements instanceof arrayType) data = elements
  else data = convert(dtype, elements as ArrayLike<number | bigint | boolean>)
  return validateTensor({ dtype, shape: [...shape], data: data as TensorArrays[D] })
}

/**
 * Checks a tensor that came from outside and returns it.
 *
 * @param name What the tensor is, for the message.
 * @throws AscribeError `INPUT_DTYPE` (not a tensor, unknown element type, wrong kind of array) or `INPUT_SHAPE`.
 */
export function validateTensor<D extends DType>(value: Tensor<D>, name = 'tensor'): Tensor<D> {
  if (typeof value !== 'object' || value === null)
    throw new AscribeError('INPUT_DTYPE', `${name}: expected a tensor, received ${describeValue(value)}`, {
      hint: 'A tensor is { dtype, shape, data }; createTensor() builds one.',
    })
  const arrayType = Object.hasOwn(arrayConstructors, value.dtype) ? arrayConstructors[value.dtype] : undefined
  if (arrayType === undefined)
    throw new AscribeError('INPUT_DTYPE', `${name}: element type ${describeValue(value.dtype)} is not known`)
  if (!(value.data instanceof arrayType))
    throw new AscribeError(
      'INPUT_DTYPE',
      `${name}: element type ${value.dtype} needs ${arrayType.name}, received ${describeValue(value.data)}`,
    )
  const count = elementCount(value.shape, name)
  if (value.data.length !== count)
    throw new AscribeError(
      'INPUT_SHAPE',
      `${name}: shape [${value.shape.join(', ')}] needs ${count} elements, received ${value.data.length}`,
    )
  return value
}

/**
 * Builds a tensor from nested arrays; the shape is read off the nesting.
 *
 * @throws AscribeError `INPUT_SHAPE` where rows differ in length.
 * @example tensorFrom('f32', [[1, 2], [3, 4]]) // shape [2, 2]
 */
export function tensorFrom<D extends DType>(dtype: D, nested: unknown): Tensor<D> {
  const shape: number[] = []
  for (let level = nested; Array.isArray(level); level = level[0]) shape.push(level.length)
  elementCount(shape)
  const flat: (number | bigint | boolean)[] = []
  const walk = (value: unknown, depth: number): void => {
    if (depth === shape.length) {
      if (Array.isArray(value)) throw ragged(shape, depth)
      flat.push(value as number)
      return
    }
    if (!Array.isArray(value) || value.length !== shape[depth]) throw ragged(shape, depth)
    for (const item of value) walk(item, depth + 1)
  }
  walk(nested, 0)
  return createTensor(dtype, shape, flat)
}

function ragged(shape: readonly number[], depth: number): AscribeError {
  return new AscribeError('INPUT_SHAPE', `nested arrays differ in length or depth at level ${depth}`, {
    hint: `The first elements suggest shape [${shape.join(', ')}].`,
  })
}

const integerRanges = { i32: [-(2 ** 31), 2 ** 31 - 1], i8: [-128, 127], u8: [0, 255], bool: [0, 1] } as const

function convert(dtype: DType, elements: ArrayLike<number | bigint | boolean>): TensorArrays[DType] {
  const length = elements?.length
  if (!Number.isSafeInteger(length))
    throw new AscribeError('INPUT_DTYPE', `expected a list of elements, received ${describeValue(elements)}`)
  const result = new arrayConstructors[dtype](length)
  for (let index = 0; index < length; index++) {
    const element = elements[index]
    const bad = (): AscribeError =>
      new AscribeError('INPUT_VALUE', `element ${index} (${describeValue(element)}) does not fit ${dtype}`)
    if (dtype === 'i64') {
      const exact =
        typeof element === 'bigint' || (typeof element === 'number' && Number.isSafeInteger(element))
      if (!exact) throw bad()
      const wide = BigInt(element)
      if (BigInt.asIntN(64, wide) !== wide) throw bad()
      ;(result as BigInt64Array)[index] = wide
      continue
    }
    const number = dtype === 'bool' && typeof element === 'boolean' ? Number(element) : element
    if (typeof number !== 'number') throw bad()
    if (dtype !== 'f32' && dtype !== 'f64') {
      const [minimum, maximum] = integerRanges[dtype]
      if (!Number.isInteger(number) || number < minimum || number > maximum) throw bad()
    }
    ;(result as Float64Array)[index] = number
  }
  return result
}
