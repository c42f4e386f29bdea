import { fitGamut, type Oklch, oklabDistance, oklchToRgb } from './oklab.js'

/** How many colours a map has: odd, so that a diverging map has one exact middle. */
export const colorCount = 257

/** A table of colours from the least to the greatest value. */
export interface ColorMap {
  readonly name: string
  /** `colorCount` colours as red, green, blue bytes. */
  readonly table: Uint8Array
  /** The colour at a position from 0 (first) to 1 (last); positions outside are clamped. */
  at(position: number): [red: number, green: number, blue: number]
}

/**
 * Builds a map whose neighbours all differ by the same perceived amount: the path is cut into pieces of equal length
 * in OKLab, after the parts that sRGB cannot show have lost chroma.
 */
function uniformPath(path: (position: number) => Oklch, count: number): Oklch[] {
  const fine = 4000
  const points = Array.from({ length: fine + 1 }, (_, index) => fitGamut(path(index / fine)))
  const lengths = new Float64Array(fine + 1)
  for (let index = 1; index <= fine; index++)
    lengths[index] = lengths[index - 1]! + oklabDistance(points[index - 1]!, points[index]!)
  const result: Oklch[] = []
  for (let step = 0, index = 0; step < count; step++) {
    const wanted = (lengths[fine]! * step) / (count - 1)
    while (index < fine && lengths[index]! < wanted) index++
    result.push(points[index]!)
  }
  return result
}

/** The table is made when it is first asked for: it takes a tenth of a second, which no import should. */
function colorMap(name: string, colours: () => Oklch[]): ColorMap {
  let made: Uint8Array | undefined
  return {
    name,
    get table() {
      made ??= Uint8Array.from(colours().flatMap(oklchToRgb))
      return made
    },
    at(position) {
      const { table } = this
      const index = Math.round(Math.min(Math.max(position, 0), 1) * (colorCount - 1)) * 3
      return [table[index]!, table[index + 1]!, table[index + 2]!]
    },
  }
}

/** From nearly white to a deep saturated colour. */
function arm(hue: number, position: number): Oklch {
  return {
    lightness: 0.965 - 0.565 * position,
    chroma: 0.2 * Math.sin((Math.PI / 2) * Math.min(1, position * 1.15)),
    hue,
  }
}

const half = (colorCount + 1) / 2

/**
 * For values with a sign: blue is negative, white is zero, red is positive. Equal amounts of either sign are equally
 * dark, and the two hues stay apart for people with red-green colour blindness.
 */
export const divergingColors: ColorMap = colorMap('blue-white-red', () => [
  ...uniformPath(position => arm(258, position), half)
    .reverse()
    .slice(0, -1),
  ...uniformPath(position => arm(28, position), half),
])

/** For values without a sign: from nearly black over purple and orange to light yellow, lightness rising evenly. */
export const sequentialColors: ColorMap = colorMap('black-purple-yellow', () =>
  uniformPath(
    position => ({
      lightness: 0.13 + 0.84 * position,
      chroma: 0.03 + 0.17 * Math.sin(Math.PI * position ** 0.8),
      hue: 295 + 170 * position,
    }),
    colorCount,
  ),
)
