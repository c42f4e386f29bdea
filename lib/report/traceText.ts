import type { AnswerTrace } from '../context/answerTrace.js'
import { escapeTerminal } from './escape.js'
import { formatNumber } from './format.js'

/** Characters of a source that are shown. */
const shownLength = 160

/** An answer with the numbers of its sources, and the sources, for a terminal. */
export function traceText(trace: AnswerTrace, without?: string): string {
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
    answer,
    '',
    lines.length > 0
      ? `Sources (${attribution.method.name}, ${attribution.unit}):`
      : 'No text of the context makes the answer likelier.',
    ...lines,
    ...attribution.warnings.map(({ code, message }) => `${code}: ${escapeTerminal(message)}`),
    ...(without === undefined ? [] : ['', `Without these sources: ${escapeTerminal(without.trim())}`]),
  ].join('\n')
}
