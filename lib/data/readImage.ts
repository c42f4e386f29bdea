import { AscribeError } from '../errors.js'
import { expectInteger, expectKnownKeys, expectOneOf, typeError } from '../validate.js'
import { readFileBounded } from './files.js'
import { Image } from './image.js'
import { loadOptionalPackage } from './optionalPackage.js'

/** Options of {@link readImage}. */
export interface ReadImageOptions {
  /** Pictures with more pixels are refused before they are decoded. Default 50 million. */
  maximumPixels?: number
  /** Files with more bytes are refused before they are read. Default 256 MiB. */
  maximumBytes?: number
  /** What shows through transparent pixels; `drop` keeps the hidden colours as they are. Default `white`. */
  alpha?: 'white' | 'black' | 'drop'
}

/** The raster formats that are read, each with what its first bytes look like. */
const formats: Record<string, (head: Buffer) => boolean> = {
  png: head => head.subarray(0, 8).equals(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')),
  jpeg: head => head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff,
  webp: head => text(head, 0, 4) === 'RIFF' && text(head, 8, 12) === 'WEBP',
  gif: head => ['GIF87a', 'GIF89a'].includes(text(head, 0, 6)),
  tiff: head => ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(text(head, 0, 4)),
  avif: head => text(head, 4, 8) === 'ftyp' && ['avif', 'avis', 'mif1', 'msf1'].includes(text(head, 8, 12)),
}

function text(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start, end)
}

/**
 * Reads a picture: PNG, JPEG, WebP, GIF (its first frame), TIFF (its first page) or AVIF. Anything else, SVG and
 * PDF too, is refused by its first bytes, whatever its name says.
 *
 * The EXIF orientation is applied, transparency is composited over white, grey and CMYK become RGB, 16 bits become
 * 8. Embedded colour profiles are ignored, as the libraries ignore them with which vision models were trained.
 * Needs the optional package `sharp`, which decodes off the main thread.
 *
 * @param source A path, or the bytes of the file.
 * @throws AscribeError `FILE_NOT_FOUND`; `FILE_CORRUPT` (no such format, damaged, or too many pixels);
 *   `PACKAGE_MISSING` where sharp is not installed; `OPTION_*`.
 * @example const image = await readImage('dog.jpg')
 */
export async function readImage(source: string | Uint8Array, options: ReadImageOptions = {}): Promise<Image> {
  expectKnownKeys('readImage options', options, ['maximumPixels', 'maximumBytes', 'alpha'])
  const maximumPixels = expectInteger('maximumPixels', options.maximumPixels ?? 50_000_000, 1)
  const maximumBytes = expectInteger('maximumBytes', options.maximumBytes ?? 2 ** 28, 1)
  const alpha = expectOneOf('alpha', options.alpha ?? 'white', ['white', 'black', 'drop'])
  if (typeof source !== 'string' && !(source instanceof Uint8Array))
    throw typeError('source', 'a path or the bytes of a picture file', source)

  const name = typeof source === 'string' ? source : 'the picture'
  const bytes = typeof source === 'string' ? await readFileBounded(source, maximumBytes) : source
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 16))
  if (!Object.values(formats).some(matches => matches(head)))
    throw new AscribeError('FILE_CORRUPT', `${name} is not a picture of a known raster format`, {
      hint: `Known formats: ${Object.keys(formats).join(', ')}.`,
    })

  const sharp = await loadSharp()
  try {
    const input = sharp(bytes, {
      limitInputPixels: maximumPixels,
      pages: 1,
      failOn: 'error',
      ignoreIcc: true,
    })
    const upright = input.autoOrient().toColourspace('srgb')
    const opaque = alpha === 'drop' ? upright.removeAlpha() : upright.flatten({ background: alpha })
    const { data, info } = await opaque.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
    const { width, height, channels } = info
    if (channels !== 1 && channels !== 3) throw new Error(`decoding gave ${channels} channels`)
    return Image.fromPixels({
      width,
      height,
      channels,
      data: new Uint8Array(data.buffer, data.byteOffset, data.length),
    })
  } catch (cause) {
    throw new AscribeError('FILE_CORRUPT', `${name} cannot be decoded: ${(cause as Error).message}`, {
      cause,
      hint: `The file may be damaged, or larger than ${maximumPixels} pixels (option maximumPixels).`,
    })
  }
}

async function loadSharp(): Promise<typeof import('sharp').default> {
  const module = await loadOptionalPackage<{ default: typeof import('sharp').default }>(
    'sharp',
    'to decode pictures',
  )
  return module.default
}
