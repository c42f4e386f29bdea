import test from 'ava'
import { tokensText } from '#lib/report/terminal.js'
import { textParts } from '#lib/report/textParts.js'
import { textSvgDocument } from '#lib/report/textSvg.js'
import { tokensMarkup } from '#lib/report/tokens.js'

const range = { isSigned: true, limit: 4, percentile: 100, clippedShare: 0 }
const units = {
  kind: 'tokens' as const,
  tokens: ['[CLS]', 'a', '<0xF0>', '<0x9F>', '<0x98>', '<0x80>', '▁', 'b', '[PAD]', '[PAD]', '[PAD]'],
  text: 'a \u{1f600}!b<',
  offsets: [null, [0, 1], [2, 4], [2, 4], [2, 4], [2, 4], [5, 5], [5, 6], null, null, null] as const,
}
const scores = [0, 1, 1, 1, 1, 1, -1, -2, 0.5, 0.5, 0.5]

test('every character of the text is shown once, tokens of one character are one part, runs of fillers one', t => {
  t.deepEqual(textParts(units, scores), [
    { text: '[CLS]', score: 0, isAdded: true },
    { text: 'a', score: 1, isAdded: false },
    { text: ' ', isAdded: false },
    { text: '\u{1f600}', score: 4, isAdded: false },
    { text: '!', isAdded: false },
    { text: '▁', score: -1, isAdded: true },
    { text: 'b', score: -2, isAdded: false },
    { text: '[PAD] \u00d73', score: 1.5, isAdded: true },
    { text: '<', isAdded: false },
  ])
})

test('tokens that reach into each other are one part', t => {
  const parts = textParts(
    {
      ...units,
      text: 'abcdef',
      tokens: ['x', 'y', 'z'],
      offsets: [
        [0, 3],
        [2, 4],
        [5, 6],
      ],
    },
    [1, 2, 4],
  )
  t.deepEqual(parts, [
    { text: 'abcd', score: 3, isAdded: false },
    { text: 'e', isAdded: false },
    { text: 'f', score: 4, isAdded: false },
  ])
})

test('markup is escaped, and text without a token has no colour', t => {
  const markup = tokensMarkup(textParts(units, scores), range, 's')
  t.true(markup.includes('<wbr>&lt;'))
  t.true(markup.includes('title="4">\u{1f600}</span>'))
  t.is(markup.match(/<span/g)?.length, 6)
})

test('terminals without colours have scores in brackets, with colours every letter once', t => {
  t.is(
    tokensText(textParts(units, scores), range, false),
    '[CLS][0] a[1] \u{1f600}[4]!▁[−1] b[−2] [PAD] ×3[1.5] <',
  )
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences
  const plain = tokensText(textParts(units, scores), range, true).replace(/\u001b\[[0-9;]*m/g, '')
  t.is(plain, '[CLS] a \u{1f600}!▁ b[PAD] ×3 <')
})

test('a long text is broken into rows between words, hostile titles are text', t => {
  const words = Array.from({ length: 60 }, (_, at) => `word${at} `)
  const svg = textSvgDocument(
    [
      ...words.map((text, at) => ({ text, score: at / 60, isAdded: false })),
      { text: 'x'.repeat(200), isAdded: false },
    ],
    range,
    'A caption.',
    '<script>',
    '&',
  )
  t.false(svg.includes('<script'))
  const places = [...svg.matchAll(/<text x="(\d+)" y="\d+" textLength="(\d+)"/g)]
  t.true(places.every(([, x, length]) => Number(x) + Number(length) <= 16 + 720))
  t.true(new Set([...svg.matchAll(/<text x="\d+" y="(\d+)" textLength/g)].map(([, y]) => y)).size >= 7)
})
