import { endianness } from 'node:os'
import { AscribeError } from '../errors.js'
import { readFileBounded, writeFileAtomically } from './files.js'
import { halfToNumber } from './halves.js'
import { parseNpyHeader } from './npyHeader.js'
import {
  arrayConstructors,
  createTensor,
  type DType,
  elementCount,
  type Tensor,
  type TensorArrays,
  validateTensor,
} from './tensor.js'

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
const maximumHeaderBytes = 1 << 20

/** How each element type of the file is read: its width in bytes, and the tensor type that holds it exactly. */
const readers: Record<
  string,
  { bytes: number; dtype: DType; read?: (view: DataView, at: number, little: boolean) => number }
> = {
  f8: { bytes: 8, dtype: 'f64' },
  f4: { bytes: 4, dtype: 'f32' },
  f2: { bytes: 2, dtype: 'f32', read: (view, at, little) => halfToNumber(view.getUint16(at, little)) },
  i8: { bytes: 8, dtype: 'i64' },
  i4: { bytes: 4, dtype: 'i32' },
  i2: { bytes: 2, dtype: 'i32', read: (view, at, little) => view.getInt16(at, little) },
  u2: { bytes: 2, dtype: 'i32', read: (view, at, little) => view.getUint16(at, little) },
  i1: { bytes: 1, dtype: 'i8' },
  u1: { bytes: 1, dtype: 'u8' },
  b1: { bytes: 1, dtype: 'bool' },
}

/** Options of {@link readNpy}. */
export interface ReadNpyOptions {
  /** Files above this size are refused. Default 4 GiB. */
  maximumBytes?: number
}

/**
 * Reads an .npy file (format versions 1, 2 and 3, either byte order).
 *
 * Element types: f8, f4, i8, i4, i1, u1 and bool as they are; f2 becomes `f32`, i2 and u2 become `i32` (both
 * exact). An array in Fortran order is transposed into C order, so the result always reads row by row.
 *
 * @param source A path, or the bytes of the file.
 * @throws AscribeError `FILE_NOT_FOUND`; `FILE_CORRUPT` where the bytes are not an .npy file, or where its length
 *   is not what its header says; `INPUT_DTYPE` for other element types.
 */
export async function readNpy(source: string | Uint8Array, options: ReadNpyOptions = {}): Promise<Tensor> {
  if (typeof source !== 'string') return parseNpy(source)
  return parseNpy(await readFileBounded(source, options.maximumBytes ?? 2 ** 32), source)
}

/**
 * Writes a tensor as an .npy file (version 1.0, little endian, C order), the way NumPy reads it back.
 *
 * @throws AscribeError `FILE_WRITE`, or what {@link encodeNpy} throws.
 */
export async function writeNpy(path: string, tensor: Tensor): Promise<void> {
  await writeFileAtomically(path, encodeNpy(tensor))
}

/** Reads the bytes of an .npy file; see {@link readNpy}. `name` stands for the file in messages. */
export function parseNpy(bytes: Uint8Array, name = 'npy data'): Tensor {
  const corrupt = (message: string): AscribeError => new AscribeError('FILE_CORRUPT', `${name}: ${message}`)
  if (bytes.length < 10 || magic.some((byte, index) => bytes[index] !== byte))
    throw corrupt('is not an npy file (the first bytes must be \\x93NUMPY)')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = bytes[6]!
  if (version < 1 || version > 3) throw corrupt(`npy format version ${version}.${bytes[7]} is not known`)
  if (version > 1 && bytes.length < 12) throw corrupt('ends inside the npy header')
  const headerStart = version === 1 ? 10 : 12
  const headerBytes = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (headerBytes > maximumHeaderBytes) throw corrupt(`npy header of ${headerBytes} bytes is too long`)
  const start = headerStart + headerBytes
  if (start > bytes.length) throw corrupt('ends inside the npy header')
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + headerStart, headerBytes).toString('latin1')
  const { descr, fortranOrder, shape } = parseNpyHeader(text, name)

  const order = descr[0]!
  const reader =
    '<>|='.includes(order) && Object.hasOwn(readers, descr.slice(1)) ? readers[descr.slice(1)] : undefined
  if (reader === undefined)
    throw new AscribeError(
      'INPUT_DTYPE',
      `${name}: npy element type ${JSON.stringify(descr)} is not supported`,
      {
        hint: `Supported: ${Object.keys(readers).join(', ')}.`,
      },
    )
  const count = corruptShape(() => elementCount(shape, name))
  if (count * reader.bytes !== bytes.length - start)
    throw corrupt(
      `shape [${shape.join(', ')}] of ${descr} needs ${count * reader.bytes} bytes, ${bytes.length - start} are there`,
    )
  const little = order === '<' || (order !== '>' && endianness() === 'LE')
  const data = readElements(bytes.subarray(start), count, reader, little)
  const tensor = createTensor(reader.dtype, shape, data)
  return fortranOrder && shape.length > 1 ? fromFortranOrder(tensor) : tensor
}

/** A shape that is read from a file and cannot be is a damaged file, not a wrong input. */
function corruptShape(compute: () => number): number {
  try {
    return compute()
  } catch (cause) {
    throw new AscribeError('FILE_CORRUPT', (cause as Error).message, { cause })
  }
}

function readElements(
  bytes: Uint8Array,
  count: number,
  reader: (typeof readers)[string],
  little: boolean,
): TensorArrays[DType] {
  const result = new arrayConstructors[reader.dtype](count)
  if (reader.read !== undefined) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let index = 0; index < count; index++)
      (result as Float32Array)[index] = reader.read(view, index * reader.bytes, little)
    return result
  }
  const raw = Buffer.from(result.buffer)
  raw.set(bytes)
  if (little !== (endianness() === 'LE')) swapBytes(raw, reader.bytes)
  // NumPy writes 0 and 1 only; any other byte would break arithmetic on the mask.
  if (reader.dtype === 'bool') for (let index = 0; index < count; index++) raw[index] = raw[index] ? 1 : 0
  return result
}

function swapBytes(buffer: Buffer, width: number): void {
  if (width === 8) buffer.swap64()
  else if (width === 4) buffer.swap32()
  else if (width === 2) buffer.swap16()
}

function fromFortranOrder(tensor: Tensor): Tensor {
  const { shape, data } = tensor
  const result = new arrayConstructors[tensor.dtype](data.length)
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, size) => product * size, 1))
  const index = shape.map(() => 0)
  for (let target = 0, source = 0; target < data.length; target++) {
    ;(result as Float64Array)[target] = (data as Float64Array)[source]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      source -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return createTensor(tensor.dtype, shape, result)
}

const descriptors: Record<DType, string> = {
  f64: '<f8',
  f32: '<f4',
  i64: '<i8',
  i32: '<i4',
  i8: '|i1',
  u8: '|u1',
  bool: '|b1',
}

/**
 * The bytes of an .npy file that holds a tensor: version 1.0, little endian, C order, data aligned to 64 bytes.
 *
 * @throws AscribeError `INPUT_SHAPE` or `INPUT_DTYPE` where the tensor is malformed.
 */
export function encodeNpy(tensor: Tensor): Uint8Array {
  const { dtype, shape, data } = validateTensor(tensor)
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const dictionary = `{'descr': '${descriptors[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`
  const headerBytes = Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 10
  const result = Buffer.alloc(10 + headerBytes + data.byteLength)
  result.set([...magic, 1, 0])
  result.writeUInt16LE(headerBytes, 8)
  result.write(`${dictionary.padEnd(headerBytes - 1)}\n`, 10, 'latin1')
  const payload = result.subarray(10 + headerBytes)
  payload.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  if (endianness() !== 'LE') swapBytes(payload, data.BYTES_PER_ELEMENT)
  return new Uint8Array(result.buffer, result.byteOffset, result.byteLength)
}
