import test from 'ava'
import fc from 'fast-check'
import { Attribution, createTensor, type TokenUnits } from '#lib/index.js'
import { exampleMetadata } from '../oracles/exampleAttribution.js'

const text = "It isn't unbelievable. Is it?"
const units: TokenUnits = {
  kind: 'tokens',
  tokens: ['[CLS]', 'it', 'isn', "'", 't', 'un', '##believ', '##able', '.', 'is', 'it', '?', '[SEP]'],
  text,
  offsets: [
    null,
    [0, 2],
    [3, 6],
    [6, 7],
    [7, 8],
    [9, 11],
    [11, 17],
    [17, 21],
    [21, 22],
    [23, 25],
    [26, 28],
    [28, 29],
    null,
  ],
}
const scores = [1, 2, 4, -8, 16, 32, -64, 128, 256, 512, 1024, 2048, 4096]
const attribution = (own: TokenUnits = units, data = scores, targets?: number) =>
  new Attribution({
    ...exampleMetadata,
    target:
      targets === undefined
        ? { description: 't' }
        : Array.from({ length: targets }, () => ({ description: 't' })),
    checks: {},
    inputs: [
      {
        name: 'tokens',
        units: own,
        scores: createTensor(
          'f64',
          targets === undefined ? [data.length] : [targets, data.length / targets],
          data,
        ),
      },
    ],
  })
const result = (of: Attribution) => {
  const own = of.inputs[0]!.units as TokenUnits
  return own.tokens.map((token, at): [string, number] => [token, of.scores().data[at]!])
}

test('tokens become words with the places of their characters; what was added stays by itself', t => {
  const words = attribution().group()
  t.deepEqual(result(words), [
    ['[CLS]', 1],
    ['It', 2],
    ["isn't", 12],
    ['unbelievable', 96],
    ['.', 256],
    ['Is', 512],
    ['it', 1024],
    ['?', 2048],
    ['[SEP]', 4096],
  ])
  const own = words.inputs[0]!.units as TokenUnits
  t.deepEqual(own.offsets![2], [3, 8])
  for (const [at, place] of own.offsets!.entries()) if (place) t.is(text.slice(...place), own.tokens[at]!)
  t.deepEqual(words.processing.at(-1), { step: 'aggregate', how: 'word: sum' })
})

test('white space, sentences and spans of the text', t => {
  t.deepEqual(
    result(attribution().group('whitespace')).map(([token]) => token),
    ['[CLS]', 'It', "isn't", 'unbelievable.', 'Is', 'it?', '[SEP]'],
  )
  t.deepEqual(result(attribution().group('sentence')), [
    ['[CLS]', 1],
    ["It isn't unbelievable.", 366],
    ['Is it?', 3584],
    ['[SEP]', 4096],
  ])
  t.deepEqual(result(attribution().group([[3, 21]], 'mean')), [
    ['[CLS]', 1],
    ['it', 2],
    ["isn't unbelievable", 108 / 6],
    ['.', 256],
    ['is', 512],
    ['it', 1024],
    ['?', 2048],
    ['[SEP]', 4096],
  ])
})

test('every reduction', t => {
  const of = (how: Parameters<Attribution['group']>[1]) => result(attribution().group('word', how))[3]![1]
  t.deepEqual(
    [of('sum'), of('mean'), of('max'), of('min'), of('greatest'), of('l2'), of('product')],
    [96, 32, 128, -64, 128, Math.sqrt(32 ** 2 + 64 ** 2 + 128 ** 2), 32 * -64 * 128],
  )
  t.is(result(attribution().group([[9, 17]], 'greatest'))[5]![1], -64)
})

test('several targets, and features that are added up first', t => {
  const both = attribution(units, [...scores, ...scores.map(score => -score)], 2).group('sentence')
  t.deepEqual(both.scores().shape, [2, 4])
  t.deepEqual(Array.from(both.scores().data), [1, 366, 3584, 4096, -1, -366, -3584, -4096])
  const featured = new Attribution({
    ...exampleMetadata,
    target: { description: 't' },
    checks: {},
    inputs: [
      {
        name: 'tokens',
        units: { ...units, features: 2 },
        scores: createTensor(
          'f64',
          [13, 2],
          scores.flatMap(score => [score - 1, 1]),
        ),
      },
    ],
  })
  t.deepEqual(result(featured.group()), result(attribution().group()))
})

test('tokens without a text, and spans out of order, are refused', t => {
  t.throws(() => attribution({ kind: 'tokens', tokens: units.tokens }).group(), { code: 'OPTION_RANGE' })
  for (const spans of [
    [[3, 2]],
    [
      [0, 4],
      [3, 6],
    ],
    [[0, 400]],
    [[1, 1]],
  ] as [number, number][][])
    t.throws(() => attribution().group(spans), { code: 'OPTION_RANGE' })
  t.throws(() => attribution().group('line' as never), { code: 'OPTION_RANGE' })
  t.throws(() => attribution().group('word', 'absmax' as never), { code: 'OPTION_RANGE' })
  t.throws(() => attribution({ ...units, offsets: [[0, 1]] }), { code: 'OPTION_TYPE' })
  t.throws(() => attribution({ ...units, offsets: units.offsets!.map(() => [5, 3] as const) }), {
    code: 'OPTION_RANGE',
  })
  t.throws(() => attribution({ ...units, offsets: units.offsets!.toReversed() }), { code: 'OPTION_RANGE' })
})

test('whatever the tokens, a sum keeps the sum, and save, load, save gives the same bytes', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(3), fc.nat(4), fc.boolean(), fc.integer({ min: -9, max: 9 })), {
        minLength: 1,
        maxLength: 20,
      }),
      fc.constantFrom('word', 'whitespace', 'sentence'),
      async (steps, into) => {
        let cursor = 0
        const offsets = steps.map(([gap, length, isAdded]): [number, number] | null => {
          if (isAdded) return null
          const start = Math.min(text.length, cursor + gap)
          cursor = Math.min(text.length, start + length)
          return [start, cursor]
        })
        const own = { ...units, tokens: steps.map((_, at) => `t${at}`), offsets }
        const whole = attribution(
          own,
          steps.map(([, , , score]) => score),
        )
        const grouped = whole.group(into as 'word')
        const sum = (of: Attribution) =>
          Array.from(of.scores().data, Number).reduce((total, score) => total + score, 0)
        t.is(sum(grouped), sum(whole))
        const json = await grouped.toJson()
        t.is(await (await Attribution.parse(json)).toJson(), json)
        t.true((await grouped.toSvg()).includes('</svg>'))
      },
    ),
    { seed: 11, numRuns: 60 },
  )
})
