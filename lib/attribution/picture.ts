import { Image } from '../data/image.js'
import { decodePng, encodePng } from '../data/png.js'
import { resample } from '../data/resample.js'

/** The longer side of the copy that is kept; enough for a page, small enough for a file. */
const longestSide = 1024

/**
 * The picture behind some scores: a copy of at most 1024 pixels on its longer side, made (and compressed) when it is
 * first needed, so that a server that only wants numbers does not pay for it.
 */
export class Picture {
  #source: Image | undefined
  #pixels: Promise<Image> | undefined
  #png: Promise<Uint8Array> | undefined

  private constructor() {}

  /** The picture as it was read; the copy is made later. */
  static fromImage(image: Image): Picture {
    const picture = new Picture()
    picture.#source = image
    return picture
  }

  /** The bytes of a saved copy, which stay as they are. */
  static fromPng(png: Uint8Array): Picture {
    const picture = new Picture()
    picture.#png = Promise.resolve(png)
    return picture
  }

  /** The pixels of the copy. @throws AscribeError `FILE_CORRUPT` where saved bytes are damaged. */
  pixels(): Promise<Image> {
    this.#pixels ??= this.#source === undefined ? decode(this.#png!) : shrink(this.#source)
    return this.#pixels
  }

  /** The copy as a PNG file. */
  png(): Promise<Uint8Array> {
    this.#png ??= this.pixels().then(encodePng)
    return this.#png
  }
}

async function shrink(image: Image): Promise<Image> {
  const scale = longestSide / Math.max(image.width, image.height)
  if (scale >= 1) return image
  const side = (length: number): number => Math.max(1, Math.round(length * scale))
  return resample(image, side(image.width), side(image.height), 'bicubic')
}

async function decode(png: Promise<Uint8Array>): Promise<Image> {
  return Image.fromPixels(await decodePng(await png, longestSide * longestSide))
}
