import test from 'ava'
import fc from 'fast-check'
import { type LocalisedQuery, utf16Offset } from '#lib/index.js'
import { checkedQuery, joinedText, unjoined } from '#lib/methods/localised/sources.js'
import { alignFact, wordDistance, wordsOf } from '#lib/methods/localised/wordAlignment.js'

const sources = [
  { id: 'a', text: 'One two three. Four five.' },
  { id: 'b', text: 'Six seven.' },
]
const output = 'First sentence. Second sentence.'
const query = (more: Partial<LocalisedQuery>): LocalisedQuery => ({
  sources,
  output,
  highlight: [{ start: 0, end: 5 }],
  ...more,
})

test('candidates are what the records that share a character with the highlight name, merged', t => {
  const coarse = [
    { output: { start: 0, end: 15 }, sources: [{ source: 'a', start: 0, end: 14 }] },
    { output: { start: 3, end: 4 }, sources: [{ source: 'a', start: 10, end: 20 }] },
    { output: { start: 16, end: 32 }, sources: [{ source: 'b', start: 0, end: 10 }] },
  ]
  t.deepEqual(checkedQuery(query({ coarse })).candidates, [{ source: 'a', start: 0, end: 20 }])
  // A record that holds the whole highlight counts; one that only touches it does not.
  t.deepEqual(checkedQuery(query({ coarse, highlight: [{ start: 5, end: 8 }] })).candidates, [
    { source: 'a', start: 0, end: 14 },
  ])
  t.deepEqual(checkedQuery(query({ coarse, highlight: [{ start: 15, end: 22 }] })).candidates, [
    { source: 'b', start: 0, end: 10 },
  ])
  t.deepEqual(checkedQuery(query({ coarse: [] })).candidates, [])
  t.deepEqual(
    checkedQuery(query({})).candidates.map(({ start, end }) => [start, end]),
    [
      [0, 25],
      [0, 10],
    ],
  )
  const { highlight } = checkedQuery(
    query({
      highlight: [
        { start: 4, end: 9 },
        { start: 0, end: 6 },
      ],
    }),
  )
  t.deepEqual(highlight, [{ start: 0, end: 9 }])
})

test('a shorter highlight never widens the candidates', t => {
  const span = fc
    .tuple(fc.nat(32), fc.nat(32))
    .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }))
  const record = fc.tuple(span, fc.nat(24), fc.nat(24)).map(([at, a, b]) => ({
    output: at,
    sources: [{ source: 'a', start: Math.min(a, b), end: Math.max(a, b) }],
  }))
  fc.assert(
    fc.property(fc.array(record, { maxLength: 4 }), fc.nat(20), fc.nat(10), (coarse, start, length) => {
      const whole = { start, end: Math.min(32, start + length + 2) }
      const part = { start: start + 1, end: whole.end }
      const covered = (highlight: { start: number; end: number }) => {
        const cells = new Set<number>()
        for (const each of checkedQuery(query({ coarse, highlight: [highlight] })).candidates)
          for (let at = each.start; at < each.end; at++) cells.add(at)
        return cells
      }
      if (output.slice(part.start, part.end).trim() === '') return
      const [large, small] = [covered(whole), covered(part)]
      t.true([...small].every(cell => large.has(cell)))
    }),
    { seed: 3, numRuns: 300 },
  )
})

test('places put together and taken apart again', t => {
  const text = 'abcdefghij'
  const spans = [
    { start: 1, end: 3 },
    { start: 5, end: 8 },
  ]
  t.is(joinedText(text, spans), 'bc fgh')
  t.deepEqual(unjoined(spans, { start: 0, end: 6 }), spans)
  t.deepEqual(unjoined(spans, { start: 1, end: 4 }), [
    { start: 2, end: 3 },
    { start: 5, end: 6 },
  ])
  t.deepEqual(unjoined(spans, { start: 2, end: 3 }), [])
  fc.assert(
    fc.property(fc.nat(5), fc.nat(5), (a, b) => {
      const span = { start: Math.min(a, b), end: Math.max(a, b) + 1 }
      const whole = unjoined(spans, span)
      const letters = joinedText(text, spans).slice(span.start, span.end).replace(' ', '')
      t.is(whole.map(each => text.slice(each.start, each.end)).join(''), letters)
    }),
    { seed: 1 },
  )
})

test('queries that are none are refused by name', t => {
  const refused = (more: object, code: string, message?: RegExp) =>
    t.throws(() => checkedQuery(query(more)), { code, ...(message ? { message } : {}) })
  refused({ highlight: [] }, 'INPUT_VALUE')
  refused({ highlight: [{ start: 15, end: 16 }] }, 'INPUT_VALUE')
  refused({ highlight: [{ start: 3, end: 3 }] }, 'INPUT_VALUE')
  refused({ highlight: [{ start: 3, end: 99 }] }, 'OPTION_RANGE', /highlight\[0\]\.end/)
  refused({ highlight: [{ start: -1, end: 3 }] }, 'OPTION_RANGE')
  refused({ highlight: 'all' }, 'OPTION_TYPE')
  refused({ sources: [sources[0]!, sources[0]!] }, 'INPUT_VALUE', /"a"/)
  refused(
    { coarse: [{ output: { start: 0, end: 3 }, sources: [{ source: 'z', start: 0, end: 1 }] }] },
    'OPTION_RANGE',
    /"z"/,
  )
  refused(
    { coarse: [{ output: { start: 0, end: 3 }, sources: [{ source: 'b', start: 0, end: 11 }] }] },
    'OPTION_RANGE',
  )
  refused({ coarse: [{ output: { start: 0, end: 99 }, sources: [] }] }, 'OPTION_RANGE')
  refused({ sources: [{ id: 1, text: 'x' }] }, 'OPTION_TYPE')
  t.is(utf16Offset('a😀b', 2), 3)
  t.is(utf16Offset('a😀b', 3), 4)
  t.throws(() => utf16Offset('a😀b', 4), { code: 'OPTION_RANGE' })
})

test("a fact's words in its sentence: the worked example", t => {
  const fact = 'willow bark was used by hippocrates'.split(' ')
  const sentence = 'hippocrates used powdered willow bark against pain'.split(' ')
  t.is(wordDistance(fact, sentence), 7)
  const { matches, missingContent } = alignFact(fact, sentence)
  t.deepEqual([...matches], [3, 4, undefined, 1, undefined, 0])
  t.deepEqual([...missingContent], [])
  t.deepEqual([...alignFact(['a', 'zebra'], sentence).missingContent], ['zebra'])
  t.deepEqual(
    wordsOf("Don't stop, Ämter 12!").map(({ word, start, end }) => [word, start, end]),
    [
      ["don't", 0, 5],
      ['stop', 6, 10],
      ['ämter', 12, 17],
      ['12', 18, 20],
    ],
  )
})
