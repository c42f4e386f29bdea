import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Tensor } from '#lib/index.js'
import { idsTensor } from './recordedCheckpoints.js'
import { repositoryRoot } from './repository.js'

/** Small GGUF files with random weights, and what transformers computes with them: bench/checkpoints/recordGguf.py. */
const folder = join(repositoryRoot, 'test', 'fixtures', 'gguf')

export const ggufNames: readonly string[] = readdirSync(folder)
  .filter(name => name.endsWith('.gguf'))
  .map(name => name.slice(0, -5))
  .toSorted()

export const ggufPath = (name: string): string => join(folder, `${name}.gguf`)

export interface RecordedGguf {
  readonly ids: Tensor
  readonly logits: { readonly shape: number[]; readonly data: number[] }
  readonly texts?: readonly { readonly text: string; readonly ids: readonly number[] }[]
}

export function recordedGguf(name: string): RecordedGguf {
  const recorded = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))
  return { ...recorded, ids: idsTensor(recorded.ids) }
}
