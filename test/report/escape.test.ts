import test from 'ava'
import fc from 'fast-check'
import { escapeMarkup, escapeTerminal } from '#lib/report/escape.js'
import { formatBytes, formatMilliseconds, formatNumber, formatPercent } from '#lib/report/format.js'

test('markup: no character with a meaning survives, and nothing else changes', t => {
  t.is(escapeMarkup(`<a href="x" title='y'>&`), '&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;')
  t.is(escapeMarkup('a\u0000b\u202ec\ud800d\u001b'), 'a\ufffdb\ufffdc\ufffdd\ufffd')
  t.is(escapeMarkup('naïve 日本 🦉\n\t'), 'naïve 日本 🦉\n\t')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text =>
      t.false([...escapeMarkup(text)].some(character => '<>"\'\u0000\u001b\u202e'.includes(character))),
    ),
  )
})

test('terminal: no escape sequence and no line break survives', t => {
  t.is(escapeTerminal('a\u001b[2Jb\u009bc\nd'), 'a\ufffd[2Jb\ufffdc d')
})

test('numbers, shares, durations and sizes for people', t => {
  t.deepEqual([0, 42, -3, 1.23456, 0.00012345, 123456.789, 1e-12].map(formatNumber), [
    '0',
    '42',
    '\u22123',
    '1.235',
    '1.23e\u22124',
    '123500',
    '1.00e\u221212',
  ])
  t.deepEqual([0.5, 0.98765, 0.99999, 0.001234].map(formatPercent), ['50 %', '98.8 %', '100 %', '0.123 %'])
  t.deepEqual([1.234, 999, 1843, 125_000].map(formatMilliseconds), [
    '1.23 ms',
    '999 ms',
    '1.84 s',
    '2 min 5 s',
  ])
  t.deepEqual([512, 1536, 3 * 2 ** 30].map(formatBytes), ['512 B', '1.5 KiB', '3 GiB'])
})
