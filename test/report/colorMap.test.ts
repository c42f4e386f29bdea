import test from 'ava'
import { divergingColors, sequentialColors } from '#lib/report/colorMap.js'
import { oklchToRgb } from '#lib/report/oklab.js'

/** OKLab of an sRGB colour, written from the published forward matrices (the library has the inverse ones). */
function oklab(rgb: readonly number[]): [number, number, number] {
  const [r, g, b] = rgb.map(value => {
    const unit = value / 255
    return unit <= 0.04045 ? unit / 12.92 : ((unit + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ]
}

const distance = (first: readonly number[], second: readonly number[]): number => {
  const [a, b] = [oklab(first), oklab(second)]
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])
}

test('OKLCH colours are the sRGB colours they are published as', t => {
  t.deepEqual(oklchToRgb({ lightness: 1, chroma: 0, hue: 0 }), [255, 255, 255])
  t.deepEqual(oklchToRgb({ lightness: 0.6279554, chroma: 0.2576833, hue: 29.23388 }), [255, 0, 0])
  t.deepEqual(oklchToRgb({ lightness: 0.452014, chroma: 0.3132144, hue: 264.052 }), [0, 0, 255])
})

for (const colors of [divergingColors, sequentialColors]) {
  test(`${colors.name}: equal steps look equally far apart`, t => {
    const steps = Array.from({ length: 16 }, (_, index) =>
      distance(colors.at(index / 16), colors.at((index + 1) / 16)),
    )
    const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length
    // Chords of a curved path and 8-bit rounding leave a few per cent.
    for (const step of steps) t.true(Math.abs(step / mean - 1) < 0.12, `${step} against ${mean}`)
    t.is(colors.table.length, 257 * 3)
  })
}

test('lightness rises throughout the sequential map', t => {
  let last = -1
  for (let index = 0; index <= 64; index++) {
    const [lightness] = oklab(sequentialColors.at(index / 64))
    t.true(lightness > last)
    last = lightness
  }
})

test('the diverging map has a neutral middle, and both signs darken alike', t => {
  const [middle, a, b] = oklab(divergingColors.at(0.5))
  t.true(Math.hypot(a, b) < 0.005 && middle > 0.95)
  for (let index = 1; index <= 32; index++) {
    const negative = oklab(divergingColors.at(0.5 - index / 64))
    const positive = oklab(divergingColors.at(0.5 + index / 64))
    t.true(Math.abs(negative[0] - positive[0]) < 0.03, `${index}: ${negative[0]} ${positive[0]}`)
    t.true(negative[2] < b && positive[1] > a, 'blue on one side, red on the other')
  }
})
