import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { AscribeError } from '../errors.js'
import { shuffledOrder } from '../methods/concepts/shuffledOrder.js'
import { listInputs } from './inputs.js'

async function subfolders(path: string): Promise<string[]> {
  const information = await stat(path).catch(cause => {
    throw new AscribeError('FILE_NOT_FOUND', `Cannot read ${path}`, { cause })
  })
  if (!information.isDirectory()) throw new AscribeError('OPTION_RANGE', `${path} is a file, not a folder`)
  const entries = await readdir(path, { withFileTypes: true })
  return entries
    .filter(entry => entry.isDirectory())
    .map(({ name }) => join(path, name))
    .sort()
}

/** Files of each concept, by name: `FOLDER`, called as the folder is, or `NAME=FOLDER`. */
export async function conceptFiles(given: readonly string[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>()
  for (const text of given) {
    const at = text.indexOf('=')
    const [name, folder] = at > 0 ? [text.slice(0, at), text.slice(at + 1)] : [basename(text), text]
    if (found.has(name)) throw new AscribeError('OPTION_RANGE', `Two concepts are called "${name}"`)
    await subfolders(folder)
    found.set(name, await listInputs([folder]))
  }
  return found
}

/**
 * Files of each random set: a folder is a set, a folder of folders as many as it holds. One folder alone is dealt out into
 * `count` sets.
 */
export async function randomFiles(
  given: readonly string[],
  count: number,
  seed: number,
): Promise<string[][]> {
  const folders: string[] = []
  for (const folder of given) {
    const inside = await subfolders(folder)
    folders.push(...(inside.length > 0 ? inside : [folder]))
  }
  const sets: string[][] = []
  for (const folder of folders) sets.push(await listInputs([folder]))
  const [only] = sets
  if (sets.length !== 1 || only === undefined) return sets
  if (only.length < 2 * count)
    throw new AscribeError(
      'OPTION_RANGE',
      `${folders[0]} holds ${only.length} examples, which make no ${count} random sets of at least 2`,
    )
  const order = shuffledOrder(only.length, seed)
  return Array.from({ length: count }, (_, set) =>
    order.filter((_, at) => at % count === set).map(at => only[at]!),
  )
}
