import test from 'ava'
import fc from 'fast-check'
import { Lines } from '#lib/frontends/blackbox/lines.js'

test('lines are those of the whole, however the bytes come in parts', t => {
  const piece = fc.constantFrom('a', 'é', '\n', '\r', '\r\n', 'data: ', '😀')
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.nat(5)), (pieces, cuts) => {
      const text = pieces.join('')
      const bytes = new TextEncoder().encode(text)
      const lines = new Lines()
      const found: string[] = []
      let at = 0
      for (const cut of [...cuts, bytes.length]) {
        found.push(...lines.take(bytes.subarray(at, at + cut)))
        at += cut
      }
      const expected = text.split(/\r\n|\n|\r/)
      const open = expected.pop()!
      t.deepEqual(found, expected)
      t.is(lines.open, open.length)
    }),
  )
})

test('an open line is never looked at again', t => {
  const lines = new Lines()
  const part = new TextEncoder().encode('x'.repeat(4))
  for (let at = 0; at < 250_000; at++) t.is(lines.take(part).length, 0)
  t.is(lines.open, 1_000_000)
  t.is(lines.take(new TextEncoder().encode('\n'))[0]!.length, 1_000_000)
})
