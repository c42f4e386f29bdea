import test from 'ava'
import {
  type AnswerQuote,
  AnswerTrace,
  ContextAttribution,
  type ContextPrompt,
  type RemovalCheck,
  segmentText,
} from '#lib/index.js'
import { tracePage } from '#lib/report/tracePage.js'
import { traceText } from '#lib/report/traceText.js'

const hostile = '</style><script>alert(1)</script><img src=http://a.b/c onerror="x">'
const documents = [
  { name: `a"><b>.txt`, text: 'The key is copper. Rain falls.' },
  { name: 'b.txt', text: `First line.\n${hostile} The door is green.` },
]
const context = documents.map(({ text }) => text).join('\n\n')
const texts = segmentText(context)
const answer = `Copper. ${hostile}`

/** A trace whose scores are made up: the first sentence stands on the first text, the second on the last. */
function made(): AnswerTrace {
  const attribution = (scores: number[]) =>
    new ContextAttribution({
      model: { name: '<model>', hash: 'sha256:0' },
      method: { name: 'ContextCite', options: { samples: 64 }, seed: 3 },
      unit: 'nats',
      texts,
      response: { ids: [1, 2, 3], text: answer },
      scores,
      warnings: [{ code: 'TEXTS_DROPPED', message: '<b>some</b>' }],
      cost: { forwardPasses: 64, tokens: 1000, milliseconds: 5 },
    })
  const one = (at: number, score: number) =>
    texts.map((_, index) => (index === at ? score : index === 1 ? -0.5 : 0))
  const last = texts.length - 1
  return new AnswerTrace({
    documents: [
      { ...documents[0]!, start: 0, end: documents[0]!.text.length },
      { ...documents[1]!, start: documents[0]!.text.length + 2, end: context.length },
    ],
    question: `What "key"? ${hostile}`,
    answer,
    prompt: { texts } as unknown as ContextPrompt,
    attribution: attribution(texts.map((_, index) => (index === 0 || index === last ? 2 : 0))),
    sentences: [
      { text: 'Copper. ', start: 0, end: 8, attribution: attribution(one(0, 3)), sources: [0] },
      {
        text: hostile,
        start: 8,
        end: answer.length,
        attribution: attribution(one(last, 1)),
        sources: [last],
      },
    ],
  })
}

test('hostile texts, names and questions are text on the page, which loads nothing', t => {
  const page = tracePage(made(), '0.0.0')
  for (const forbidden of [/<script/i, /<img/i, /<b>/, /onerror="/]) t.notRegex(page, forbidden)
  t.regex(page, /default-src &#39;none&#39;/)
  // Nothing but its own anchors is linked.
  const links = Array.from(page.matchAll(/(?:href|src)="([^"]*)"/g), ([, link]) => link!)
  t.true(links.length > 0)
  t.true(
    links.every(link => /^#t\d+$/.test(link)),
    links.join(' '),
  )
  for (const link of links) t.true(page.includes(`id="${link.slice(1)}"`), link)
})

test('the page has all of the answer and of the documents, once', t => {
  const page = tracePage(made(), '0.0.0')
  const shown = (label: string) => {
    const section = page.slice(page.indexOf(`aria-label="${label}"`))
    return section
      .slice(0, section.indexOf('</section>'))
      .replace(/<span class="cite">.*?<\/span>/g, '')
      .replace(/<[^>]*>/g, '')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
  }
  t.true(shown('Answer').includes(answer))
  for (const { text } of documents) t.is(shown('Context').split(text).length, 2)
})

const check: RemovalCheck = {
  texts: [0, 2],
  whole: { logProbability: -0.5, answer: 'Copper.', isSameAnswer: true },
  removed: {
    logProbability: -9.5,
    drop: 9,
    answer: 'Nothing.',
    isSameAnswer: false,
    random: { mean: 0.5, low: 0, high: 1, count: 20 },
  },
  kept: { logProbability: -0.75, drop: 0.25, answer: ' Copper. ', isSameAnswer: true },
  forwardPasses: 43,
  seed: 0,
}

test('the page tells what became of the answer without its sources and with them alone', t => {
  const page = tracePage(made(), '0.0.0', {
    check: { ...check, removed: { ...check.removed, answer: `None. ${hostile}` } },
  })
  const card = /<h2>Check<\/h2>[\s\S]*?<\/div>/.exec(page)![0]
  t.regex(card, /without these 2 sources<\/th><td>\u22129\.5<br>[^<]*<[^>]*>less by 9; random ones 0\.5/)
  t.true(card.includes('None. &lt;/style&gt;'))
  t.notRegex(page, /<script/i)
  t.notRegex(tracePage(made(), '0.0.0'), /<h2>Check/)
})

test('quoted words and the spans that support them are marked, cut where marks begin and end', t => {
  const quote = (start: number, end: number, spans: [number, number, number][]): AnswerQuote => ({
    start,
    end,
    text: answer.slice(start, end),
    isUnattributed: spans.length === 0,
    warnings: [],
    method: { name: 'HiddenStateLaquer', options: {} },
    spans: spans.map(([document, from, to], at) => ({
      document,
      start: from,
      end: to,
      text: documents[document]!.text.slice(from, to),
      score: 0.9,
      rank: at + 1,
    })),
  })
  const quotes = [
    quote(0, 6, [[0, 4, 17]]),
    quote(2, answer.length, [
      [0, 11, 20],
      [1, 12, 20],
    ]),
    quote(0, 1, []),
  ]
  const page = tracePage(made(), '0.0.0', { quotes })
  t.regex(page, /<mark class="q0 q2">C<\/mark><mark class="q0">o<\/mark><mark class="q0 q1">pper<\/mark>/)
  t.regex(
    page,
    /The <mark class="q0">key is <\/mark><mark class="q0 q1">copper<\/mark><mark class="q1">\.<\/mark>/,
  )
  t.notRegex(page, /<script/i)
  t.regex(page, /Nothing in the documents supports these words/)
  t.true(page.includes('main:has(.q1:hover,#q1:hover) mark:not(.q1)'))
  const text = traceText(made(), { quotes })
  t.regex(text, /"Copper" stands on \(HiddenStateLaquer\):\n {2}0\.9 {2}a"><b>\.txt:1 {2}key is copper\n/)
  t.regex(text, /"C" stands on[^\n]*\n {2}nothing that was found/)
})

test('light goes both ways, and only where a score is', t => {
  const page = tracePage(made(), '0.0.0')
  const last = texts.length - 1
  t.true(page.includes('main:has(#a0:is(:hover,:focus)) #t0{'))
  t.true(page.includes('main:has(#t0:is(:hover,:focus)) #a0{'))
  t.true(page.includes(`main:has(#a1:is(:hover,:focus)) #t${last}{`))
  t.false(page.includes('#t1{'), 'a negative score lights nothing')
})

test('sources are numbered in the order of the context, with document and line', t => {
  const trace = made()
  t.deepEqual(
    trace.sources.map(({ number, index, document, line }) => [number, index, document, line]),
    [
      [1, 0, 'a"><b>.txt', 1],
      [2, texts.length - 1, 'b.txt', 2],
    ],
  )
  t.is(trace.numberOf(1), undefined)
  const text = traceText(trace, { check })
  t.regex(text, /^Copper\. \[1\]\n/)
  t.regex(text, /\[1\] {2}2 {2}a"><b>\.txt:1 {2}The key is copper\./)
  t.regex(text, /without these 2 sources +\u22129\.5, less by 9; random ones 0\.5, from 0 to 1: Nothing\.\n/)
  t.regex(text, /these 2 sources alone +\u22120\.75, less by 0\.25: Copper\. \(the same\)$/)
  const json = JSON.parse(JSON.stringify(trace))
  t.deepEqual(
    json.sentences.map(({ sources }: { sources: number[] }) => sources),
    [[1], [2]],
  )
})
