import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { AscribeError } from '../errors.js'
import { expectString } from '../validate.js'

/**
 * Reads a whole regular file, whose size is checked before anything is allocated.
 *
 * @param maximumBytes Larger files are refused.
 * @throws AscribeError `FILE_NOT_FOUND` where the file cannot be opened or read; `FILE_CORRUPT` where it is not a
 *   regular file, too large, or shorter than its size says.
 */
export async function readFileBounded(path: string, maximumBytes: number): Promise<Uint8Array> {
  expectString('path', path)
  let handle: Awaited<ReturnType<typeof open>>
  try {
    // Without O_NONBLOCK, opening a named pipe would hold a thread until somebody writes to it.
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (cause) {
    throw new AscribeError('FILE_NOT_FOUND', `cannot open ${path}: ${(cause as Error).message}`, { cause })
  }
  try {
    const information = await handle.stat()
    if (!information.isFile()) throw new AscribeError('FILE_CORRUPT', `${path} is not a regular file`)
    const { size } = information
    if (size > maximumBytes)
      throw new AscribeError(
        'FILE_CORRUPT',
        `${path} has ${size} bytes, more than the ${maximumBytes} accepted`,
      )
    const bytes = new Uint8Array(size)
    for (let filled = 0; filled < size; ) {
      const { bytesRead } = await handle.read(bytes, filled, size - filled, filled)
      if (bytesRead === 0) throw new AscribeError('FILE_CORRUPT', `${path} ended while it was read`)
      filled += bytesRead
    }
    return bytes
  } catch (cause) {
    if (cause instanceof AscribeError) throw cause
    throw new AscribeError('FILE_NOT_FOUND', `cannot read ${path}: ${(cause as Error).message}`, { cause })
  } finally {
    await handle.close()
  }
}

/**
 * Writes a file through a temporary neighbour and a rename, so that nobody ever sees half of it. Devices and
 * pipes are written to directly: a rename would replace them.
 *
 * @throws AscribeError `FILE_WRITE`.
 */
export async function writeFileAtomically(path: string, content: Uint8Array | string): Promise<void> {
  expectString('path', path)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const existing = await stat(path).catch(() => undefined)
    if (existing !== undefined && !existing.isFile()) return await writeFile(path, content)
    await writeFile(temporary, content)
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw new AscribeError('FILE_WRITE', `cannot write ${path}: ${(cause as Error).message}`, { cause })
  }
}
