import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { repositoryRoot } from '../oracles/repository.js'

export const scenes = (...parts: string[]): string => join(repositoryRoot, 'models', ...parts)

export interface CliResult {
  code: number | null
  out: string
  err: string
}

/** Runs the built command line; `interruptAfter` sends Ctrl-C after so many milliseconds, `environment` is added. */
export function runCli(
  args: readonly string[],
  options: { interruptAfter?: number; environment?: Readonly<Record<string, string>> } = {},
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(repositoryRoot, 'dist/cli/main.js'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment },
    })
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', text => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      err += text
    })
    child.once('error', reject)
    child.once('close', code => resolve({ code, out, err }))
    if (options.interruptAfter !== undefined) setTimeout(() => child.kill('SIGINT'), options.interruptAfter)
  })
}
