import type { AnswerTrace } from '../context/answerTrace.js'
import type { AnswerQuote } from '../context/quoteAnswer.js'
import type { RemovalCheck } from '../metrics/removalCheck.js'
import { checkRows } from './checkRows.js'
import { escapeTerminal } from './escape.js'
import { formatNumber } from './format.js'
import type { TraceFindings } from './tracePage.js'

/** Characters of a source that are shown. */
const shownLength = 160

/**
 * An answer with the numbers of its sources, and the sources, for a terminal.
 *
 * @param findings `isAnswerShown`: the answer stands there already.
 */
export function traceText(
  trace: AnswerTrace,
  { check, quotes = [], isAnswerShown = false }: TraceFindings & { isAnswerShown?: boolean } = {},
): string {
  const { attribution, sentences, sources } = trace
  const answer = sentences
    .map(sentence => {
      const numbers = sentence.sources.map(index => trace.numberOf(index)!).sort((a, b) => a - b)
      return `${escapeTerminal(sentence.text.trim())}${numbers.length > 0 ? ` [${numbers.join('][')}]` : ''}`
    })
    .join('\n')
  const width = Math.max(0, ...sources.map(({ score }) => formatNumber(score).length))
  const lines = sources.map(({ number, score, document, line, text }) => {
    const shown = text.length > shownLength ? `${text.slice(0, shownLength)}\u2026` : text
    return `  [${number}]  ${formatNumber(score).padStart(width)}  ${escapeTerminal(document)}:${line}  ${escapeTerminal(shown)}`
  })
  return [
    ...(isAnswerShown ? [] : [answer]),
    '',
    lines.length > 0
      ? `Sources (${attribution.method.name}, ${attribution.unit}):`
      : 'No text of the context makes the answer likelier.',
    ...lines,
    ...attribution.warnings.map(({ code, message }) => `${code}: ${escapeTerminal(message)}`),
    ...quotes.flatMap(quote => ['', ...quoteLines(trace, quote)]),
    ...(check === undefined
      ? []
      : ['', 'Check (log-probability of the answer, in nats):', ...checkLines(check)]),
  ].join('\n')
}

function checkLines(check: RemovalCheck): string[] {
  const rows = checkRows(check)
  const width = Math.max(...rows.map(({ name }) => name.length))
  return rows.map(({ name, logProbability, drop, answer }) => {
    const facts = [logProbability, drop].filter(text => text !== '').join(', ')
    return `  ${name.padEnd(width)}  ${facts}${answer === undefined ? '' : `: ${escapeTerminal(answer)}`}`
  })
}

function quoteLines({ documents }: AnswerTrace, { text, spans, method, warnings }: AnswerQuote): string[] {
  const lines = spans
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ document, score, start, text: own }) => {
      const { name, text: whole } = documents[document]!
      const line = whole.slice(0, start).split('\n').length
      return `  ${formatNumber(score)}  ${escapeTerminal(name)}:${line}  ${escapeTerminal(own)}`
    })
  return [
    `${JSON.stringify(escapeTerminal(text))} stands on (${method.name}):`,
    ...(lines.length > 0 ? lines : ['  nothing that was found']),
    ...warnings.map(({ code, message }) => `  ${code}: ${escapeTerminal(message)}`),
  ]
}
