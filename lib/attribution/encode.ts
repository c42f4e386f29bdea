import { endianness } from 'node:os'
import { arrayConstructors, createTensor, elementCount, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import {
  expectInteger,
  expectKnownKeys,
  expectObject,
  expectOneOf,
  expectString,
  typeError,
} from '../validate.js'
import type { AttributedInput, AttributedInputInit } from './attributedInput.js'
import { type Metadata, type MetadataInit, metadataKeys } from './metadata.js'
import { Picture } from './picture.js'

/** The version of the format that is written. Files of this and of all earlier versions are read. */
export const schemaVersion = 1

const format = 'ascribe-attribution'

/** The text of a saved attribution: indented JSON, scores as base64 of little-endian numbers. */
export async function encodeAttribution(
  metadata: Metadata,
  inputs: readonly AttributedInput[],
  libraryVersion: string,
): Promise<string> {
  const { targets, hasTargetAxis, model, preprocessing, ...rest } = metadata
  const saved = {
    format,
    schemaVersion,
    libraryVersion,
    model,
    preprocessing,
    target: hasTargetAxis ? targets : targets[0],
    ...rest,
    inputs: await Promise.all(inputs.map(encodeInput)),
  }
  return `${JSON.stringify(saved, null, 1)}\n`
}

async function encodeInput({ name, units, scores, picture }: AttributedInput): Promise<object> {
  const { dtype, shape, data } = scores
  const bytes = Buffer.from(littleEndian(data))
  return {
    name,
    units,
    scores: { dtype, shape, data: bytes.toString('base64') },
    ...(picture === undefined ? {} : { picture: Buffer.from(await picture.png()).toString('base64') }),
  }
}

/** The bytes of an array, least significant first; a copy, or a view where that is the order already. */
function littleEndian(data: Float32Array | Float64Array): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (endianness() === 'LE') return bytes
  const swapped = Buffer.from(bytes)
  return data.BYTES_PER_ELEMENT === 4 ? swapped.swap32() : swapped.swap64()
}

/** What a saved attribution holds, not yet checked beyond its frame. */
export interface DecodedAttribution {
  libraryVersion: string
  init: MetadataInit & { inputs: AttributedInputInit[] }
}

/**
 * Reads the text of a saved attribution.
 *
 * @throws AscribeError `FILE_VERSION` for a schema this library does not know; `FILE_CORRUPT` where it is no
 *   attribution; `OPTION_*` (which the caller turns into `FILE_CORRUPT`) where a part is not what it should be.
 */
export function decodeAttribution(text: string): DecodedAttribution {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new AscribeError('FILE_CORRUPT', `not JSON: ${(cause as Error).message}`, { cause })
  }
  const saved = expectObject('the file', parsed)
  if (saved.format !== format)
    throw new AscribeError('FILE_CORRUPT', `not a saved attribution (no format "${format}")`)
  const version = expectInteger('schemaVersion', saved.schemaVersion, 1)
  if (version > schemaVersion)
    throw new AscribeError(
      'FILE_VERSION',
      `schema version ${version} is not known; this library knows 1 to ${schemaVersion}`,
      {
        hint: 'Update ascribe.',
      },
    )
  expectKnownKeys('the file', saved, ['format', 'schemaVersion', 'libraryVersion', ...metadataKeys, 'inputs'])
  const { format: _, schemaVersion: __, libraryVersion, inputs, ...metadata } = saved
  if (!Array.isArray(inputs)) throw typeError('inputs', 'an array', inputs)
  return {
    libraryVersion: expectString('libraryVersion', libraryVersion),
    init: {
      ...(metadata as unknown as MetadataInit),
      inputs: inputs.map((input, index) => decodeInput(input, `inputs[${index}]`)),
    },
  }
}

function decodeInput(value: unknown, name: string): AttributedInputInit {
  const input = expectObject(name, value)
  const scores = expectObject(`${name}.scores`, input.scores)
  expectKnownKeys(`${name}.scores`, scores, ['dtype', 'shape', 'data'])
  const picture =
    input.picture === undefined
      ? {}
      : { picture: Picture.fromPng(decodeBase64(`${name}.picture`, input.picture)) }
  return { ...input, scores: decodeScores(scores, `${name}.scores`), ...picture } as AttributedInputInit
}

function decodeScores(scores: Record<string, unknown>, name: string): Tensor<'f32' | 'f64'> {
  const dtype = expectOneOf(`${name}.dtype`, scores.dtype, ['f32', 'f64'])
  const shape = scores.shape as number[]
  const count = elementCount(shape, name)
  const arrayType = arrayConstructors[dtype]
  const bytes = decodeBase64(`${name}.data`, scores.data)
  if (bytes.length !== count * arrayType.BYTES_PER_ELEMENT)
    throw new AscribeError(
      'FILE_CORRUPT',
      `${name}: shape [${shape.join(', ')}] of ${dtype} needs ${count * arrayType.BYTES_PER_ELEMENT} bytes, ${bytes.length} are there`,
    )
  const data = new arrayType(count)
  new Uint8Array(data.buffer).set(bytes)
  const native = littleEndian(data)
  if (native.buffer !== data.buffer) new Uint8Array(data.buffer).set(native)
  return createTensor(dtype, shape, data)
}

function decodeBase64(name: string, value: unknown): Buffer {
  const text = expectString(name, value)
  const bytes = Buffer.from(text, 'base64')
  // Node skips what it does not understand; what does not come back as it was is damaged.
  if (bytes.toString('base64') !== text) throw new AscribeError('FILE_CORRUPT', `${name} is not base64`)
  return bytes
}
