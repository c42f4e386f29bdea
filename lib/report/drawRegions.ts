import { Image } from '../data/image.js'
import { AscribeError } from '../errors.js'
import type { Regions } from '../regions/regions.js'

/**
 * The edges of regions over a picture, to see what a search will choose from: a pixel is coloured where the one to its
 * right or below belongs to another region.
 *
 * @param picture Of any size; regions are enlarged or shrunk to it.
 * @param color Red, green and blue, 0 to 255. Default yellow.
 * @throws AscribeError `INPUT_SHAPE` for regions of anything but a picture.
 */
export function drawRegions(
  picture: Image,
  regions: Regions,
  color: readonly [number, number, number] = [255, 230, 0],
): Image {
  const [rows, columns] = regions.shape
  if (rows === undefined || columns === undefined || regions.shape.length !== 2)
    throw new AscribeError(
      'INPUT_SHAPE',
      `The regions cover [${regions.shape.join(', ')}], expected [height, width]`,
    )
  const { width, height } = picture
  const data = picture.data.slice()
  const regionAt = (x: number, y: number) =>
    regions.labels[Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width)]
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const own = regionAt(x, y)
      const isEdge =
        (x + 1 < width && regionAt(x + 1, y) !== own) || (y + 1 < height && regionAt(x, y + 1) !== own)
      if (isEdge) data.set(color, (y * width + x) * 3)
    }
  return Image.fromPixels({ width, height, channels: 3, data })
}
