import { escapeMarkup } from './escape.js'
import type { Figure } from './figure.js'
import { legendMarkup } from './legend.js'

const margin = 16
const minimumWidth = 420

/**
 * A self-contained SVG file: the picture under its scores (or the map alone), with a title, what was explained, and
 * a legend with numbers.
 */
export async function svgDocument(figure: Figure, title: string, subtitle: string): Promise<string> {
  const image = figure.overlay ?? figure.map
  const png = Buffer.from(await image.toPng()).toString('base64')
  const width = Math.max(image.width, minimumWidth)
  const left = margin + (width - image.width) / 2
  const legendTop = 68 + image.height + 14
  const lines = wrap(figure.caption, Math.floor(width / 6.2))
  const height = legendTop + 48 + lines.length * 17 + margin
  const style = 'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"'
  const shorten = (text: string, size: number): string => {
    const characters = Math.floor(width / (size * 0.56))
    return escapeMarkup(
      [...text].length > characters ? `${[...text].slice(0, characters - 1).join('')}\u2026` : text,
    )
  }
  const name = `${title}: ${subtitle}`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width + 2 * margin}" height="${height}" ` +
      `viewBox="0 0 ${width + 2 * margin} ${height}" ${style} color="#1d2126" role="img" aria-label="${escapeMarkup(name)}">`,
    `<title>${escapeMarkup(name)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${margin}" y="34" font-size="19" font-weight="650" fill="#1d2126">${shorten(title, 19)}</text>`,
    `<text x="${margin}" y="54" font-size="13" fill="#5b636e">${shorten(subtitle, 13)}</text>`,
    `<image x="${left}" y="68" width="${image.width}" height="${image.height}" href="data:image/png;base64,${png}"/>`,
    `<g transform="translate(${margin} ${legendTop})">${legendMarkup(figure.range, width, 'scores')}</g>`,
    ...lines.map(
      (line, index) =>
        `<text x="${margin}" y="${legendTop + 54 + index * 17}" font-size="12" fill="#5b636e">${escapeMarkup(line)}</text>`,
    ),
    '</svg>',
    '',
  ].join('\n')
}

/** A text as lines of at most so many characters. */
export function wrap(text: string, characters: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < characters)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
