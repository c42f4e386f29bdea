import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import {
  type GgufHeader,
  GgufNeedsMore,
  maximumGgufHeaderBytes,
  parseGgufHeader,
} from '../../../data/ggufHeader.js'
import { AscribeError } from '../../../errors.js'

const firstBytes = 1 << 20

/**
 * Reads the header of a GGUF file: of a large file only as much as the header takes.
 *
 * @throws AscribeError FILE_NOT_FOUND, FILE_CORRUPT
 */
export async function readGguf(path: string): Promise<GgufHeader> {
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(cause => {
    throw new AscribeError('FILE_NOT_FOUND', `cannot open ${path}: ${(cause as Error).message}`, { cause })
  })
  try {
    const information = await handle.stat()
    if (!information.isFile()) throw new AscribeError('FILE_CORRUPT', `${path} is not a regular file`)
    const { size } = information
    for (let length = firstBytes; ; length *= 4) {
      const bytes = new Uint8Array(Math.min(size, length, maximumGgufHeaderBytes))
      for (let filled = 0; filled < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, filled)
        if (bytesRead === 0) throw new AscribeError('FILE_CORRUPT', `${path} ended while it was read`)
        filled += bytesRead
      }
      try {
        return parseGgufHeader(bytes, path, size)
      } catch (error) {
        if (!(error instanceof GgufNeedsMore)) throw error
      }
    }
  } finally {
    await handle.close()
  }
}
