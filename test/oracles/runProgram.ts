import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface ProgramResult {
  /** Null where a signal ended it: a crash. */
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Runs a program of test/robustness/programs in a Node of its own, so that a crash is a result. */
export async function runProgram(
  name: string,
  args: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<ProgramResult> {
  const child = spawn(
    process.execPath,
    ['--expose-gc', join(import.meta.dirname, '../robustness/programs', `${name}.js`), ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } },
  )
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', text => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal, stdout, stderr }
}
