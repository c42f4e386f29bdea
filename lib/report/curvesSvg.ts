import { expectList, expectNumber, expectObject, rangeError } from '../validate.js'
import { pathChart } from './pathChart.js'

/** Told apart by eyes that see no red or no green, the dashed ones without colour too. */
const colors = ['#1f6fb4', '#d9631e', '#2f7d4f', '#8a4fa3', '#b08a00', '#5b636e'] as const

/**
 * Curves as an SVG drawing: scores of insertion, deletion and their like over the share that is shown or gone.
 *
 * @param curves By the name that the legend shows, one to six: points of a share, from 0 to 1, and a score. The second axis
 *   goes from 0 to 1, and on to scores that lie beyond.
 * @param description What is drawn, for readers who do not see it.
 * @throws AscribeError `OPTION_*` for anything else.
 * @example
 * const search = await new Lima(model).search(image, { target: 'cat' })
 * const svg = curvesSvg({ insertion: search.insertion, deletion: search.deletion })
 */
export function curvesSvg(
  curves: Readonly<Record<string, readonly (readonly [share: number, score: number])[]>>,
  description = 'Scores over the share that is shown or gone',
): string {
  const entries = Object.entries(expectObject('curves', curves) as typeof curves)
  if (entries.length < 1 || entries.length > colors.length)
    throw rangeError('curves', `1 to ${colors.length} curves`, entries.length)
  let [least, greatest] = [0, 1]
  for (const [name, points] of entries) {
    expectList(`curves.${name}`, points)
    for (const [at, [share, score]] of points.entries()) {
      expectNumber(`curves.${name}[${at}][0]`, share, 0, 1)
      if (!Number.isFinite(score)) throw rangeError(`curves.${name}[${at}][1]`, 'a finite number', score)
      least = Math.min(least, score)
      greatest = Math.max(greatest, score)
    }
  }
  const lines = entries.map(([label, points], at) => ({
    label,
    color: colors[at]!,
    isDashed: at % 2 === 1,
    points,
  }))
  return pathChart(lines, undefined, description, [least, greatest])
}
