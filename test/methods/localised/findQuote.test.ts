import test from 'ava'
import fc from 'fast-check'
import { findQuote } from '#lib/methods/localised/findQuote.js'

const text = 'The bridge (built in 1931) was closed - to lorries; Ämter & cafés stayed open.'
const found = (quote: string, threshold = 0.3) => {
  const span = findQuote(text, quote, threshold)
  return span && [text.slice(span.start, span.end), span.match]
}

test('as it is but for case, by letters and digits, or approximately', t => {
  t.deepEqual(found('BUILT in 1931'), ['built in 1931', 'exact'])
  t.deepEqual(found('  was closed - to '), ['was closed - to', 'exact'])
  t.deepEqual(found('bridge built in 1931 was'), ['bridge (built in 1931) was', 'normalised'])
  t.deepEqual(found('closed to lorries, ämter and'), ['closed - to lorries; Ämter', 'fuzzy'])
  t.deepEqual(found('was cloosed to the lorries'), ['was closed - to lorries', 'fuzzy'])
  t.is(found('was cloosed to the lorries', 0), undefined)
  const emoji = findQuote('We saw 🚢🚢🚢 leave', 'saw 🚢🚢🚢 leaves', 0.1)!
  t.deepEqual(emoji, { start: 3, end: 19, match: 'fuzzy' })
  t.is(found('nobody ever saw the ship again'), undefined)
  t.is(found(''), undefined)
  t.is(found('-;-', 0), undefined)
  t.deepEqual(found('; '), [';', 'exact'])
})

test('a quotation that begins again inside itself is found where only its end repeats', t => {
  t.deepEqual(findQuote('aabaabaaab', 'aabaaab', 0), { start: 3, end: 10, match: 'exact' })
  t.deepEqual(findQuote('abababcabababd', 'ababd', 0), { start: 9, end: 14, match: 'exact' })
  t.deepEqual(findQuote('a-a-b-a-a-b-a-a-a-b', 'aabaaab', 0), { start: 6, end: 19, match: 'normalised' })
})

test('capitals of Greek are their small letters, at the end of words too', t => {
  t.deepEqual(findQuote('Η ΟΔΟΣ ΑΥΤΗ', 'οδος', 0), { start: 2, end: 6, match: 'exact' })
})

test('letters that are longer in small keep their places', t => {
  const turkish = 'İİ Straße İX'
  const span = findQuote(turkish, 'straße', 0)!
  t.is(turkish.slice(span.start, span.end), 'Straße')
  const other = findQuote(turkish, 'straße i̇x', 0)!
  t.is(turkish.slice(other.start, other.end), 'Straße İX')
})

/** The first, shortest stretch whose letters and digits are the quotation's, by trying all. */
function byForce(whole: string, quote: string): [number, number] | undefined {
  const letters = (part: string) =>
    [...part]
      .filter(point => /[\p{L}\p{N}]/u.test(point))
      .join('')
      .toLowerCase()
  const wanted = letters(quote)
  let best: [number, number] | undefined
  for (let start = 0; start < whole.length; start++)
    for (let end = start + 1; end <= whole.length; end++)
      if (
        letters(whole.slice(start, end)) === wanted &&
        (best === undefined || end < best[1] || end - start < best[1] - best[0])
      )
        if (best === undefined || start < best[1]) best = best && end > best[1] ? best : [start, end]
  return best
}

test('the search by letters is that by force', t => {
  const letters = fc.array(fc.constantFrom('a', 'b', 'B', '1', ' ', '-', 'é'), {
    minLength: 1,
    maxLength: 12,
  })
  fc.assert(
    fc.property(letters, letters, (whole, quote) => {
      const [a, b] = [whole.join(''), quote.join('')]
      const span = findQuote(a, b, 0)
      if (span?.match !== 'normalised') return
      t.deepEqual([span.start, span.end], byForce(a, b))
    }),
    { seed: 5, numRuns: 400 },
  )
})

test('what a search takes grows with the length of text and quotation, not with their product', t => {
  for (const letter of ['a', 'İ', ' ', '-'])
    for (const [length, count] of [
      [20_000, 5_000],
      [40_000, 10_000],
    ] as const) {
      const work = { comparisons: 0 }
      // All but the last character agrees everywhere.
      findQuote(`${letter.repeat(length)}`, `b${letter.repeat(count)}`, 0.5, work)
      findQuote(`${letter.repeat(length)}`, `${letter.repeat(count)}b`, 0.5, work)
      t.true(work.comparisons <= 2 * (40 * length + 10 * count), `${letter}: ${work.comparisons}`)
    }
})
