import type { AnswerTrace, TracedSentence } from '../context/answerTrace.js'
import type { AnswerQuote } from '../context/quoteAnswer.js'
import type { ContextText } from '../context/segmentText.js'
import type { RemovalCheck } from '../metrics/removalCheck.js'
import { checkRows } from './checkRows.js'
import { escapeMarkup } from './escape.js'
import { formatMilliseconds, formatNumber } from './format.js'
import { pageDocument } from './page.js'
import {
  answerMarks,
  documentMarks,
  markedText,
  type QuoteMark,
  quoteRules,
  quoteStyles,
  quotesMarkup,
} from './quoteMarks.js'

const styles = [
  '.trace{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,3fr);gap:1.1rem;align-items:start}',
  '@media (max-width:60rem){.trace{grid-template-columns:minmax(0,1fr)}}',
  '@media (min-width:60.01rem){.answer{position:sticky;top:1rem;max-height:calc(100vh - 2rem);overflow:auto}}',
  '.passage{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.9;margin:0}',
  '.answer .passage{font-size:1.1rem}',
  '.document+.document{margin-top:1.4rem}',
  '.document h3{font-size:.9rem;color:var(--soft);margin:0 0 .4rem;overflow-wrap:anywhere}',
  '.part{border-radius:4px;padding:.1em 0;box-decoration-break:clone;-webkit-box-decoration-break:clone}',
  '.part:focus-visible{outline:2px solid var(--accent);outline-offset:2px}',
  '.said{cursor:default;border-bottom:2px solid var(--line)}',
  '.cited{border-bottom:2px solid var(--accent)}',
  '.cite{font-size:.75em;vertical-align:super;line-height:0;margin-inline-start:.15em;white-space:nowrap}',
  '.cite a,.sources a{color:var(--accent);text-decoration:none}',
  '.cite a:hover,.cite a:focus-visible,.sources a:hover{text-decoration:underline}',
  '.sources td:first-child{width:2.4rem}',
  '.part:target{outline:2px solid var(--accent)}',
  '.part:is(:hover,:focus){background:color-mix(in srgb,var(--accent) 22%,transparent)}',
]

/** Texts that light up for one sentence, and strengths of their light. */
const greatestLit = 40
const strengths = 5

/** What else was found out about an answer. */
export interface TraceFindings {
  /** What became of it without its sources, and with them alone. */
  readonly check?: RemovalCheck | undefined
  /** Words of it that were quoted, with the spans that support them. */
  readonly quotes?: readonly AnswerQuote[] | undefined
}

/**
 * A page in which pointing at a sentence of the answer (or going there with the keyboard) lights the texts it came from,
 * and pointing at a text the sentences that came from it. No script: light is a matter of styles.
 *
 * @param findings What else was found out about the answer.
 */
export function tracePage(trace: AnswerTrace, libraryVersion: string, findings: TraceFindings = {}): string {
  const { check, quotes = [] } = findings
  const { attribution, question, sentences } = trace
  const { method, model, warnings } = attribution
  return pageDocument({
    title: `${question} \u2014 ${method.name}`,
    styles: [...styles, ...quoteStyles, ...sentences.flatMap(lightRules), ...quoteRules(quotes)],
    libraryVersion,
    body: [
      `<p class="eyebrow">${escapeMarkup(method.name)} \u00b7 where this answer came from</p>`,
      `<h1>${escapeMarkup(question)}</h1>`,
      `<p class="lead">Model ${escapeMarkup(model.name)}. Point at a sentence of the answer to see what it came from, or at a text to see what came from it; the Tab key goes from one to the next.</p>`,
      ...warnings.map(
        ({ code, message }) =>
          `<p class="warning" role="note"><strong><code>${escapeMarkup(code)}</code></strong> ${escapeMarkup(message)}</p>`,
      ),
      '<div class="trace">',
      `<section class="answer" aria-label="Answer"><h2>Answer</h2><p class="passage" dir="auto">${answerMarkup(trace, answerMarks(quotes))}</p></section>`,
      `<section aria-label="Context"><h2>What the model read</h2>${contextMarkup(trace, quotes)}</section>`,
      '</div>',
      '<div class="columns">',
      sourcesMarkup(trace),
      ...(quotes.length > 0
        ? [
            quotesMarkup(
              quotes,
              trace.documents.map(({ name }) => name),
            ),
          ]
        : []),
      ...(check === undefined ? [] : [checkMarkup(check)]),
      factsMarkup('Method', [
        ['method', method.name],
        ['score', attribution.unit],
        ...Object.entries(method.options).map(([name, value]): [string, string] => [name, String(value)]),
        ...(method.seed === undefined ? [] : [['seed', String(method.seed)] as [string, string]]),
      ]),
      factsMarkup('Cost', costFacts(trace)),
      '</div>',
    ],
  })
}

/** What lights up with one sentence, both ways: of each text by its share of the sentence's greatest score. */
function lightRules({ attribution }: TracedSentence, at: number): string[] {
  const { scores } = attribution
  const greatest = Math.max(...scores)
  if (greatest <= 0) return []
  const rules: string[] = []
  for (const text of attribution.ranking().slice(0, greatestLit)) {
    const strength = Math.round((scores[text]! / greatest) * strengths)
    if (strength < 1) break
    const light = `{background:color-mix(in srgb,var(--accent) ${(strength / strengths) * 60}%,transparent)}`
    rules.push(`main:has(#a${at}:is(:hover,:focus)) #t${text}${light}`)
    rules.push(`main:has(#t${text}:is(:hover,:focus)) #a${at}${light}`)
  }
  return rules
}

function answerMarkup(trace: AnswerTrace, marks: readonly QuoteMark[]): string {
  const shown = (from: number, to: number) => markedText(trace.answer, from, to, marks)
  let at = 0
  let markup = ''
  for (const [index, { start, end, sources }] of trace.sentences.entries()) {
    const whole = trace.answer.slice(start, end)
    const own = whole.trim()
    const first = start + whole.indexOf(own)
    const cites = sources
      .map(text => ({ text, number: trace.numberOf(text)! }))
      .sort((a, b) => a.number - b.number)
      .map(({ text, number }) => `<a href="#t${text}" aria-label="source ${number}">[${number}]</a>`)
    markup +=
      (index === 0 ? '' : shown(at, first)) +
      `<span class="part said" id="a${index}" tabindex="0">${shown(first, first + own.length)}</span>` +
      (cites.length > 0 ? `<span class="cite">${cites.join('')}</span>` : '')
    at = first + own.length
  }
  return markup + shown(at, trace.answer.length)
}

function contextMarkup(trace: AnswerTrace, quotes: readonly AnswerQuote[]): string {
  const whole = trace.documents.map(({ text }) => text)
  return trace.documents
    .map(({ name, start, end }, at) => {
      const heading = trace.documents.length > 1 || name !== '' ? `<h3>${escapeMarkup(name)}</h3>` : ''
      const parts = trace.attribution.texts.map((text, index) => ({ ...text, index }))
      const inside = parts.filter(text => text.start < end && text.end > start)
      return `<div class="document">${heading}<p class="passage" dir="auto">${documentMarkup(trace, whole[at]!, start, inside, documentMarks(quotes, at))}</p></div>`
    })
    .join('')
}

function documentMarkup(
  trace: AnswerTrace,
  document: string,
  offset: number,
  parts: readonly (ContextText & { index: number })[],
  marks: readonly QuoteMark[],
): string {
  const shown = (from: number, to: number) => markedText(document, from, to, marks)
  let at = 0
  let markup = ''
  for (const { start, end, index } of parts) {
    const [from, to] = [Math.max(0, start - offset), Math.min(document.length, end - offset)]
    const whole = document.slice(from, to)
    const own = whole.trim()
    if (own === '') continue
    const first = from + whole.indexOf(own)
    const number = trace.numberOf(index)
    const score = `score ${formatNumber(trace.attribution.scores[index]!)}`
    // A text may go on into the next document: only its beginning is what links lead to.
    const id = start >= offset ? ` id="t${index}"` : ''
    markup +=
      shown(at, first) +
      `<span class="part${number === undefined ? '' : ' cited'}"${id}${number === undefined ? '' : ' tabindex="0"'} title="${escapeMarkup(score)}">${shown(first, first + own.length)}</span>` +
      (number === undefined ? '' : `<span class="cite">[${number}]</span>`)
    at = first + own.length
  }
  return markup + shown(at, document.length)
}

function sourcesMarkup({ sources, attribution }: AnswerTrace): string {
  const greatest = Math.max(...sources.map(({ score }) => score), 0) || 1
  const rows = sources.map(({ number, index, document, line, score, text }) => {
    const width = (Math.max(0, score) / greatest) * 100
    const bar = `<svg aria-hidden="true"><rect width="${width.toFixed(1)}%" height="100%" rx="3" fill="currentColor" fill-opacity=".45"/></svg>`
    const error = attribution.standardErrors?.[index]
    const spread = error === undefined || error === null ? '' : ` \u00b1 ${escapeMarkup(formatNumber(error))}`
    return (
      `<tr><td><a href="#t${index}">[${number}]</a></td><td>${escapeMarkup(text)}<br><span class="note">${escapeMarkup(document)}, line ${line}</span></td>` +
      `<td class="bar">${bar}</td><td class="number">${escapeMarkup(formatNumber(score))}${spread}</td></tr>`
    )
  })
  const table =
    rows.length > 0
      ? `<table>${rows.join('')}</table>`
      : '<p class="note">No text of the context makes the answer likelier.</p>'
  return `<div class="card sources"><h2>Sources</h2>${table}<p class="note">Scores of the whole answer, in ${escapeMarkup(attribution.unit)}. They do not prove causes.</p></div>`
}

function checkMarkup(check: RemovalCheck): string {
  const rows = checkRows(check).map(({ name, logProbability, drop, answer }) => {
    const said = answer === undefined ? '' : `<br>${escapeMarkup(answer)}`
    const lost = drop === '' ? '' : `<br><span class="note">${escapeMarkup(drop)}</span>`
    return `<tr><th scope="row">${escapeMarkup(name)}</th><td>${escapeMarkup(logProbability)}${lost}${said}</td></tr>`
  })
  return `<div class="card"><h2>Check</h2><table class="facts">${rows.join('')}</table><p class="note">Log-probability of the answer, in nats. Where it stands on its sources, it changes without them and stays with them alone.</p></div>`
}

function factsMarkup(title: string, facts: readonly (readonly [string, string])[]): string {
  const rows = facts.map(
    ([name, value]) => `<tr><th scope="row">${escapeMarkup(name)}</th><td>${escapeMarkup(value)}</td></tr>`,
  )
  return `<div class="card"><h2>${escapeMarkup(title)}</h2><table class="facts">${rows.join('')}</table></div>`
}

function costFacts({ attribution, prompt }: AnswerTrace): [string, string][] {
  const { cost, model, environment } = attribution
  return [
    ['forward passes', formatNumber(cost.forwardPasses)],
    ['tokens of them', formatNumber(cost.tokens)],
    ['time', formatMilliseconds(cost.milliseconds)],
    ['texts', String(prompt.texts.length)],
    ...(environment ? [['device', environment.device] as [string, string]] : []),
    ['model hash', model.hash],
  ]
}
