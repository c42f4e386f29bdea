import type { DTypeName } from '#typings/addon.js'

/** How one of ONNX's element types is held in files and what it is computed with. */
export interface ElementType {
  /** As messages name it. */
  readonly name: string
  /** How a tensor of it lies in the file. Absent: the engine has no such type. */
  readonly storage?: DTypeName
  /** What values of it are in the graph: the half-wide floats are computed as f32. */
  readonly compute?: DTypeName
  readonly bytes: number
}

const unsupported = (name: string, bytes = 1): ElementType => ({ name, bytes })

/** By the numbers of TensorProto.DataType. */
const elementTypes: Readonly<Record<number, ElementType>> = {
  1: { name: 'float', storage: 'f32', compute: 'f32', bytes: 4 },
  2: { name: 'uint8', storage: 'u8', compute: 'u8', bytes: 1 },
  3: { name: 'int8', storage: 'i8', compute: 'i8', bytes: 1 },
  4: unsupported('uint16', 2),
  5: unsupported('int16', 2),
  6: { name: 'int32', storage: 'i32', compute: 'i32', bytes: 4 },
  7: { name: 'int64', storage: 'i64', compute: 'i64', bytes: 8 },
  8: unsupported('string'),
  9: { name: 'bool', storage: 'bool', compute: 'bool', bytes: 1 },
  10: { name: 'float16', storage: 'f16', compute: 'f32', bytes: 2 },
  11: { name: 'double', storage: 'f64', compute: 'f64', bytes: 8 },
  12: unsupported('uint32', 4),
  13: unsupported('uint64', 8),
  14: unsupported('complex64', 8),
  15: unsupported('complex128', 16),
  16: { name: 'bfloat16', storage: 'bf16', compute: 'f32', bytes: 2 },
  17: unsupported('float8e4m3fn'),
  18: unsupported('float8e4m3fnuz'),
  19: unsupported('float8e5m2'),
  20: unsupported('float8e5m2fnuz'),
  21: unsupported('uint4'),
  22: unsupported('int4'),
  23: unsupported('float4e2m1'),
  24: unsupported('float8e8m0'),
  25: unsupported('uint2'),
  26: unsupported('int2'),
}

/** The element type with this number; one without `storage` where the engine, or this reader, does not know it. */
export function elementType(dataType: number): ElementType {
  return elementTypes[dataType] ?? unsupported(`of number ${dataType}`)
}

/** True for the types that weights have and gradients flow through. */
export function isFloating(dtype: DTypeName): boolean {
  return dtype === 'f32' || dtype === 'f64' || dtype === 'f16' || dtype === 'bf16'
}
