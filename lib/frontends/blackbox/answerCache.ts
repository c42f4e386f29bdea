import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readFileBounded } from '../../data/files.js'
import { createTensor, type DType, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'

/** One example's outputs, by name. */
export type Outputs = Readonly<Record<string, Tensor>>

/**
 * Answers on disk, one file an example, that only its owner can read: inputs that were asked about once are not asked
 * about again, whatever batch they stand in. Files hold outputs alone, and no inputs or credentials.
 */
export class AnswerCache {
  readonly #folder: string
  readonly #context: string
  readonly #maximumBytes: number
  #made: Promise<unknown> | undefined

  /** @param context What answers depend on beside the input: address, model, version. */
  constructor(folder: string, context: string, maximumBytes: number) {
    this.#folder = folder
    this.#context = context
    this.#maximumBytes = maximumBytes
  }

  /** The name under which an example's answer is kept. */
  keyOf(example: Outputs): string {
    const hash = createHash('sha256').update(this.#context)
    for (const [name, { dtype, shape, data }] of Object.entries(example)) {
      hash.update(JSON.stringify([name, dtype, shape]))
      hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
    return hash.digest('hex')
  }

  /** The answer that is kept; undefined where there is none, or its file is damaged and must be asked for again. */
  async get(key: string): Promise<Outputs | undefined> {
    try {
      const bytes = await readFileBounded(this.#path(key), this.#maximumBytes)
      return decode(JSON.parse(Buffer.from(bytes).toString('utf8')))
    } catch {
      return undefined
    }
  }

  /** @throws AscribeError `FILE_WRITE` */
  async put(key: string, outputs: Outputs): Promise<void> {
    const path = this.#path(key)
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
    try {
      this.#made ??= mkdir(this.#folder, { recursive: true, mode: 0o700 })
      await this.#made
      const handle = await open(temporary, 'wx', 0o600)
      try {
        await handle.writeFile(JSON.stringify(encode(outputs)))
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
    } catch (cause) {
      await rm(temporary, { force: true })
      throw new AscribeError('FILE_WRITE', `cannot write ${path}: ${(cause as Error).message}`, { cause })
    }
  }

  #path(key: string): string {
    return join(this.#folder, `${key}.json`)
  }
}

const encode = (outputs: Outputs) =>
  Object.entries(outputs).map(([name, { dtype, shape, data }]) => ({
    name,
    dtype,
    shape,
    data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
  }))

const readers: Record<DType, (bytes: ArrayBuffer) => Tensor['data']> = {
  f64: bytes => new Float64Array(bytes),
  f32: bytes => new Float32Array(bytes),
  i64: bytes => new BigInt64Array(bytes),
  i32: bytes => new Int32Array(bytes),
  i8: bytes => new Int8Array(bytes),
  u8: bytes => new Uint8Array(bytes),
  bool: bytes => new Uint8Array(bytes),
}

function decode(kept: unknown): Outputs {
  return Object.fromEntries(
    (kept as { name: string; dtype: DType; shape: number[]; data: string }[]).map(
      ({ name, dtype, shape, data }) => {
        const bytes = Buffer.from(data, 'base64')
        const exact = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
        return [name, createTensor(dtype, shape, readers[dtype](exact))]
      },
    ),
  )
}
