import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { ExecutionContext } from 'ava'

/**
 * The path of something in the folder of real models and data that lies beside the repository, or undefined (and a
 * line in the test's log) where it is absent.
 */
export function sharedData(t: ExecutionContext, ...parts: string[]): string | undefined {
  const root = process.env.ASCRIBE_SHARED_DATA ?? resolve('../shared/data')
  const path = join(root, ...parts)
  if (existsSync(path)) return path
  t.log(`skipped: ${path} is not there (set ASCRIBE_SHARED_DATA)`)
  t.pass()
  return undefined
}
