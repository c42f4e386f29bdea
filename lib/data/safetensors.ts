import { endianness } from 'node:os'
import { AscribeError } from '../errors.js'
import { expectObject, typeError } from '../validate.js'
import { readFileBounded, writeFileAtomically } from './files.js'
import { bfloatToNumber, halfToNumber } from './halves.js'
import { parseSafetensorsHeader, type SafetensorsEntry } from './safetensorsHeader.js'
import { arrayConstructors, type DType, type Tensor, validateTensor } from './tensor.js'

/** What each element type of the file is read as, exactly. */
const readers: Readonly<
  Record<string, { dtype: DType; read?: (view: DataView, at: number) => number; bytes?: number }>
> = {
  F64: { dtype: 'f64' },
  F32: { dtype: 'f32' },
  F16: { dtype: 'f32', bytes: 2, read: (view, at) => halfToNumber(view.getUint16(at, true)) },
  BF16: { dtype: 'f32', bytes: 2, read: (view, at) => bfloatToNumber(view.getUint16(at, true)) },
  I64: { dtype: 'i64' },
  I32: { dtype: 'i32' },
  I16: { dtype: 'i32', bytes: 2, read: (view, at) => view.getInt16(at, true) },
  U16: { dtype: 'i32', bytes: 2, read: (view, at) => view.getUint16(at, true) },
  I8: { dtype: 'i8' },
  U8: { dtype: 'u8' },
  BOOL: { dtype: 'bool' },
}

const names: Readonly<Record<DType, string>> = {
  f64: 'F64',
  f32: 'F32',
  i64: 'I64',
  i32: 'I32',
  i8: 'I8',
  u8: 'U8',
  bool: 'BOOL',
}

export interface ReadSafetensorsOptions {
  /** Tensors to read. Default: all. */
  names?: readonly string[]
  /** Files above this size are refused. Default 4 GiB. */
  maximumBytes?: number
}

function requireLittleEndian(): void {
  if (endianness() !== 'LE')
    throw new AscribeError(
      'REPRESENTATION_UNSUPPORTED',
      'safetensors are read and written on little-endian machines alone',
    )
}

function tensorOf(bytes: Uint8Array, entry: SafetensorsEntry, name: string): Tensor {
  const reader = Object.hasOwn(readers, entry.dtype) ? readers[entry.dtype] : undefined
  if (reader === undefined)
    throw new AscribeError(
      'INPUT_DTYPE',
      `${name}: "${entry.name}" has the element type ${entry.dtype}, which is not supported`,
      {
        hint: `Supported: ${Object.keys(readers).join(', ')}.`,
      },
    )
  const count = entry.shape.reduce((product, size) => product * size, 1)
  const data = new arrayConstructors[reader.dtype](count)
  if (reader.read === undefined) {
    new Uint8Array(data.buffer).set(bytes)
    // Any other byte would break arithmetic on a mask.
    if (reader.dtype === 'bool')
      for (let at = 0; at < count; at++) (data as Uint8Array)[at] = data[at] ? 1 : 0
  } else {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let at = 0; at < count; at++) (data as Float32Array)[at] = reader.read(view, at * reader.bytes!)
  }
  return { dtype: reader.dtype, shape: [...entry.shape], data } as Tensor
}

/** Reads the bytes of a safetensors file; see {@link readSafetensors}. `name` stands for the file in messages. */
export function parseSafetensors(
  bytes: Uint8Array,
  options: ReadSafetensorsOptions = {},
  name = 'safetensors data',
): Record<string, Tensor> {
  requireLittleEndian()
  const { entries, start } = parseSafetensorsHeader(bytes, name)
  const found = new Map(entries.map(entry => [entry.name, entry]))
  const wanted = options.names ?? entries.map(entry => entry.name)
  return Object.fromEntries(
    wanted.map(each => {
      const entry = found.get(each)
      if (entry === undefined)
        throw new AscribeError('INPUT_MISSING', `${name} has no tensor called ${JSON.stringify(each)}`)
      return [each, tensorOf(bytes.subarray(start + entry.begin, start + entry.end), entry, name)]
    }),
  )
}

/**
 * Reads tensors of a safetensors file by name: weights for `model.withParameters`, for one.
 *
 * F64, F32, I64, I32, I8, U8 and BOOL are read as they are; F16 and BF16 become `f32`, I16 and U16 `i32`, all exact.
 *
 * @param source A path, or the bytes of the file.
 * @throws AscribeError FILE_NOT_FOUND; FILE_CORRUPT where the file is not what its header says; INPUT_DTYPE for other
 *   element types; INPUT_MISSING for a name that it has not.
 */
export async function readSafetensors(
  source: string | Uint8Array,
  options: ReadSafetensorsOptions = {},
): Promise<Record<string, Tensor>> {
  if (typeof source !== 'string' && !(source instanceof Uint8Array))
    throw typeError('source', 'a path or bytes', source)
  expectObject('options', options)
  if (typeof source !== 'string') return parseSafetensors(source, options)
  return parseSafetensors(await readFileBounded(source, options.maximumBytes ?? 2 ** 32), options, source)
}

/**
 * The bytes of a safetensors file that holds these tensors, in their order.
 *
 * @throws AscribeError INPUT_SHAPE or INPUT_DTYPE where a tensor is malformed; OPTION_RANGE for the name `__metadata__`.
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  requireLittleEndian()
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {}
  let end = 0
  for (const [name, tensor] of Object.entries(tensors)) {
    if (name === '__metadata__')
      throw new AscribeError('OPTION_RANGE', 'No tensor of a safetensors file can be called "__metadata__"')
    const { dtype, shape, data } = validateTensor(tensor, name)
    Object.defineProperty(header, name, {
      value: { dtype: names[dtype], shape: [...shape], data_offsets: [end, end + data.byteLength] },
      enumerable: true,
    })
    end += data.byteLength
  }
  // Spaces at the end, which the format allows, keep the data aligned.
  const text = JSON.stringify(header)
  const length = Math.ceil((8 + Buffer.byteLength(text)) / 64) * 64 - 8
  const result = Buffer.alloc(8 + length + end, 0x20)
  result.writeBigUInt64LE(BigInt(length), 0)
  result.write(text, 8)
  let at = 8 + length
  for (const { data } of Object.values(tensors)) {
    result.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return new Uint8Array(result.buffer, result.byteOffset, result.byteLength)
}

/**
 * Writes tensors as a safetensors file, for whom `readSafetensors` and the format's other readers read them back.
 *
 * @param metadata Texts by name, kept in the header.
 * @throws AscribeError FILE_WRITE, or what {@link encodeSafetensors} throws.
 */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomically(path, encodeSafetensors(tensors, metadata))
}
