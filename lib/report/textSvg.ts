import { escapeMarkup } from './escape.js'
import { formatNumber } from './format.js'
import { colorPosition, colorsFor } from './heatMap.js'
import { hexColor, legendMarkup } from './legend.js'
import type { ScoreRange } from './scoreRange.js'
import { wrap } from './svg.js'
import type { TextPart } from './textParts.js'

const margin = 16
const width = 720
const [fontSize, advance, lineHeight] = [15, 9, 28]
/** More characters than this are no picture. */
export const greatestCharacters = 100_000

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' })
/** Letters of East Asian scripts and pictures are two columns wide. */
const isWide =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Extended_Pictographic}|[\uff01-\uff60]/u

interface Cell {
  text: string
  columns: number
  part: TextPart
}

/** A text's parts as rows of cells, broken where a row is full. */
function rowsOf(parts: readonly TextPart[]): Cell[][] {
  const most = Math.floor(width / advance)
  const rows: Cell[][] = [[]]
  let used = 0
  const newRow = () => {
    rows.push([])
    used = 0
  }
  for (const part of parts) {
    // A word is not broken unless it fills a row by itself.
    for (const word of part.text.split(/(\n)|(?<= )(?=[^ ])/).filter(Boolean)) {
      if (word === '\n') {
        newRow()
        continue
      }
      const letters = Array.from(segmenter.segment(word), ({ segment }) => segment)
      const columns = letters.map(letter => (isWide.test(letter) ? 2 : 1))
      const whole = columns.reduce<number>((sum, each) => sum + each, 0)
      if (used > 0 && used + whole > most && whole <= most) newRow()
      let cell: Cell = { text: '', columns: 0, part }
      const close = () => {
        if (cell.text !== '') rows.at(-1)!.push(cell)
        cell = { text: '', columns: 0, part }
      }
      for (const [at, letter] of letters.entries()) {
        if (used + columns[at]! > most) {
          close()
          newRow()
        }
        cell.text += letter
        cell.columns += columns[at]!
        used += columns[at]!
      }
      close()
    }
    if (part.isAdded) used += 1
  }
  return rows
}

/** A self-contained SVG file of a text, a colour behind each part that has a score, with title and legend. */
export function textSvgDocument(
  parts: readonly TextPart[],
  range: ScoreRange,
  caption: string,
  title: string,
  subtitle: string,
): string {
  const rows = rowsOf(parts)
  const colors = colorsFor(range)
  const legendTop = 68 + rows.length * lineHeight + 14
  const lines = wrap(caption, Math.floor(width / 6.2))
  const height = legendTop + 48 + lines.length * 17 + margin
  const name = `${title}: ${subtitle}`
  const shorten = (text: string, size: number): string => {
    const characters = Math.floor(width / (size * 0.56))
    return escapeMarkup(
      [...text].length > characters ? `${[...text].slice(0, characters - 1).join('')}\u2026` : text,
    )
  }
  const cells = rows.flatMap((row, index) => {
    let column = 0
    const top = 68 + index * lineHeight
    let before: TextPart | undefined
    return row.map(({ text, columns, part }) => {
      if (before?.isAdded && before !== part) column += 1
      before = part
      const x = margin + column * advance
      column += columns
      const length = columns * advance
      const isShown = part.score !== undefined
      const color = isShown ? colors.at(colorPosition(part.score!, range)) : [255, 255, 255]
      const isDark = color[0]! * 0.299 + color[1]! * 0.587 + color[2]! * 0.114 < 140
      const box = isShown
        ? `<rect x="${x}" y="${top}" width="${length}" height="${lineHeight - 5}" rx="3" fill="${hexColor(color)}"><title>${escapeMarkup(formatNumber(part.score!))}</title></rect>`
        : ''
      const style = part.isAdded ? ' font-style="italic" fill-opacity=".75"' : ''
      return `${box}<text x="${x}" y="${top + 17}" textLength="${length}" lengthAdjust="spacingAndGlyphs" xml:space="preserve" fill="${isDark ? '#ffffff' : '#1d2126'}"${style}>${escapeMarkup(text)}</text>`
    })
  })
  const sans = 'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"'
  const outer = width + 2 * margin
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${outer}" height="${height}" viewBox="0 0 ${outer} ${height}" ` +
      `color="#1d2126" role="img" aria-label="${escapeMarkup(name)}">`,
    `<title>${escapeMarkup(name)}</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text ${sans} x="${margin}" y="34" font-size="19" font-weight="650" fill="#1d2126">${shorten(title, 19)}</text>`,
    `<text ${sans} x="${margin}" y="54" font-size="13" fill="#5b636e">${shorten(subtitle, 13)}</text>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="${fontSize}">${cells.join('')}</g>`,
    `<g ${sans} transform="translate(${margin} ${legendTop})">${legendMarkup(range, width, 'scores')}</g>`,
    ...lines.map(
      (line, index) =>
        `<text ${sans} x="${margin}" y="${legendTop + 54 + index * 17}" font-size="12" fill="#5b636e">${escapeMarkup(line)}</text>`,
    ),
    '</svg>',
    '',
  ].join('\n')
}
