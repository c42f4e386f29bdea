import test from 'ava'
import { type MergeWork, mostLetters, scoredMerges } from '#lib/frontends/checkpoints/gguf/scoredMerges.js'

const refuse = (): never => {
  throw new Error('too much')
}
const merged = (tokens: string[], scores: number[], work?: MergeWork) =>
  scoredMerges(
    tokens,
    scores,
    Object.fromEntries(tokens.map((token, id) => [token, id])),
    () => true,
    refuse,
    work,
  )

test('every cut into two pieces that there are, the best whole first, letters outside the basic plane whole', t => {
  t.deepEqual(merged(['a', 'b', 'ab', 'abb', '😀', 'a😀'], [0, 0, -2, -1, 0, -3]), [
    ['ab', 'b'],
    ['a', 'b'],
    ['a', '😀'],
  ])
  t.deepEqual(merged(['__proto__', '__', 'proto__'], [0, -1, -1]), [['__', 'proto__']])
})

test('what hostile pieces take is bounded before it is begun', t => {
  // Prefixes of one letter are pieces all: 511 of them, each cut everywhere.
  const nested = Array.from({ length: 512 }, (_, at) => 'a'.repeat(at + 1))
  const work = { letters: 0 }
  t.is(
    merged(
      nested,
      nested.map(() => 0),
      work,
    ).length,
    (511 * 512) / 2,
  )
  t.true(work.letters <= nested.reduce((sum, token) => sum + token.length ** 2, 0))
  t.true(work.letters < mostLetters / 4)
  // 2,000 pieces of 512 letters would be 5e8.
  const many = Array.from({ length: 2000 }, (_, at) => String(at).padStart(512, 'x'))
  const none = { letters: 0 }
  t.throws(
    () =>
      merged(
        many,
        many.map(() => 0),
        none,
      ),
    { message: 'too much' },
  )
  t.is(none.letters, 0)
  // Longer ones are damage, and no piece is made of others.
  t.deepEqual(merged(['a'.repeat(600), 'a'], [0, 0]), [])
})
