import type { AnswerQuote } from '../context/quoteAnswer.js'
import type { Span } from '../regions/spans.js'
import { escapeMarkup } from './escape.js'
import { formatNumber } from './format.js'

/** A stretch of a text that belongs to a quotation. */
export interface QuoteMark extends Span {
  /** Which quotation. */
  readonly quote: number
}

export const quoteStyles = [
  'mark{background:color-mix(in srgb,var(--warnline) 45%,transparent);color:inherit;border-radius:3px;padding:.1em 0}',
  '.quotes td:first-child{width:2.4rem;color:var(--soft)}',
]

/** Pointing at a quotation, in the answer or in its list, leaves its own marks alone lit. */
export const quoteRules = (quotes: readonly AnswerQuote[]): string[] =>
  quotes.map((_, at) => `main:has(.q${at}:hover,#q${at}:hover) mark:not(.q${at}){background:none}`)

/** Marks on the answer, and on one document. */
export const answerMarks = (quotes: readonly AnswerQuote[]): QuoteMark[] =>
  quotes.map(({ start, end }, quote) => ({ start, end, quote }))
export const documentMarks = (quotes: readonly AnswerQuote[], document: number): QuoteMark[] =>
  quotes.flatMap(({ spans }, quote) =>
    spans.filter(span => span.document === document).map(({ start, end }) => ({ start, end, quote })),
  )

/** A stretch [start, end) of a text as markup, cut wherever a mark begins or ends: one place may be in several quotations. */
export function markedText(text: string, start: number, end: number, marks: readonly QuoteMark[]): string {
  const inside = marks.filter(mark => mark.start < end && mark.end > start)
  const borders = inside.flatMap(mark => [Math.max(start, mark.start), Math.min(end, mark.end)])
  const cuts = [...new Set([start, ...borders, end])].sort((a, b) => a - b)
  return cuts
    .slice(1)
    .map((to, at) => {
      const from = cuts[at]!
      const own = inside.filter(mark => mark.start <= from && mark.end >= to)
      const shown = escapeMarkup(text.slice(from, to))
      if (own.length === 0) return shown
      return `<mark class="${own.map(({ quote }) => `q${quote}`).join(' ')}">${shown}</mark>`
    })
    .join('')
}

/** A card that lists quotations with the spans that support them. */
export function quotesMarkup(quotes: readonly AnswerQuote[], names: readonly string[]): string {
  const groups = quotes.map(({ text, spans, claim, warnings }, at) => {
    const said = claim === undefined ? '' : `<p class="note">Asked for: ${escapeMarkup(claim)}</p>`
    const warned = warnings
      .map(
        ({ code, message }) =>
          `<p class="note"><code>${escapeMarkup(code)}</code> ${escapeMarkup(message)}</p>`,
      )
      .join('')
    const rows = spans
      .toSorted((a, b) => a.rank - b.rank)
      .map(
        span =>
          `<tr><td>${span.rank}</td><td>${escapeMarkup(span.text)}<br><span class="note">${escapeMarkup(names[span.document]!)}</span></td><td class="number">${escapeMarkup(formatNumber(span.score))}</td></tr>`,
      )
    const table =
      rows.length > 0
        ? `<table>${rows.join('')}</table>`
        : '<p class="note">Nothing in the documents supports these words.</p>'
    return `<div id="q${at}"><p><mark class="q${at}">${escapeMarkup(text)}</mark></p>${said}${table}${warned}</div>`
  })
  const { name } = quotes[0]!.method
  return `<div class="card quotes"><h2>Quoted words</h2>${groups.join('')}<p class="note">Spans that support just these words (${escapeMarkup(name)}).</p></div>`
}
