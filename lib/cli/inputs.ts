import { readdir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { readFileBounded } from '../data/files.js'
import type { Image } from '../data/image.js'
import { readNpy } from '../data/npy.js'
import { readImage } from '../data/readImage.js'
import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'

const pictureNames = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif', '.tif', '.tiff', '.avif'])

/** `NAME=FILE` pairs of a repeatable flag. @throws AscribeError `OPTION_RANGE` */
export function namedFiles(flag: string, pairs: readonly string[]): Map<string, string> {
  const files = new Map<string, string>()
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    if (at <= 0 || at === pair.length - 1)
      throw new AscribeError('OPTION_RANGE', `${flag} takes NAME=FILE.npy, received "${pair}"`)
    const name = pair.slice(0, at)
    if (files.has(name)) throw new AscribeError('OPTION_RANGE', `${flag} names "${name}" twice`)
    files.set(name, pair.slice(at + 1))
  }
  return files
}

/** Tensors by name from .npy files. */
export async function readNamedTensors(
  flag: string,
  pairs: readonly string[],
): Promise<Record<string, Tensor>> {
  const entries = [...namedFiles(flag, pairs)].map(
    async ([name, file]) => [name, await readNpy(file)] as const,
  )
  return Object.fromEntries(await Promise.all(entries))
}

/** Files to explain, folders replaced by the pictures, .npy and .txt files in them, in the order of their names. */
export async function listInputs(paths: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const path of paths) {
    const information = await stat(path).catch(cause => {
      throw new AscribeError('FILE_NOT_FOUND', `Cannot read ${path}`, { cause })
    })
    if (!information.isDirectory()) {
      found.push(path)
      continue
    }
    const names = (await readdir(path)).filter(name => {
      const extension = extname(name).toLowerCase()
      return pictureNames.has(extension) || extension === '.npy' || extension === '.txt'
    })
    if (names.length === 0)
      throw new AscribeError('FILE_NOT_FOUND', `${path} holds no pictures and no .npy or .txt files`)
    found.push(...names.sort().map(name => join(path, name)))
  }
  return found
}

/** The largest file of text that is explained: texts of models are shorter. */
const maximumTextBytes = 16 << 20

/** A picture, the tensor of an .npy file, or the text of a .txt file. */
export async function readInput(path: string): Promise<Image | Tensor | string> {
  if (extname(path).toLowerCase() === '.txt')
    return new TextDecoder().decode(await readFileBounded(path, maximumTextBytes))
  return extname(path).toLowerCase() === '.npy' ? readNpy(path) : readImage(path)
}

/** Names of results, one for each input: its own name without the extension, numbered where two are alike. */
export function resultNames(paths: readonly string[], format: string): string[] {
  const used = new Map<string, number>()
  return paths.map(path => {
    const name = basename(path, extname(path))
    const count = (used.get(name) ?? 0) + 1
    used.set(name, count)
    return `${name}${count > 1 ? `-${count}` : ''}.${format}`
  })
}

/** A baseline from a flag: a number, or a file of a tensor. */
export async function readBaseline(text: string | undefined): Promise<number | Tensor | undefined> {
  if (text === undefined) return undefined
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isNaN(value)) return value
  return readNpy(text)
}
