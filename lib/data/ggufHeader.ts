import { AscribeError } from '../errors.js'

/** A list of numbers of the file, or of texts. */
export type GgufValue = number | boolean | string | readonly number[] | readonly string[]

/** One tensor of a GGUF file. */
export interface GgufTensor {
  readonly name: string
  /** The format's name of how it is stored: F32, Q4_K …; `type 39` for one without a name here. */
  readonly type: string
  /** The slowest axis first. */
  readonly shape: readonly number[]
  /** Bytes from the beginning of the file; undefined for types whose size is not known here. */
  readonly range?: { readonly begin: number; readonly end: number }
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly tensors: readonly GgufTensor[]
}

/** More than the vocabulary of any model takes. */
export const maximumGgufHeaderBytes = 256 << 20
const mostEntries = 1 << 16
const mostAxes = 4
const maximumNameBytes = 1 << 16

/** Types by number, and for those that can be read elements and bytes of a block. */
const types: ReadonlyMap<number, readonly [name: string, elements?: number, bytes?: number]> = new Map([
  [0, ['F32', 1, 4]],
  [1, ['F16', 1, 2]],
  [2, ['Q4_0']],
  [3, ['Q4_1']],
  [6, ['Q5_0']],
  [7, ['Q5_1']],
  [8, ['Q8_0', 32, 34]],
  [10, ['Q2_K']],
  [11, ['Q3_K']],
  [12, ['Q4_K', 256, 144]],
  [13, ['Q5_K']],
  [14, ['Q6_K', 256, 210]],
  [28, ['F64', 1, 8]],
  [30, ['BF16', 1, 2]],
])

/** Numbers of metadata: by type, how many bytes one takes and how it is read. */
const numbers: ReadonlyMap<number, readonly [bytes: number, read: (view: DataView, at: number) => number]> =
  new Map([
    [0, [1, (view, at) => view.getUint8(at)]],
    [1, [1, (view, at) => view.getInt8(at)]],
    [2, [2, (view, at) => view.getUint16(at, true)]],
    [3, [2, (view, at) => view.getInt16(at, true)]],
    [4, [4, (view, at) => view.getUint32(at, true)]],
    [5, [4, (view, at) => view.getInt32(at, true)]],
    [6, [4, (view, at) => view.getFloat32(at, true)]],
    [7, [1, (view, at) => view.getUint8(at)]],
    [10, [8, (view, at) => Number(view.getBigUint64(at, true))]],
    [11, [8, (view, at) => Number(view.getBigInt64(at, true))]],
    [12, [8, (view, at) => view.getFloat64(at, true)]],
  ])
const [boolean, text, list] = [7, 8, 9]

/** The bytes given end before the header does, although the file goes on. */
export class GgufNeedsMore extends Error {}

/** Reads on from a place; nothing is made before its size is known to fit the file. */
class Cursor {
  at = 0
  readonly #view: DataView
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })

  constructor(
    private readonly bytes: Uint8Array,
    private readonly name: string,
    private readonly fileBytes: number,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  corrupt(message: string): AscribeError {
    return new AscribeError('FILE_CORRUPT', `${this.name}: ${message}`)
  }

  /** The place of the next `length` bytes. */
  take(length: number, what: string): number {
    const from = this.at
    if (length > this.fileBytes - from)
      throw this.corrupt(
        `${what} at byte ${from} takes ${length} bytes, and the file ends at ${this.fileBytes}`,
      )
    if (length > maximumGgufHeaderBytes - from)
      throw this.corrupt(`its header is longer than ${maximumGgufHeaderBytes} bytes`)
    if (length > this.bytes.length - from) throw new GgufNeedsMore()
    this.at += length
    return from
  }

  /** An unsigned integer of 32 or 64 bits, no larger than `most`. */
  size(bits: 32 | 64, most: number, what: string): number {
    const at = this.take(bits / 8, what)
    const value = bits === 32 ? this.#view.getUint32(at, true) : Number(this.#view.getBigUint64(at, true))
    if (value > most) throw this.corrupt(`${what} is ${value}, more than ${most}`)
    return value
  }

  text(what: string, most = maximumGgufHeaderBytes): string {
    const length = this.size(64, most, `the length of ${what}`)
    const at = this.take(length, what)
    return this.#decoder.decode(this.bytes.subarray(at, at + length))
  }

  value(type: number, what: string): GgufValue {
    if (type === text) return this.text(what)
    if (type === list) return this.#list(what)
    const [value] = this.#numbers(type, 1, what)
    return type === boolean ? value !== 0 : value!
  }

  #numbers(type: number, count: number, what: string): number[] {
    const known = numbers.get(type)
    if (known === undefined)
      throw this.corrupt(`${what} has the type ${type}, which the format does not know`)
    const [bytes, read] = known
    const at = this.take(count * bytes, what)
    return Array.from({ length: count }, (_, index) => read(this.#view, at + index * bytes))
  }

  #list(what: string): readonly number[] | readonly string[] {
    const type = this.size(32, 2 ** 32, `the type of ${what}`)
    const count = this.size(64, maximumGgufHeaderBytes, `the length of ${what}`)
    if (type !== text) return this.#numbers(type, count, what)
    // A text has at least its own length.
    if (count * 8 > this.fileBytes - this.at)
      throw this.corrupt(`${what} has ${count} texts, and the file ends at ${this.fileBytes}`)
    const texts: string[] = []
    while (texts.length < count) texts.push(this.text(what))
    return texts
  }
}

function tensorAt(cursor: Cursor): Omit<GgufTensor, 'range'> & { offset: number; bytes?: number } {
  const name = cursor.text('the name of a tensor', maximumNameBytes)
  const what = `tensor ${JSON.stringify(name.slice(0, 100))}`
  const axes = cursor.size(32, mostAxes, `the rank of ${what}`)
  const shape = Array.from({ length: axes }, () =>
    cursor.size(64, Number.MAX_SAFE_INTEGER, `a size of ${what}`),
  ).reverse()
  const number = cursor.size(32, 2 ** 32, `the type of ${what}`)
  const offset = cursor.size(64, Number.MAX_SAFE_INTEGER, `the place of ${what}`)
  const count = shape.reduce((product, size) => product * size, 1)
  if (!Number.isSafeInteger(count)) throw cursor.corrupt(`${what} has the shape [${shape}]`)
  const [type, elements, bytes] = types.get(number) ?? [`type ${number}`]
  if (elements === undefined || bytes === undefined) return { name, type, shape, offset }
  if ((shape.at(-1) ?? 1) % elements !== 0)
    throw cursor.corrupt(`${what} has rows of ${shape.at(-1)} elements, no whole blocks of ${type}`)
  return { name, type, shape, offset, bytes: (count / elements) * bytes }
}

/**
 * Parses the header of a GGUF file (versions 2 and 3, little-endian): what it says of itself, and where its tensors lie.
 * Every count and length is checked against the length of the file before anything is made of it.
 *
 * @param bytes The file from its beginning, or as much of it as holds the header.
 * @param fileBytes How long the file is.
 * @throws AscribeError FILE_CORRUPT, which says what does not fit; {@link GgufNeedsMore} where `bytes` are too few.
 */
export function parseGgufHeader(bytes: Uint8Array, name: string, fileBytes = bytes.length): GgufHeader {
  const cursor = new Cursor(bytes, name, fileBytes)
  if (cursor.size(32, 2 ** 32, 'the mark of the format') !== 0x46554747)
    throw cursor.corrupt('does not begin as a GGUF file does')
  const version = cursor.size(32, 2 ** 32, 'the version')
  if (version !== 2 && version !== 3)
    throw cursor.corrupt(`has version ${version} of the format; 2 and 3 are read, in little-endian order`)
  const tensorCount = cursor.size(64, mostEntries, 'the number of tensors')
  const entryCount = cursor.size(64, mostEntries, 'the number of entries')
  const metadata = new Map<string, GgufValue>()
  for (let index = 0; index < entryCount; index++) {
    const key = cursor.text('a name', maximumNameBytes)
    const what = JSON.stringify(key.slice(0, 100))
    if (metadata.has(key)) throw cursor.corrupt(`${what} stands in it twice`)
    metadata.set(key, cursor.value(cursor.size(32, 2 ** 32, `the type of ${what}`), what))
  }
  const found = Array.from({ length: tensorCount }, () => tensorAt(cursor))
  const alignment = metadata.get('general.alignment') ?? 32
  if (
    typeof alignment !== 'number' ||
    alignment < 1 ||
    alignment > 1 << 16 ||
    !Number.isInteger(Math.log2(alignment))
  )
    throw cursor.corrupt(`its alignment is ${String(alignment).slice(0, 100)}`)
  const start = Math.ceil(cursor.at / alignment) * alignment
  const names = new Set<string>()
  const tensors = found.map(({ offset, bytes: length, ...tensor }): GgufTensor => {
    if (names.has(tensor.name))
      throw cursor.corrupt(`two tensors are called ${JSON.stringify(tensor.name.slice(0, 100))}`)
    names.add(tensor.name)
    if (length === undefined) return tensor
    const begin = start + offset
    if (offset % alignment !== 0 || begin + length > fileBytes)
      throw cursor.corrupt(
        `tensor ${JSON.stringify(tensor.name.slice(0, 100))} of ${length} bytes lies at byte ${begin}, and the file has ${fileBytes}`,
      )
    return { ...tensor, range: { begin, end: begin + length } }
  })
  return { metadata, tensors }
}
