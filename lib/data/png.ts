import { promisify } from 'node:util'
import { crc32, deflate, inflate } from 'node:zlib'
import { AscribeError } from '../errors.js'
import { createYielder } from './eventLoop.js'

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
const colourTypes: Record<number, number> = { 1: 0, 3: 2, 4: 6 }
const channelsOfColourType: Record<number, 1 | 3 | 4> = { 0: 1, 2: 3, 6: 4 }

/** Pixels as 8-bit samples, row by row: grey (1 channel), RGB (3) or RGB with alpha (4). */
export interface Pixels {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3 | 4
  readonly data: Uint8Array
}

/**
 * Encodes pixels as a PNG file, off the main thread where it is costly. The same pixels always give the same
 * bytes (with the same zlib).
 */
export async function encodePng(pixels: Pixels): Promise<Uint8Array> {
  const { width, height, channels } = pixels
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, colourTypes[channels]!, 0, 0, 0], 8)
  const compressed = await promisify(deflate)(await filterRows(pixels), { level: 6 })
  const file = Buffer.concat([
    Buffer.from(signature),
    chunk('IHDR', header),
    chunk('IDAT', compressed),
    chunk('IEND', Buffer.alloc(0)),
  ])
  return new Uint8Array(file.buffer, file.byteOffset, file.byteLength)
}

function chunk(type: string, content: Buffer): Buffer {
  const result = Buffer.alloc(content.length + 12)
  result.writeUInt32BE(content.length, 0)
  result.write(type, 4, 'latin1')
  result.set(content, 8)
  result.writeUInt32BE(crc32(result.subarray(4, 8 + content.length)), 8 + content.length)
  return result
}

/** The prediction of a byte from its left, upper and upper left neighbours (PNG specification, filter type 4). */
function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner
  const toLeft = Math.abs(estimate - left)
  const toUp = Math.abs(estimate - up)
  const toCorner = Math.abs(estimate - corner)
  if (toLeft <= toUp && toLeft <= toCorner) return left
  return toUp <= toCorner ? up : corner
}

/** Rows with their filter byte: none or Paeth, whichever has the smaller sum of absolute differences. */
async function filterRows({ width, height, channels, data }: Pixels): Promise<Buffer> {
  const giveWay = createYielder()
  const stride = width * channels
  const result = Buffer.alloc(height * (stride + 1))
  const filtered = new Uint8Array(stride)
  for (let row = 0; row < height; row++) {
    const start = row * stride
    let plainCost = 0
    let paethCost = 0
    for (let index = 0; index < stride; index++) {
      const value = data[start + index]!
      const left = index < channels ? 0 : data[start + index - channels]!
      const up = row === 0 ? 0 : data[start + index - stride]!
      const corner = index < channels || row === 0 ? 0 : data[start + index - stride - channels]!
      const difference = (value - paeth(left, up, corner)) & 255
      filtered[index] = difference
      plainCost += value < 128 ? value : 256 - value
      paethCost += difference < 128 ? difference : 256 - difference
    }
    const output = row * (stride + 1)
    if (paethCost < plainCost) {
      result[output] = 4
      result.set(filtered, output + 1)
    } else result.set(data.subarray(start, start + stride), output + 1)
    await giveWay()
  }
  return result
}

/**
 * Decodes a PNG file of the kind {@link encodePng} writes: 8 bits a sample, not interlaced, grey, RGB or RGBA.
 * (Photographs are read by `readImage`, which knows every kind.)
 *
 * @param maximumPixels Larger pictures are refused before anything is allocated.
 * @throws AscribeError `FILE_CORRUPT`.
 */
export async function decodePng(bytes: Uint8Array, maximumPixels = 50_000_000): Promise<Pixels> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < 33 || signature.some((byte, index) => buffer[index] !== byte))
    throw corrupt('no PNG signature')
  let header: { width: number; height: number; channels: 1 | 3 | 4 } | undefined
  const parts: Buffer[] = []
  for (let position = 8; ; ) {
    if (position + 12 > buffer.length) throw corrupt('ends without IEND')
    const length = buffer.readUInt32BE(position)
    if (length > buffer.length - position - 12) throw corrupt('a chunk runs past the end')
    const type = buffer.toString('latin1', position + 4, position + 8)
    const content = buffer.subarray(position + 8, position + 8 + length)
    if (
      crc32(buffer.subarray(position + 4, position + 8 + length)) !==
      buffer.readUInt32BE(position + 8 + length)
    )
      throw corrupt(`checksum of chunk ${JSON.stringify(type)} does not match`)
    if (header === undefined) header = readHeader(type, content, maximumPixels)
    else if (type === 'IDAT') parts.push(content)
    if (type === 'IEND') break
    position += length + 12
  }
  const size = header.height * (header.width * header.channels + 1)
  const rows = await promisify(inflate)(Buffer.concat(parts), { maxOutputLength: size }).catch(cause => {
    throw new AscribeError('FILE_CORRUPT', `PNG: the pixels cannot be inflated: ${cause.message}`, { cause })
  })
  if (rows.length !== size) throw corrupt(`${rows.length} bytes of pixels, ${size} expected`)
  return { ...header, data: await unfilterRows(rows, header) }
}

function corrupt(message: string): AscribeError {
  return new AscribeError('FILE_CORRUPT', `PNG: ${message}`)
}

function readHeader(type: string, content: Buffer, maximumPixels: number) {
  if (type !== 'IHDR' || content.length !== 13) throw corrupt('does not start with IHDR')
  const width = content.readUInt32BE(0)
  const height = content.readUInt32BE(4)
  const channels = channelsOfColourType[content[9]!]
  if (content[8] !== 8 || channels === undefined || content[12] !== 0)
    throw corrupt('only 8 bits a sample, grey, RGB or RGBA, not interlaced')
  if (width === 0 || height === 0 || width * height > maximumPixels)
    throw corrupt(`${width} x ${height} pixels are not between 1 and ${maximumPixels}`)
  return { width, height, channels }
}

async function unfilterRows(
  rows: Buffer,
  header: { width: number; height: number; channels: number },
): Promise<Uint8Array> {
  const giveWay = createYielder()
  const stride = header.width * header.channels
  const { channels } = header
  const data = new Uint8Array(header.height * stride)
  for (let row = 0; row < header.height; row++) {
    const filter = rows[row * (stride + 1)]!
    if (filter > 4) throw corrupt(`row ${row} has the unknown filter ${filter}`)
    const start = row * stride
    for (let index = 0; index < stride; index++) {
      const left = index < channels ? 0 : data[start + index - channels]!
      const up = row === 0 ? 0 : data[start + index - stride]!
      const corner = index < channels || row === 0 ? 0 : data[start + index - stride - channels]!
      const predicted = [0, left, up, (left + up) >> 1, filter === 4 ? paeth(left, up, corner) : 0][filter]!
      data[start + index] = rows[row * (stride + 1) + 1 + index]! + predicted
    }
    await giveWay()
  }
  return data
}
