import { escapeMarkup } from './escape.js'

/** One line of a chart: points from 0 to 1 along the first axis, and in the chart's range along the second. */
export interface ChartLine {
  readonly label: string
  /** A colour, and whether the line is dashed, so that lines differ without colour too. */
  readonly color: string
  readonly isDashed?: boolean
  readonly points: readonly (readonly [number, number])[]
}

const width = 480
const height = 200
const left = 40
const right = 26
const top = 12
const bottom = 42

const xOf = (share: number): string => (left + share * (width - left - right)).toFixed(1)

/**
 * Probabilities, or scores of another range, over the share of the area that is shown, as SVG markup.
 *
 * @param peak A point that is marked.
 * @param range Of the second axis.
 */
export function pathChart(
  lines: readonly ChartLine[],
  peak: { area: number; probability: number } | undefined,
  description: string,
  [least, greatest]: readonly [number, number] = [0, 1],
): string {
  const yOf = (value: number): string =>
    (top + ((greatest - value) / (greatest - least)) * (height - top - bottom)).toFixed(1)
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap(at => [
    `<line x1="${xOf(0)}" x2="${xOf(1)}" y1="${yOf(least + at * (greatest - least))}" y2="${yOf(least + at * (greatest - least))}" stroke="currentColor" stroke-opacity=".15"/>`,
    `<text x="${left - 6}" y="${Number(yOf(least + at * (greatest - least))) + 4}" text-anchor="end">${Number((least + at * (greatest - least)).toPrecision(3))}</text>`,
    `<text x="${xOf(at)}" y="${height - bottom + 16}" text-anchor="middle">${at * 100} %</text>`,
  ])
  const drawn = lines.map(({ points, color, isDashed }) => {
    const path = points.map(([x, y]) => `${xOf(x)},${yOf(y)}`).join(' ')
    return `<polyline points="${path}" fill="none" stroke="${escapeMarkup(color)}" stroke-width="2"${isDashed ? ' stroke-dasharray="5 4"' : ''}/>`
  })
  const legend = lines.map(({ label, color, isDashed }, at) => {
    const x = left + at * ((width - left - right) / lines.length)
    const text = [...label].length > 30 ? `${[...label].slice(0, 29).join('')}\u2026` : label
    return (
      `<line x1="${x}" x2="${x + 22}" y1="${height - 9}" y2="${height - 9}" stroke="${escapeMarkup(color)}" stroke-width="2"${isDashed ? ' stroke-dasharray="5 4"' : ''}/>` +
      `<text x="${x + 28}" y="${height - 5}">${escapeMarkup(text)}</text>`
    )
  })
  const marked =
    peak === undefined
      ? ''
      : `<circle cx="${xOf(peak.area)}" cy="${yOf(peak.probability)}" r="4.5" fill="none" stroke="currentColor" stroke-width="1.5"/>`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeMarkup(description)}" font-size="11" fill="currentColor">${grid.join('')}${drawn.join('')}${marked}${legend.join('')}</svg>`
}
