import { CommanderError } from 'commander'
import { AscribeError } from '../errors.js'
import { escapeTerminal } from '../report/escape.js'
import { exitCodeOf, exitCodes } from './exitCodes.js'

/** Flags that every command has. */
export interface CommonFlags {
  json?: boolean
  debug?: boolean
}

/** One command's run: where its result goes, and Ctrl-C. */
export interface Session {
  readonly signal: AbortSignal
  readonly isJson: boolean
  /** One line for a person, on standard error; nothing with --json. */
  note(line: string): void
  /** The result: `document` with --json, else `text`. */
  result(document: unknown, text: string): void
}

/** Numbers that JSON has no word for stay readable; big integers become numbers or, beyond 2^53, text. */
function jsonValue(_: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  return value
}

function report(error: unknown, flags: CommonFlags): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  const isTyped = error instanceof AscribeError
  const { message, stack } = error as Error
  const code = isTyped ? error.code : 'INTERNAL'
  const hint = isTyped
    ? error.hint
    : 'This is a defect of ascribe: please report it with the stack that --debug shows.'
  if (flags.json)
    process.stdout.write(`${JSON.stringify({ error: { code, message, ...(hint ? { hint } : {}) } })}\n`)
  else {
    const text = message.split('\n').map(escapeTerminal).join('\n')
    process.stderr.write(`ascribe: ${text} [${code}]\n${hint ? `  ${escapeTerminal(hint)}\n` : ''}`)
  }
  if (flags.debug) process.stderr.write(`${stack}\n`)
  return exitCodeOf(code)
}

/** Runs a command to its end and sets the exit code; the first Ctrl-C aborts it, a second one kills it. */
export async function runCommand(
  flags: CommonFlags,
  work: (session: Session) => Promise<number>,
): Promise<void> {
  const controller = new AbortController()
  const interrupt = () => controller.abort(new Error('interrupted'))
  process.removeAllListeners('SIGINT')
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  try {
    process.exitCode = await work({
      signal: controller.signal,
      isJson: flags.json === true,
      note: line => {
        if (!flags.json) process.stderr.write(`${line}\n`)
      },
      result: (document, text) => {
        process.stdout.write(flags.json ? `${JSON.stringify(document, jsonValue)}\n` : `${text}\n`)
      },
    })
  } catch (error) {
    process.exitCode = report(error, flags)
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}
