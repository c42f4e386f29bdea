import { AscribeError } from '../errors.js'
import { describeValue, expectInteger, typeError } from '../validate.js'
import { writeFileAtomically } from './files.js'
import { encodePng, type Pixels } from './png.js'

/**
 * A picture: 8-bit red, green and blue, row by row from the top left, `data.length = width * height * 3`.
 * Made by `readImage` from a file, or by {@link Image.fromPixels} from pixels at hand.
 */
export class Image implements Pixels {
  readonly width: number
  readonly height: number
  readonly channels = 3
  readonly data: Uint8Array

  private constructor(width: number, height: number, data: Uint8Array) {
    this.width = width
    this.height = height
    this.data = data
  }

  /**
   * Wraps pixels at hand: grey (1 channel), RGB (3, held without a copy) or RGB with alpha (4, composited over
   * white).
   *
   * @throws AscribeError `INPUT_SHAPE` where the length is not width x height x channels; `OPTION_TYPE`,
   *   `OPTION_RANGE` for sizes that are not positive integers or another number of channels.
   */
  static fromPixels(pixels: Pixels): Image {
    if (typeof pixels !== 'object' || pixels === null) throw typeError('pixels', 'an object', pixels)
    const width = expectInteger('pixels.width', pixels.width, 1)
    const height = expectInteger('pixels.height', pixels.height, 1)
    const { channels, data } = pixels
    if (channels !== 1 && channels !== 3 && channels !== 4)
      throw new AscribeError(
        'OPTION_RANGE',
        `pixels.channels must be 1, 3 or 4, not ${describeValue(channels)}`,
      )
    if (!(data instanceof Uint8Array)) throw typeError('pixels.data', 'a Uint8Array', data)
    if (data.length !== width * height * channels)
      throw new AscribeError(
        'INPUT_SHAPE',
        `${width} x ${height} pixels of ${channels} channels need ${width * height * channels} bytes, received ${data.length}`,
      )
    return new Image(width, height, channels === 3 ? data : toRgb(data, channels))
  }

  /** The picture as a PNG file in memory. */
  async toPng(): Promise<Uint8Array> {
    return encodePng(this)
  }

  /** Writes the picture as a PNG file. */
  async writePng(path: string): Promise<void> {
    await writeFileAtomically(path, await this.toPng())
  }
}

function toRgb(data: Uint8Array, channels: 1 | 4): Uint8Array {
  const count = data.length / channels
  const result = new Uint8Array(count * 3)
  for (let pixel = 0; pixel < count; pixel++) {
    const alpha = channels === 4 ? data[pixel * 4 + 3]! / 255 : 1
    for (let channel = 0; channel < 3; channel++) {
      const value = data[pixel * channels + (channels === 4 ? channel : 0)]!
      result[pixel * 3 + channel] = Math.round(value * alpha + 255 * (1 - alpha))
    }
  }
  return result
}
