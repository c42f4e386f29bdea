import { AscribeError } from '../errors.js'
import { elementCount, maximumRank } from './tensor.js'

/** One tensor of a safetensors file: its element type as the file names it, and where its bytes lie behind the header. */
export interface SafetensorsEntry {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly entries: readonly SafetensorsEntry[]
  readonly metadata: Readonly<Record<string, string>>
  /** Where the tensors' bytes begin. */
  readonly start: number
}

/** Some 300,000 tensors; the format's own reader takes three times as much. */
export const maximumHeaderBytes = 1 << 25

/** Bytes of an element, by the names of the format. */
export const elementBytes: ReadonlyMap<string, number> = new Map([
  ['F64', 8],
  ['F32', 4],
  ['F16', 2],
  ['BF16', 2],
  ['I64', 8],
  ['I32', 4],
  ['I16', 2],
  ['I8', 1],
  ['U64', 8],
  ['U32', 4],
  ['U16', 2],
  ['U8', 1],
  ['BOOL', 1],
  ['F8_E4M3', 1],
  ['F8_E5M2', 1],
])

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/**
 * Parses the header of a safetensors file: eight bytes that say how long it is, and a JSON object.
 *
 * Everything is checked against the length of the file before anything is made of it: the tensors must fill it from the
 * header's end on, without gaps or overlaps, so that a name written twice is found too.
 *
 * @param bytes The file, or as much of it as holds the header.
 * @param fileBytes How long the file is.
 * @throws AscribeError FILE_CORRUPT, which says what does not fit.
 */
export function parseSafetensorsHeader(
  bytes: Uint8Array,
  name: string,
  fileBytes = bytes.length,
): SafetensorsHeader {
  const corrupt = (message: string) => new AscribeError('FILE_CORRUPT', `${name}: ${message}`)
  if (bytes.length < 10) throw corrupt('is too short for a safetensors file')
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true)
  if (length > BigInt(maximumHeaderBytes) || length > BigInt(bytes.length - 8))
    throw corrupt(`a safetensors header of ${length} bytes, and the file has ${fileBytes}`)
  const start = 8 + Number(length)
  let parsed: unknown
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, start))
    if (!text.startsWith('{')) throw new Error('it does not begin with an object')
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new AscribeError('FILE_CORRUPT', `${name}: safetensors header: ${(cause as Error).message}`, {
      cause,
    })
  }
  if (!isRecord(parsed)) throw corrupt('the safetensors header is no object')
  const size = fileBytes - start
  const entries: SafetensorsEntry[] = []
  let metadata: Record<string, string> = {}
  for (const [key, value] of Object.entries(parsed)) {
    if (key === '__metadata__') {
      if (!isRecord(value) || !Object.values(value).every(text => typeof text === 'string'))
        throw corrupt('the metadata is no object of texts')
      metadata = value as Record<string, string>
      continue
    }
    entries.push(entryOf(key, value, size, corrupt))
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let end = 0
  for (const entry of entries) {
    if (entry.begin !== end)
      throw corrupt(`the bytes of ${JSON.stringify(entry.name)} begin at ${entry.begin}, expected ${end}`)
    end = entry.end
  }
  if (end !== size) throw corrupt(`its tensors end at byte ${end} of ${size}`)
  return { entries, metadata, start }
}

function entryOf(
  name: string,
  value: unknown,
  size: number,
  corrupt: (message: string) => AscribeError,
): SafetensorsEntry {
  const what = `tensor ${JSON.stringify(name.slice(0, 100))}`
  if (!isRecord(value)) throw corrupt(`${what} is no object`)
  const { dtype, shape, data_offsets: offsets } = value
  const bytes = typeof dtype === 'string' ? elementBytes.get(dtype) : undefined
  if (bytes === undefined)
    throw corrupt(`${what} has the element type ${JSON.stringify(dtype)?.slice(0, 40)}`)
  if (!Array.isArray(shape) || !shape.every(isSize) || shape.length > maximumRank)
    throw corrupt(`${what} has no shape of up to ${maximumRank} sizes`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    throw corrupt(`${what} has no pair of offsets`)
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > size) throw corrupt(`${what} lies from byte ${begin} to ${end} of ${size}`)
  let count = 0
  try {
    count = elementCount(shape, name)
  } catch (cause) {
    throw corrupt((cause as Error).message)
  }
  if (count * bytes !== end - begin)
    throw corrupt(
      `${what} of shape [${shape}] and ${dtype} needs ${count * bytes} bytes, and has ${end - begin}`,
    )
  return { name, dtype: dtype as string, shape: shape as number[], begin, end }
}
