import { parse } from 'csv-parse/sync'
import { AscribeError } from '../errors.js'
import { readFileBounded } from './files.js'

const maximumBytes = 64 << 20

/** Names that a first row may have in place of a file and its class. */
const fileHeads = ['file', 'filename', 'image', 'path', 'name']
const classHeads = ['label', 'class', 'truth', 'target', 'index']

/**
 * What is right, from a CSV file of two columns: the file's name, and the class by index or label. A first row of
 * column names is recognised (`file,label` and the like), and may then name the two among more columns.
 *
 * @returns The class of each file, in the order of the rows.
 * @throws AscribeError `FILE_NOT_FOUND`, `FILE_CORRUPT` where it is no such table, or names a file twice.
 */
export async function readTruth(path: string): Promise<Map<string, string>> {
  const text = new TextDecoder().decode(await readFileBounded(path, maximumBytes))
  let rows: string[][]
  try {
    rows = parse(text, { bom: true, skip_empty_lines: true, trim: true, relax_column_count: true })
  } catch (cause) {
    throw new AscribeError('FILE_CORRUPT', `${path} is not CSV: ${(cause as Error).message}`, { cause })
  }
  const head = rows[0]?.map(cell => cell.toLowerCase()) ?? []
  const file = head.findIndex(cell => fileHeads.includes(cell))
  const label = head.findIndex(cell => classHeads.includes(cell))
  const hasHead = file >= 0 && label >= 0
  const [fileAt, labelAt] = hasHead ? [file, label] : [0, 1]
  const truth = new Map<string, string>()
  for (const [at, row] of rows.entries()) {
    if (hasHead && at === 0) continue
    const [name, of] = [row[fileAt], row[labelAt]]
    if (!name || !of)
      throw new AscribeError('FILE_CORRUPT', `${path}: row ${at + 1} has no file and class`, {
        hint: 'Two columns: the file, and its class by index or label.',
      })
    if (truth.has(name)) throw new AscribeError('FILE_CORRUPT', `${path} names ${name} twice`)
    truth.set(name, of)
  }
  if (truth.size === 0) throw new AscribeError('FILE_CORRUPT', `${path} names no files`)
  return truth
}
