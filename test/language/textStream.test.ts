import test from 'ava'
import fc from 'fast-check'
import { heldBack, TextStream } from '#lib/language/textStream.js'

/** Tokens are bytes: letters of several come apart. */
const decode = async (ids: readonly number[]) => new TextDecoder().decode(Uint8Array.from(ids))

async function pieces(text: string, stop: readonly string[], prompt = '') {
  const stream = new TextStream(decode, [...Buffer.from(prompt)], stop)
  const found: string[] = []
  for (const id of Buffer.from(text)) {
    found.push(await stream.push(id))
    if (stream.stopped) break
  }
  return { found: [...found, await stream.end()], stopped: stream.stopped }
}

test('letters come whole', async t => {
  t.deepEqual((await pieces('aé漢b', [])).found, ['a', '', 'é', '', '', '漢', 'b', ''])
})

test('what may be the beginning of a stop string is held back', async t => {
  const { found, stopped } = await pieces('go on END more', ['END', 'Stop'])
  t.true(stopped)
  t.is(found.join(''), 'go on ')
  t.deepEqual((await pieces('the EN', ['END'])).found, ['t', 'h', 'e', ' ', '', '', 'EN'])
  t.is(heldBack('xaab', ['abc', 'aab!']), 3)
})

test('pieces add up to the text before the first stop string, whatever the two are', async t => {
  const letters = fc.stringMatching(/^[ab é漢😀]{0,30}$/u)
  await fc.assert(
    fc.asyncProperty(
      letters,
      fc.array(fc.stringMatching(/^[abé漢]{1,4}$/u), { maxLength: 3 }),
      letters,
      async (text, stop, prompt) => {
        const ends = stop.map(each => text.indexOf(each)).filter(at => at >= 0)
        const expected = ends.length > 0 ? text.slice(0, Math.min(...ends)) : text
        const { found, stopped } = await pieces(text, stop, prompt)
        // A stop string may end before an earlier one that is longer: the first to be whole counts.
        if (!stopped || ends.length < 2) t.is(found.join(''), expected)
        t.is(stopped, ends.length > 0)
      },
    ),
    { numRuns: 300, seed: 3 },
  )
})
