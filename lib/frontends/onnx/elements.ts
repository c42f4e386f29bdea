import type { DTypeName, TensorData } from '#typings/addon.js'
import { bfloatToNumber, halfToNumber } from '../../data/halves.js'
import { elementType } from './dataTypes.js'
import type { TensorProto } from './generated/onnx_pb.js'

/** A small constant whose elements are known while a model is imported. */
export interface Known {
  readonly dtype: DTypeName
  readonly shape: readonly number[]
  readonly data: TensorData
}

/** The dimensions of a tensor as numbers; the native scan has checked that they are not negative. */
export function dimensions(tensor: TensorProto): number[] {
  return tensor.dims.map(Number)
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** The elements of a tensor that the scan left in the skeleton, or undefined where they stay in the file. */
export function readKnown(tensor: TensorProto): Known | undefined {
  const { compute, storage } = elementType(tensor.dataType)
  if (tensor.payload > 0 || compute === undefined || storage === undefined) return undefined
  // A copy: typed arrays need aligned offsets, which protobuf does not give. (A Buffer's slice would be a view.)
  const bytes = new Uint8Array(tensor.rawData)
  const shape = dimensions(tensor)
  return { dtype: compute, shape, data: typed(storage, bytes.buffer) }
}

function typed(storage: DTypeName, buffer: ArrayBuffer): TensorData {
  switch (storage) {
    case 'f32':
      return new Float32Array(buffer)
    case 'f64':
      return new Float64Array(buffer)
    case 'f16':
      return Float32Array.from(new Uint16Array(buffer), halfToNumber)
    case 'bf16':
      return Float32Array.from(new Uint16Array(buffer), bfloatToNumber)
    case 'i64':
      return new BigInt64Array(buffer)
    case 'i32':
      return new Int32Array(buffer)
    case 'i8':
      return new Int8Array(buffer)
    default:
      return new Uint8Array(buffer)
  }
}

export function knownIntegers(values: readonly bigint[]): Known {
  return { dtype: 'i64', shape: [values.length], data: BigInt64Array.from(values) }
}
