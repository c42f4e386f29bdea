import { escapeMarkup } from './escape.js'
import { formatNumber } from './format.js'
import { colorPosition, colorsFor } from './heatMap.js'
import { hexColor } from './legend.js'
import type { ScoreRange } from './scoreRange.js'
import type { TextPart } from './textParts.js'

/** How many shades tokens have: the strict content policy allows classes only, no inline colours. */
const shades = 33

/** On a page, no evidence must look like paper: tokens always get the diverging colours, white at zero. */
export function tokenRange(range: ScoreRange): ScoreRange {
  return { ...range, isSigned: true }
}

/** The style rules of the token shades: background by score, and the text colour that is readable on it. */
export function tokenStyles(range: ScoreRange, prefix: string): string {
  const colors = colorsFor(range)
  return Array.from({ length: shades }, (_, shade) => {
    const [red, green, blue] = colors.at(shade / (shades - 1))
    const isDark = red * 0.299 + green * 0.587 + blue * 0.114 < 140
    return `.${prefix}${shade}{background:${hexColor([red, green, blue])};color:${isDark ? '#fff' : '#111'}}`
  }).join('')
}

/** Text with a coloured background behind each part that has a score, the score in a tooltip. */
export function tokensMarkup(parts: readonly TextPart[], range: ScoreRange, prefix: string): string {
  const spans = parts.map(({ text, score, isAdded }) => {
    // Line breaks inside a token are kept visible; the text still wraps between tokens.
    if (score === undefined) return `<wbr>${escapeMarkup(text)}`
    const shade = Math.round(colorPosition(score, range) * (shades - 1))
    const own = escapeMarkup(text.replaceAll('\n', '\u21b5'))
    const classes = `${prefix}${shade}${isAdded ? ' added' : ''}`
    return `<wbr><span class="${classes}" title="${escapeMarkup(formatNumber(score))}">${own}</span>`
  })
  return `<p class="tokens" dir="auto">${spans.join('')}</p>`
}
