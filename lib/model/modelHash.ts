import { createHash } from 'node:crypto'
import type { NativeStorage } from '#typings/addon.js'
import { call, native, settle } from '../native.js'
import type { ModelParts } from './modelParts.js'

/**
 * `sha256:…` of a model's file; of a checkpoint, of its config.json and the hashes of its files; of graph and names alone
 * where the model has neither. What was put behind the files' own graph is hashed with it.
 */
export async function modelHash(parts: ModelParts): Promise<string> {
  const own = await hashOfFiles(parts)
  if (parts.composition === undefined) return own
  return `sha256:${createHash('sha256').update(own).update(parts.composition).digest('hex')}`
}

async function hashOfFiles({ storage, storages, checkpoint, graph }: ModelParts): Promise<string> {
  const ofText = (text: string) => call(() => native().storageFromBuffer(new TextEncoder().encode(text)))
  const hashOf = (handle: NativeStorage) => settle(() => native().hashStorage(handle))
  if (storages !== undefined) {
    const hashes: string[] = []
    for (const each of storages) hashes.push(await hashOf(each))
    return `sha256:${await hashOf(ofText(JSON.stringify([checkpoint?.config.values, hashes])))}`
  }
  return `sha256:${await hashOf(storage ?? ofText(JSON.stringify(graph.nodes)))}`
}
