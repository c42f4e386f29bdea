import { escapeTerminal } from './escape.js'
import { formatNumber } from './format.js'
import { colorPosition, colorsFor } from './heatMap.js'
import type { ScoreMap } from './scoreMap.js'
import type { ScoreRange } from './scoreRange.js'
import type { TextPart } from './textParts.js'

const reset = '\u001b[0m'

function foreground(color: ArrayLike<number>): string {
  return `\u001b[38;2;${color[0]};${color[1]};${color[2]}m`
}

function background(color: ArrayLike<number>): string {
  return `\u001b[48;2;${color[0]};${color[1]};${color[2]}m`
}

/** A map that is at most `columns` wide, each cell the mean of those it stands for. */
function shrink(map: ScoreMap, columns: number): ScoreMap {
  const width = Math.min(columns, map.width)
  const height = Math.max(1, Math.round((map.height * width) / map.width))
  const values = new Float64Array(width * height)
  const start = (index: number, length: number, cells: number): number => Math.floor((index * cells) / length)
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [top, bottom] = [start(row, height, map.height), start(row + 1, height, map.height)]
      const [left, right] = [start(column, width, map.width), start(column + 1, width, map.width)]
      let sum = 0
      for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++) sum += map.values[y * map.width + x]!
      values[row * width + column] = sum / ((bottom - top) * (right - left))
    }
  }
  return { width, height, values }
}

/** A map in a terminal: half blocks in true colour, two rows a line; or digits (share of the limit) without colour. */
export function mapText(map: ScoreMap, range: ScoreRange, columns: number, hasColor: boolean): string {
  const small = shrink(map, columns)
  if (!hasColor) return digits(small, range)
  const colors = colorsFor(range)
  const colorAt = (row: number, column: number): readonly number[] =>
    colors.at(colorPosition(small.values[row * small.width + column]!, range))
  const lines: string[] = []
  for (let row = 0; row < small.height; row += 2) {
    let line = ''
    for (let column = 0; column < small.width; column++) {
      line += foreground(colorAt(row, column))
      if (row + 1 < small.height) line += background(colorAt(row + 1, column))
      line += '\u2580'
    }
    lines.push(line + reset)
  }
  return lines.join('\n')
}

/** Two characters a cell: the sign and the tenth of the limit, so that shapes can be seen in a log file too. */
function digits(map: ScoreMap, range: ScoreRange): string {
  const lines: string[] = []
  for (let row = 0; row < map.height; row++) {
    let line = ''
    for (let column = 0; column < map.width; column++) {
      const score = map.values[row * map.width + column]!
      const tenths = range.limit === 0 ? 0 : Math.min(9, Math.floor((Math.abs(score) / range.limit) * 10))
      line += tenths === 0 ? ' .' : `${score < 0 ? '-' : ' '}${tenths}`
    }
    lines.push(line)
  }
  return lines.join('\n')
}

/** Text in a terminal: on coloured ground, or each part that has a score with it in brackets. */
export function tokensText(parts: readonly TextPart[], range: ScoreRange, hasColor: boolean): string {
  const colors = colorsFor(range)
  return parts
    .map(({ text: own, score, isAdded }, index) => {
      if (score === undefined) return own.split('\n').map(escapeTerminal).join('\n')
      const text = escapeTerminal(own)
      // Without a text between them, tokens are told apart by a space.
      const gap = isAdded || (!hasColor && parts[index + 1]?.score !== undefined) ? ' ' : ''
      if (!hasColor) return `${text}[${formatNumber(score)}]${gap}`
      const color = colors.at(colorPosition(score, range))
      const isDark = color[0] * 0.299 + color[1] * 0.587 + color[2] * 0.114 < 140
      return `${background(color)}${foreground(isDark ? [255, 255, 255] : [0, 0, 0])}${text}${reset}${gap}`
    })
    .join('')
    .trimEnd()
}
