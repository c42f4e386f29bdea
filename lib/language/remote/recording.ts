import { createHash } from 'node:crypto'
import { chmod, open } from 'node:fs/promises'
import { readFileBounded } from '../../data/files.js'
import { AscribeError } from '../../errors.js'

/**
 * What is done with a recording: `auto` (default) answers from it what it holds, and asks and adds the rest; `record` asks
 * for everything; `replay` asks for nothing.
 */
export type RecordingMode = 'auto' | 'record' | 'replay'
export const recordingModes = ['auto', 'record', 'replay'] as const

const maximumBytes = 256 << 20

interface Line {
  key: string
  occurrence: number
  request: unknown
  answer: unknown
}

function parseLine(text: string, at: number, file: string): Line {
  const broken = (cause?: unknown) =>
    new AscribeError('FILE_CORRUPT', `${file}: line ${at + 1} is no recorded answer`, { cause })
  let line: unknown
  try {
    line = JSON.parse(text)
  } catch (cause) {
    throw broken(cause)
  }
  const { key, occurrence, answer } = (line ?? {}) as Partial<Line>
  if (typeof key !== 'string' || !Number.isSafeInteger(occurrence) || answer === undefined) throw broken()
  return line as Line
}

/**
 * Answers of an endpoint in a file of JSON lines that its owner alone can read. A request is found by its address and
 * body, and, where the same is asked several times, by which time it is; headers are in no file.
 */
export class Recording {
  readonly #file: string
  readonly #mode: RecordingMode
  readonly #asked = new Map<string, number>()
  #known: Promise<Map<string, unknown>> | undefined
  #writing: Promise<unknown> = Promise.resolve()

  constructor(file: string, mode: RecordingMode) {
    this.#file = file
    this.#mode = mode
  }

  /**
   * The answer that is kept, or what `ask` gives, which is then kept.
   *
   * @throws AscribeError REPLAY_MISSING; FILE_CORRUPT, FILE_WRITE
   */
  async answer(
    address: string,
    request: unknown,
    ask: () => Promise<unknown>,
  ): Promise<{ answer: unknown; isReplayed: boolean }> {
    const key = createHash('sha256')
      .update(JSON.stringify([address, request]))
      .digest('hex')
    const occurrence = this.#asked.get(key) ?? 0
    this.#asked.set(key, occurrence + 1)
    this.#known ??= this.#mode === 'record' ? Promise.resolve(new Map()) : this.#read()
    const kept = (await this.#known).get(`${key} ${occurrence}`)
    if (kept !== undefined) return { answer: kept, isReplayed: true }
    if (this.#mode === 'replay')
      throw new AscribeError('REPLAY_MISSING', `${this.#file} holds no answer to a request to ${address}`, {
        hint: 'The request differs from those that were recorded, or was asked more often. Mode `auto` asks for what is missing.',
      })
    const answer = await ask().catch((error: unknown) => {
      // Nothing is kept of it: who asks again asks for the same time, which replays then find.
      if (this.#asked.get(key) === occurrence + 1) this.#asked.set(key, occurrence)
      throw error
    })
    await this.#append({ key, occurrence, request, answer })
    return { answer, isReplayed: false }
  }

  async #read(): Promise<Map<string, unknown>> {
    const bytes = await readFileBounded(this.#file, maximumBytes).catch((error: unknown) => {
      const isNew = this.#mode === 'auto' && error instanceof AscribeError && error.code === 'FILE_NOT_FOUND'
      if (isNew) return new Uint8Array(0)
      throw error
    })
    const lines = new TextDecoder().decode(bytes).split('\n')
    // A line that was being written when the process ended is asked for again.
    if (lines.at(-1) !== '') lines.pop()
    return new Map(
      lines
        .filter(line => line !== '')
        .map((text, at) => {
          const { key, occurrence, answer } = parseLine(text, at, this.#file)
          return [`${key} ${occurrence}`, answer]
        }),
    )
  }

  /** One line after the other. */
  async #append(line: Line): Promise<void> {
    const work = this.#writing.then(async () => {
      try {
        const handle = await open(this.#file, 'a+', 0o600)
        try {
          const { size } = await handle.stat()
          const last = Buffer.alloc(1)
          if (size > 0) await handle.read(last, 0, 1, size - 1)
          const isWhole = size === 0 || last.toString() === '\n'
          if (!isWhole) await this.#dropTail(size)
          await handle.writeFile(`${JSON.stringify(line)}\n`)
        } finally {
          await handle.close()
        }
        await chmod(this.#file, 0o600)
      } catch (cause) {
        throw new AscribeError('FILE_WRITE', `cannot write ${this.#file}: ${(cause as Error).message}`, {
          cause,
        })
      }
    })
    this.#writing = work.catch(() => undefined)
    return work
  }

  /** Takes a line that was left half written off the end. */
  async #dropTail(size: number): Promise<void> {
    const bytes = await readFileBounded(this.#file, Math.max(size, maximumBytes))
    const handle = await open(this.#file, 'r+')
    try {
      await handle.truncate(bytes.lastIndexOf(10) + 1)
    } finally {
      await handle.close()
    }
  }
}
