import test from 'ava'
import fc from 'fast-check'
import { unicodeSentences } from '#lib/context/sentences.js'
import { contextUnits, joinPassages, segmentText } from '#lib/index.js'

const texts = (context: string, options = {}) => segmentText(context, options).map(({ text }) => text)

test('sentences end where their full stop does, not behind abbreviations, decimals, acronyms and addresses', t => {
  t.deepEqual(
    texts('Dr. Smith paid $3.50 to J. R. Hale. He left at 9 a.m. See www.example.com. "Really?" she asked.'),
    [
      'Dr. Smith paid $3.50 to J. R. Hale. ',
      'He left at 9 a.m. See www.example.com. ',
      '"Really?" she asked.',
    ],
  )
  t.deepEqual(texts('It was 9 a.m. He left. He works for Acme Inc. The end ... of it. What?! Yes.'), [
    'It was 9 a.m. ',
    'He left. ',
    'He works for Acme Inc. ',
    'The end ... of it. ',
    'What?! ',
    'Yes.',
  ])
  t.deepEqual(texts('\n One.\n\n- two\n- three  \n'), ['\n One.\n\n', '- two\n', '- three  \n'])
})

test('paragraphs have their separator in front, segments their space behind', t => {
  t.deepEqual(texts('a b\nc\n\nd\n \n\n e\n\n', { unit: 'paragraphs' }), ['a b\nc', '\n\nd', '\n \n\n e\n\n'])
  t.deepEqual(texts('a  b c\nd e', { unit: 'segments', segmentWords: 2 }), ['a  ', 'b c\nd ', 'e'])
  t.deepEqual(texts(' a  b\n', { unit: 'words' }), [' a  ', 'b\n'])
  const words = Array.from({ length: 250 }, (_, at) => `w${at}`).join(' ')
  t.deepEqual(
    texts(words, { unit: 'segments' }).map(each => each.trim().split(' ').length),
    [100, 100, 50],
  )
})

test('texts put together are the context, with exact offsets', t => {
  const piece = fc.constantFrom('a', 'B', '.', '. ', ' ', '\n', '\n\n', 'Mr. ', '?', 'é', '😀', '"', '3.5')
  fc.assert(
    fc.property(
      fc.array(piece, { minLength: 1, maxLength: 40 }),
      fc.constantFrom(...contextUnits),
      (parts, unit) => {
        const context = parts.join('')
        if (context.trim() === '') return
        const found = segmentText(context, { unit, segmentWords: 3 })
        t.is(found.map(({ text }) => text).join(''), context)
        for (const { text, start, end } of found) t.is(context.slice(start, end), text)
        if (unit !== 'segments') t.true(found.every(({ text }) => text.trim() !== ''))
      },
    ),
    { seed: 7, numRuns: 400 },
  )
})

test('passages are left as they are, with a separator in front of later ones', t => {
  t.deepEqual(joinPassages(['a.', 'b']), [
    { text: 'a.', start: 0, end: 2 },
    { text: '\n\nb', start: 2, end: 5 },
  ])
  t.throws(() => joinPassages([]), { code: 'INPUT_VALUE' })
  t.throws(() => joinPassages(['a', ' ']), { code: 'INPUT_VALUE' })
})

test('spans of the caller are checked', t => {
  t.deepEqual(
    segmentText('one two three', {
      spans: [
        { start: 0, end: 3 },
        { start: 8, end: 13 },
      ],
    }).map(({ text }) => text),
    ['one', 'three'],
  )
  const spans =
    (...pairs: [number, number][]) =>
    () =>
      segmentText('one two', { spans: pairs.map(([start, end]) => ({ start, end })) })
  t.throws(spans([0, 4], [3, 7]), { code: 'INPUT_VALUE', message: /disjoint/ })
  t.throws(spans([4, 7], [0, 3]), { code: 'INPUT_VALUE' })
  t.throws(spans([4, 8]), { code: 'OPTION_RANGE' })
  t.throws(spans([4, 4]), { code: 'OPTION_RANGE' })
  t.throws(spans(), { code: 'INPUT_VALUE' })
  t.throws(() => segmentText(' \n'), { code: 'INPUT_VALUE' })
  t.throws(() => segmentText('a', { unit: 'lines' as never }), { code: 'OPTION_RANGE' })
})

test('sentences found window by window are those of the whole text', t => {
  const parts = [
    'Anna came. ',
    'She saw 3.5 of them! ',
    '"Why?" he said. ',
    '... and on ',
    '12. 13. 14. ',
    'Mr. Smith\n',
    '😀. ',
    '\r\n',
    'x',
    '. ',
    '  ',
  ]
  const long = fc.array(fc.constantFrom(...parts), { minLength: 3000, maxLength: 3000, size: 'max' })
  for (const drawn of fc.sample(long, { numRuns: 5, seed: 7 })) {
    const text = drawn.join('')
    t.true(text.length > 3 * 4096)
    const whole = new Intl.Segmenter('en', { granularity: 'sentence' }).segment(text)
    t.deepEqual(
      [...unicodeSentences(text)],
      Array.from(whole, ({ segment }) => segment),
    )
  }
  // Undecided until the letter at its end.
  const undecided = `One. ${'1, '.repeat(5000)}two. Three.`
  t.is([...unicodeSentences(undecided)][0], undecided.slice(0, -6))
})

test('a text of nothing but abbreviations is one sentence', t => {
  const text = 'Mr. '.repeat(5_000)
  t.deepEqual(
    segmentText(text).map(({ start, end }) => [start, end]),
    [[0, text.length]],
  )
})
