import test from 'ava'
import { AnswerTrace, ContextAttribution, type ContextPrompt, segmentText } from '#lib/index.js'
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
  const text = traceText(trace, 'Nothing.')
  t.regex(text, /^Copper\. \[1\]\n/)
  t.regex(text, /\[1\] {2}2 {2}a"><b>\.txt:1 {2}The key is copper\./)
  t.regex(text, /Without these sources: Nothing\.$/)
  const json = JSON.parse(JSON.stringify(trace))
  t.deepEqual(
    json.sentences.map(({ sources }: { sources: number[] }) => sources),
    [[1], [2]],
  )
})
