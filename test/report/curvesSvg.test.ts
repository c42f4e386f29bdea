import test from 'ava'
import { curvesSvg } from '#lib/index.js'

test('points lie where share and score say, and the second axis reaches every score', t => {
  const svg = curvesSvg({
    'a & b': [
      [0, 0],
      [0.5, 0.25],
      [1, 1],
    ],
  })
  t.true(svg.includes('points="40.0,158.0 247.0,121.5 454.0,12.0"'))
  t.true(svg.includes('>a &amp; b</text>'))
  const logits = curvesSvg({ one: [[0, 3]], other: [[1, -1]] }, 'logits')
  t.true(logits.includes('points="40.0,12.0"') && logits.includes('points="454.0,158.0"'))
  t.true(logits.includes('>-1</text>') && logits.includes('>3</text>'))
  t.regex(logits, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg".*aria-label="logits".*<\/svg>$/)
})

test('what is no curve is an error', t => {
  for (const [curves, code] of [
    [{}, 'OPTION_RANGE'],
    [Object.fromEntries(Array.from({ length: 7 }, (_, at) => [at, [[0, 1]]])), 'OPTION_RANGE'],
    [{ a: [[1.5, 0]] }, 'OPTION_RANGE'],
    [{ a: [[0, Number.NaN]] }, 'OPTION_RANGE'],
    [{ a: 'curve' }, 'OPTION_TYPE'],
    [null, 'OPTION_TYPE'],
  ] as const)
    t.throws(() => curvesSvg(curves as never), { code })
})
