import { Image } from '../data/image.js'
import type { Regions } from '../regions/regions.js'

/** How dark what is not shown becomes. */
const hiddenShare = 0.16
/** Red that marks regions, and how much of a picture it covers at most. */
const mark = [214, 40, 40] as const
const greatestCover = 0.78
/** Weaker ones have no outline, which would be all that is seen. */
const leastOutlined = 0.15

const lumaAt = (data: Uint8Array, at: number): number =>
  data[at]! * 0.299 + data[at + 1]! * 0.587 + data[at + 2]! * 0.114

/** The picture where a region is shown, nearly black elsewhere. Picture and regions have one size. */
export function drawShown(picture: Image, regions: Regions, isShown: (region: number) => boolean): Image {
  const data = picture.data.slice()
  for (const [place, region] of regions.labels.entries()) {
    if (isShown(region)) continue
    const value = Math.round(lumaAt(picture.data, place * 3) * hiddenShare)
    data.fill(value, place * 3, place * 3 + 3)
  }
  return Image.fromPixels({ width: picture.width, height: picture.height, channels: 3, data })
}

/**
 * The picture in grey, with some regions in red: the redder, the stronger.
 *
 * @param strengths From 0 to 1, one for each region.
 */
export function drawMarked(picture: Image, regions: Regions, strengths: ArrayLike<number>): Image {
  const { width, height } = picture
  const data = new Uint8Array(picture.data.length)
  const { labels } = regions
  for (let y = 0, place = 0; y < height; ++y)
    for (let x = 0; x < width; ++x, ++place) {
      const own = labels[place]!
      const strength = strengths[own]!
      const isEdge =
        strength >= leastOutlined &&
        ((x + 1 < width && labels[place + 1] !== own) || (y + 1 < height && labels[place + width] !== own))
      const cover = isEdge ? 1 : greatestCover * strength ** 0.75
      const grey = 60 + lumaAt(picture.data, place * 3) * 0.72
      for (let channel = 0; channel < 3; ++channel)
        data[place * 3 + channel] = Math.round(grey * (1 - cover) + mark[channel]! * cover)
    }
  return Image.fromPixels({ width, height, channels: 3, data })
}
