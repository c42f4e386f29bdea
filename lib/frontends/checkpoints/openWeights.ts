import { open, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { NativeAddon, NativeStorage } from '#typings/addon.js'
import { readFileBounded } from '../../data/files.js'
import { maximumHeaderBytes, parseSafetensorsHeader } from '../../data/safetensorsHeader.js'
import { AscribeError } from '../../errors.js'
import { Unsupported } from './unsupported.js'
import { CheckpointWeights } from './weights.js'

/** Files that a checkpoint may be spread over. */
const mostShards = 1000

const maximumIndexBytes = 64 << 20

const exists = async (path: string) => (await stat(path).catch(() => undefined))?.isFile() === true

/** The weights of a folder, and the storages that they lie in, which stay open while they are used. */
export interface OpenedWeights {
  readonly weights: CheckpointWeights
  readonly storages: readonly NativeStorage[]
}

/** Reads the header alone; the tensors behind it stay in the file. */
async function readHeader(path: string) {
  const handle = await open(path, 'r').catch(cause => {
    throw new AscribeError('FILE_NOT_FOUND', `cannot open ${path}: ${(cause as Error).message}`, { cause })
  })
  try {
    const { size } = await handle.stat()
    const first = Buffer.alloc(8)
    const { bytesRead } = await handle.read(first, 0, 8, 0)
    const length = bytesRead === 8 ? first.readBigUInt64LE(0) : 0n
    if (length > BigInt(Math.min(maximumHeaderBytes, size)))
      throw new AscribeError(
        'FILE_CORRUPT',
        `${path}: a safetensors header of ${length} bytes, and the file has ${size}`,
      )
    const bytes = new Uint8Array(Math.min(size, 8 + Number(length)))
    for (let filled = 0; filled < bytes.length; ) {
      const read = await handle.read(bytes, filled, bytes.length - filled, filled)
      if (read.bytesRead === 0) throw new AscribeError('FILE_CORRUPT', `${path} ended while it was read`)
      filled += read.bytesRead
    }
    return parseSafetensorsHeader(bytes, path, size)
  } finally {
    await handle.close()
  }
}

/** Names of the files that hold the weights: one, or those that the index lists. */
async function shardsOf(folder: string): Promise<string[]> {
  const single = 'model.safetensors'
  if (await exists(join(folder, single))) return [single]
  const index = join(folder, `${single}.index.json`)
  if (!(await exists(index))) {
    const other = ['pytorch_model.bin', 'pytorch_model.bin.index.json', 'tf_model.h5', 'flax_model.msgpack']
    for (const name of other)
      if (await exists(join(folder, name)))
        throw new Unsupported(`weights in ${name}`, 'Save the checkpoint with `safe_serialization`.')
    throw new AscribeError('FILE_NOT_FOUND', `${folder} holds neither ${single} nor ${single}.index.json`)
  }
  let map: unknown
  try {
    map = (
      JSON.parse(new TextDecoder().decode(await readFileBounded(index, maximumIndexBytes))) as {
        weight_map?: unknown
      } | null
    )?.weight_map
  } catch (cause) {
    if (cause instanceof AscribeError) throw cause
    throw new AscribeError('FILE_CORRUPT', `${index} is not JSON`, { cause })
  }
  const names = typeof map === 'object' && map !== null ? [...new Set(Object.values(map))] : []
  // A name with a path in it would lead out of the folder.
  const isPlain = (name: unknown): name is string =>
    typeof name === 'string' && name === basename(name) && name.endsWith('.safetensors')
  if (names.length === 0 || names.length > mostShards || !names.every(isPlain))
    throw new AscribeError(
      'FILE_CORRUPT',
      `${index}: its weight_map does not name 1 to ${mostShards} safetensors files of the folder`,
    )
  return names.toSorted()
}

/**
 * Opens the weights of a checkpoint folder without reading them: headers are read, tensors stay in the mapped files.
 *
 * @throws AscribeError FILE_NOT_FOUND, FILE_CORRUPT, MODEL_UNSUPPORTED_OP
 */
export async function openWeights(
  addon: NativeAddon,
  folder: string,
  mode: 'map' | 'copy',
): Promise<OpenedWeights> {
  const weights = new CheckpointWeights()
  const storages: NativeStorage[] = []
  for (const name of await shardsOf(folder)) {
    const path = join(folder, name)
    const { entries, start } = await readHeader(path)
    const storage = addon.openStorage(path, { weights: mode })
    weights.add(storage, start, entries)
    storages.push(storage)
  }
  return { weights, storages }
}
