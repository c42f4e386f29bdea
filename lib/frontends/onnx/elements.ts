import type { DTypeName, TensorData } from '#typings/addon.js'
import { elementType } from './dataTypes.js'
import type { TensorProto } from './generated/onnx_pb.js'

/** A small constant whose elements are known while a model is imported. */
export interface Known {
  readonly dtype: DTypeName
  readonly shape: readonly number[]
  readonly data: TensorData
}

const bits = new DataView(new ArrayBuffer(4))

/** An IEEE half as a number. */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 31
  const fraction = half & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** A bfloat16 is the upper half of a float. */
function bfloatToNumber(upper: number): number {
  bits.setUint32(0, upper * 65536)
  return bits.getFloat32(0)
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
