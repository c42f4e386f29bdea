import { escapeMarkup } from './escape.js'
import { formatNumber } from './format.js'
import { colorsFor } from './heatMap.js'
import type { ScoreRange } from './scoreRange.js'

/** A colour as markup writes it. */
export function hexColor([red, green, blue]: readonly number[]): string {
  return `#${[red!, green!, blue!].map(value => value.toString(16).padStart(2, '0')).join('')}`
}

/** The scores that a legend is labelled with, from its left end to its right end. */
export function legendTicks(range: ScoreRange): { position: number; label: string }[] {
  const { limit, isSigned, clippedShare } = range
  if (limit === 0) return [{ position: isSigned ? 0.5 : 0, label: '0' }]
  const beyond = clippedShare > 0 ? '\u2265 ' : ''
  const most = `${beyond}${formatNumber(limit)}`
  const half = formatNumber(Number((limit / 2).toPrecision(3)))
  if (!isSigned)
    return [
      { position: 0, label: '0' },
      { position: 0.5, label: half },
      { position: 1, label: most },
    ]
  const least = `${clippedShare > 0 ? '\u2264 ' : ''}${formatNumber(-limit)}`
  return [
    { position: 0, label: least },
    { position: 0.25, label: formatNumber(-Number((limit / 2).toPrecision(3))) },
    { position: 0.5, label: '0' },
    { position: 0.75, label: half },
    { position: 1, label: most },
  ]
}

/** A bar of the range's colours with its scores below, as SVG elements inside a box of the given width. */
export function legendMarkup(range: ScoreRange, width: number, id: string): string {
  const colors = colorsFor(range)
  const stops = Array.from({ length: 33 }, (_, index) => {
    const position = index / 32
    return `<stop offset="${position * 100}%" stop-color="${hexColor(colors.at(position))}"/>`
  })
  const ticks = legendTicks(range).map(({ position, label }) => {
    const anchor = position === 0 ? 'start' : position === 1 ? 'end' : 'middle'
    const x = Math.round(position * width)
    return (
      `<line x1="${x}" x2="${x}" y1="14" y2="18" stroke="currentColor" stroke-opacity=".6"/>` +
      `<text x="${x}" y="31" text-anchor="${anchor}" font-size="12" fill="currentColor">${escapeMarkup(label)}</text>`
    )
  })
  return (
    `<defs><linearGradient id="${id}">${stops.join('')}</linearGradient></defs>` +
    `<rect width="${width}" height="14" rx="3" fill="url(#${id})" stroke="currentColor" stroke-opacity=".25"/>` +
    ticks.join('')
  )
}
