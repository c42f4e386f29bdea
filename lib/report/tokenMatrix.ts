import { AscribeError } from '../errors.js'
import { escapeMarkup, escapeTerminal } from './escape.js'
import { formatNumber } from './format.js'
import { colorPosition, colorsFor } from './heatMap.js'
import { hexColor } from './legend.js'
import type { ScoreRange } from './scoreRange.js'

/** Scores of tokens that were read (one a row) for each token that was written (one a column). */
export interface TokenMatrix {
  readonly rows: readonly string[]
  readonly columns: readonly string[]
  /** Row by row; undefined where a column's token could not be read yet. */
  readonly values: readonly (readonly (number | undefined)[])[]
  /** Rows below the scores: a number of each column. */
  readonly below: readonly { readonly name: string; readonly values: readonly number[] }[]
  /** The first row behind the prompt. */
  readonly promptRows: number
}

const shades = 33
const mostCells = 250_000
const shownCharacters = 24

/** A token on one short line; white space that would not be seen has a sign. */
const shortened = (text: string): string => {
  const seen = /^ *$/.test(text) ? text.replaceAll(' ', '\u2423') : text
  const plain = seen.replaceAll('\n', '\u21b5').replaceAll('\t', '\u21e5')
  return plain.length > shownCharacters ? `${plain.slice(0, shownCharacters - 1)}\u2026` : plain
}

function checkSize({ rows, columns }: TokenMatrix): void {
  if (rows.length * columns.length > mostCells)
    throw new AscribeError(
      'REPRESENTATION_UNSUPPORTED',
      `${rows.length} x ${columns.length} scores make no table; at most ${mostCells} do`,
      { hint: 'Put tokens together with group(), or explain fewer steps.' },
    )
}

/** Width of a column of numbers in a terminal. */
const cellWidth = 9

const fitted = (text: string, width: number): string => {
  const short = text.length > width ? `${text.slice(0, width - 1)}\u2026` : text
  return short.padStart(width)
}

/** The matrix in a terminal: a line for each token that was read, a column for each that was written. */
export function matrixText(matrix: TokenMatrix, range: ScoreRange, hasColor: boolean): string {
  checkSize(matrix)
  const { rows, columns, values, below, promptRows } = matrix
  const named = rows.map(row => escapeTerminal(shortened(row)))
  const width = Math.max(...named.map(row => row.length), ...below.map(({ name }) => name.length), 1)
  const colors = colorsFor(range)
  const cell = (score: number | undefined): string => {
    if (score === undefined) return ' '.repeat(cellWidth)
    const text = fitted(formatNumber(score), cellWidth)
    if (!hasColor) return text
    const [red, green, blue] = colors.at(colorPosition(score, range))
    const isDark = red * 0.299 + green * 0.587 + blue * 0.114 < 140
    return `\u001b[48;2;${red};${green};${blue}m\u001b[38;2;${isDark ? '255;255;255' : '0;0;0'}m${text}\u001b[0m`
  }
  const line = '\u2500'.repeat(width + 1 + columns.length * (cellWidth + 1))
  return [
    `${' '.repeat(width)} ${columns.map(column => fitted(escapeTerminal(shortened(column)), cellWidth)).join(' ')}`,
    ...named.flatMap((row, at) => {
      const cells = `${row.padEnd(width)} ${values[at]!.map(cell).join(' ')}`.trimEnd()
      return at === promptRows && at > 0 ? [line, cells] : [cells]
    }),
    ...(below.length > 0 ? [line] : []),
    ...below.map(
      ({ name, values: own }) =>
        `${name.padEnd(width)} ${own.map(value => fitted(formatNumber(value), cellWidth)).join(' ')}`,
    ),
  ].join('\n')
}

/** The style rules of a matrix: its shades by score, and how it scrolls. */
export function matrixStyles(range: ScoreRange): string {
  const colors = colorsFor(range)
  const own = Array.from({ length: shades }, (_, shade) => {
    const [red, green, blue] = colors.at(shade / (shades - 1))
    const isDark = red * 0.299 + green * 0.587 + blue * 0.114 < 140
    return `.m${shade}{background:${hexColor([red, green, blue])};color:${isDark ? '#fff' : '#111'}}`
  }).join('')
  return `${own}.matrix{overflow:auto;max-height:80vh}.matrix table{width:auto;font-size:.8rem}.matrix th,.matrix td{padding:.15rem .4rem;text-align:right;white-space:pre;border:0;overflow-wrap:normal}.matrix th{position:sticky;left:0;background:var(--card)}.matrix thead th{position:sticky;top:0}.matrix td{font-variant-numeric:tabular-nums}.matrix .answer>*{border-top:2px solid var(--line)}.matrix td:hover{outline:2px solid var(--accent)}`
}

/** The matrix as a table; every text is escaped. */
export function matrixMarkup(matrix: TokenMatrix, range: ScoreRange): string {
  checkSize(matrix)
  const { rows, columns, values, below, promptRows } = matrix
  const head = columns
    .map(column => `<th scope="col" title="${escapeMarkup(column)}">${escapeMarkup(shortened(column))}</th>`)
    .join('')
  const cell = (score: number | undefined, row: string, column: string): string => {
    if (score === undefined) return '<td></td>'
    const shade = Math.round(colorPosition(score, range) * (shades - 1))
    const title = escapeMarkup(`${row} \u2192 ${column}: ${formatNumber(score)}`)
    return `<td class="m${shade}" title="${title}">${escapeMarkup(formatNumber(score))}</td>`
  }
  const lines = rows.map((row, at) => {
    const cells = values[at]!.map((score, column) => cell(score, row, columns[column]!)).join('')
    const border = at === promptRows && at > 0 ? ' class="answer"' : ''
    return `<tr${border}><th scope="row" title="${escapeMarkup(row)}">${escapeMarkup(shortened(row))}</th>${cells}</tr>`
  })
  const numbers = below.map(({ name, values: own }, at) => {
    const cells = own.map(value => `<td>${escapeMarkup(formatNumber(value))}</td>`).join('')
    return `<tr${at === 0 ? ' class="answer"' : ''}><th scope="row">${escapeMarkup(name)}</th>${cells}</tr>`
  })
  return `<div class="matrix"><table><thead><tr><th></th>${head}</tr></thead><tbody>${lines.join('')}${numbers.join('')}</tbody></table></div>`
}
