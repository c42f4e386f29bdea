import { Image } from '../data/image.js'
import type { Explained } from '../methods/inputs/gradientMethod.js'
import { expectInteger, expectNumber, typeError } from '../validate.js'

/**
 * Maps that know nothing of any model. What an attribution says is worth something only where it is better than they
 * are: a localisation figure is reported beside theirs.
 */

/** The same score everywhere: its relevance mass is the mask's share of the picture. */
export function uniformMap(width: number, height: number): Float64Array {
  return new Float64Array(expectInteger('width', width, 1) * expectInteger('height', height, 1)).fill(1)
}

/**
 * A Gaussian around the middle: photographers centre what they photograph.
 *
 * @param deviation Standard deviation as a share of each side, default 0.25.
 */
export function centreGaussianMap(width: number, height: number, deviation = 0.25): Float64Array {
  expectNumber('deviation', deviation, Number.MIN_VALUE)
  const map = uniformMap(width, height)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [dx, dy] = [(x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5]
      map[y * width + x] = Math.exp(-(dx ** 2 + dy ** 2) / (2 * deviation ** 2))
    }
  return map
}

/**
 * The length of the brightness gradient by Sobel's kernels, rim repeated: an edge detector.
 *
 * @throws AscribeError OPTION_TYPE for an input that is no picture.
 */
export function sobelMap(image: Explained): Float64Array {
  if (!(image instanceof Image)) throw typeError('image', 'a picture', image)
  const { width, height, data } = image
  return sobelOf(
    width,
    height,
    at => 0.299 * data[at * 3]! + 0.587 * data[at * 3 + 1]! + 0.114 * data[at * 3 + 2]!,
  )
}

/** The same of any brightness, given pixel by pixel, row by row. */
export function sobelOf(width: number, height: number, brightness: (pixel: number) => number): Float64Array {
  const luma = (x: number, y: number): number =>
    brightness(Math.min(Math.max(y, 0), height - 1) * width + Math.min(Math.max(x, 0), width - 1))
  const map = new Float64Array(width * height)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const side = (dx: number) => luma(x + dx, y - 1) + 2 * luma(x + dx, y) + luma(x + dx, y + 1)
      const line = (dy: number) => luma(x - 1, y + dy) + 2 * luma(x, y + dy) + luma(x + 1, y + dy)
      map[y * width + x] = Math.hypot(side(1) - side(-1), line(1) - line(-1))
    }
  return map
}
