import { createYielder } from '../data/eventLoop.js'
import { Image } from '../data/image.js'
import { type ColorMap, colorCount, divergingColors, sequentialColors } from './colorMap.js'
import type { ScoreMap } from './scoreMap.js'
import type { ScoreRange } from './scoreRange.js'

/** The colours that go with a range: diverging where scores have a sign, sequential where they have none. */
export function colorsFor(range: ScoreRange): ColorMap {
  return range.isSigned ? divergingColors : sequentialColors
}

/** Where a score lies on the colours of its range, from 0 to 1. A range without extent is all zeros. */
export function colorPosition(score: number, range: ScoreRange): number {
  const share = range.limit === 0 ? 0 : Math.min(Math.max(score / range.limit, -1), 1)
  return range.isSigned ? (share + 1) / 2 : share
}

/** What shows where a map has no score. */
const nothing = 128

/** Draws a map as a picture, one pixel a cell. Cells without a score are grey. */
export async function drawHeatMap(map: ScoreMap, range: ScoreRange): Promise<Image> {
  const { table } = colorsFor(range)
  const data = new Uint8Array(map.width * map.height * 3)
  const giveWay = createYielder()
  for (let row = 0, index = 0; row < map.height; row++) {
    for (let column = 0; column < map.width; column++, index++) {
      const score = map.values[index]!
      const color = tableIndex(score, range)
      for (let channel = 0; channel < 3; channel++)
        data[index * 3 + channel] = Number.isNaN(score) ? nothing : table[color + channel]!
    }
    await giveWay()
  }
  return Image.fromPixels({ width: map.width, height: map.height, channels: 3, data })
}

/** Where the colour of a score begins in the table of its map. */
function tableIndex(score: number, range: ScoreRange): number {
  return Math.round(colorPosition(score, range) * (colorCount - 1)) * 3
}

/**
 * Lays the colours of a map of the picture's size over the picture. The picture turns grey and pale, so that every
 * colour comes from a score; a score covers more of it the stronger it is, and zero covers nothing. Parts that the
 * model did not see are darkened.
 *
 * @param opacity How much of the picture the strongest score hides, from 0 to 1.
 */
export async function drawOverlay(
  picture: Image,
  map: ScoreMap,
  range: ScoreRange,
  opacity: number,
): Promise<Image> {
  const { table } = colorsFor(range)
  const data = new Uint8Array(picture.data.length)
  const giveWay = createYielder()
  for (let row = 0, index = 0; row < map.height; row++) {
    for (let column = 0; column < map.width; column++, index++) {
      const at = index * 3
      const luma = picture.data[at]! * 0.299 + picture.data[at + 1]! * 0.587 + picture.data[at + 2]! * 0.114
      const score = map.values[index]!
      if (Number.isNaN(score)) {
        for (let channel = 0; channel < 3; channel++) data[at + channel] = luma * 0.35
        continue
      }
      const strength = range.limit === 0 ? 0 : Math.min(Math.abs(score) / range.limit, 1)
      // The square root lets middling scores be seen too; the legend gives the colours, which stay exact.
      const cover = opacity * Math.sqrt(strength)
      const base = range.isSigned ? 60 + luma * 0.72 : luma * 0.8
      const color = tableIndex(score, range)
      for (let channel = 0; channel < 3; channel++)
        data[at + channel] = Math.round(base * (1 - cover) + table[color + channel]! * cover)
    }
    await giveWay()
  }
  return Image.fromPixels({ width: picture.width, height: picture.height, channels: 3, data })
}
