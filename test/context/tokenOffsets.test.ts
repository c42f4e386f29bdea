import test from 'ava'
import { placeTokens } from '#lib/context/tokenOffsets.js'
import type { Tokenizer } from '#lib/data/tokenizer/tokenizer.js'

const special = 256

/** A tokenizer whose tokens are bytes, and one that is none of the text's. */
const byBytes = {
  decode: async (ids: readonly number[], { specials = false } = {}) => {
    const bytes = ids.flatMap(id => (id === special ? (specials ? [...Buffer.from('<s>')] : []) : [id]))
    return Buffer.from(bytes).toString('utf8')
  },
} as unknown as Tokenizer

test('tokens that are parts of a character lie where it does; special ones nowhere', async t => {
  const ids = [special, ...Buffer.from('a€ 😀b'), special]
  const { text, spans } = await placeTokens(byBytes, ids)
  t.is(text, 'a€ 😀b')
  const at = (start: number, end: number) => ({ start, end })
  const face = at(3, 5)
  t.deepEqual(spans, [
    null,
    at(0, 1),
    at(1, 2),
    at(1, 2),
    at(1, 2),
    at(2, 3),
    face,
    face,
    face,
    face,
    at(5, 6),
    null,
  ])
})

test('a character that a special token breaks off has its parts in no other', async t => {
  const [first] = [...Buffer.from('€')]
  const { spans } = await placeTokens(byBytes, [first!, special, ...Buffer.from('b')])
  t.is(spans[1], null)
  t.is(spans.length, 3)
  t.notDeepEqual(spans[0], spans[2])
})
