import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const fileOf = (name: string) => join(import.meta.dirname, '../../../bench', name)

/** What a bench wrote into its file before, by the file's place below bench/; undefined where there is none. */
export function readRecord<T>(name: string): T | undefined {
  const file = fileOf(name)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined
}

/** Writes what a bench found, its numbers to so many digits, from which `node scripts/docs.js` makes tables. */
export function writeRecord(name: string, found: unknown, digits = 6): void {
  const file = fileOf(name)
  mkdirSync(dirname(file), { recursive: true })
  const rounded = (_: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(digits)) : value
  writeFileSync(file, `${JSON.stringify(found, rounded, 1)}\n`)
}

/** The same for one of several models, the others staying as they were recorded. */
export function writeRecordOf(name: string, model: string, found: unknown, digits = 6): void {
  writeRecord(name, { ...readRecord<object>(name), [model]: found }, digits)
}
