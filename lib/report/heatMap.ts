import { Image } from '../data/image.js'
import { type ColorMap, divergingColors, sequentialColors } from './colorMap.js'
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
const nothing = [128, 128, 128] as const

/** Draws a map as a picture, one pixel a cell. Cells without a score are grey. */
export function drawHeatMap(map: ScoreMap, range: ScoreRange): Image {
  const colors = colorsFor(range)
  const data = new Uint8Array(map.width * map.height * 3)
  for (let index = 0; index < map.values.length; index++) {
    const score = map.values[index]!
    data.set(Number.isNaN(score) ? nothing : colors.at(colorPosition(score, range)), index * 3)
  }
  return Image.fromPixels({ width: map.width, height: map.height, channels: 3, data })
}

/**
 * Lays the colours of a map of the picture's size over the picture. The picture turns grey and pale, so that every
 * colour comes from a score; a score covers more of it the stronger it is, and zero covers nothing. Parts that the
 * model did not see are darkened.
 *
 * @param opacity How much of the picture the strongest score hides, from 0 to 1.
 */
export function drawOverlay(picture: Image, map: ScoreMap, range: ScoreRange, opacity: number): Image {
  const colors = colorsFor(range)
  const data = new Uint8Array(picture.data.length)
  for (let index = 0; index < map.values.length; index++) {
    const at = index * 3
    const luma = picture.data[at]! * 0.299 + picture.data[at + 1]! * 0.587 + picture.data[at + 2]! * 0.114
    const score = map.values[index]!
    if (Number.isNaN(score)) {
      data.fill(luma * 0.35, at, at + 3)
      continue
    }
    const strength = range.limit === 0 ? 0 : Math.min(Math.abs(score) / range.limit, 1)
    // The square root lets middling scores be seen too; the legend gives the colours, which stay exact.
    const cover = opacity * Math.sqrt(strength)
    const base = range.isSigned ? 60 + luma * 0.72 : luma * 0.8
    const color = colors.at(colorPosition(score, range))
    for (let channel = 0; channel < 3; channel++)
      data[at + channel] = Math.round(base * (1 - cover) + color[channel]! * cover)
  }
  return Image.fromPixels({ width: picture.width, height: picture.height, channels: 3, data })
}
