import { createHash } from 'node:crypto'
import test from 'ava'
import { Attribution } from '#lib/attribution/attribution.js'
import { createTensor } from '#lib/data/tensor.js'
import { pictureAttribution, textAttribution } from '../oracles/exampleAttribution.js'

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'&\u202e\u0000`

function hostileAttribution(): Attribution {
  return new Attribution({
    model: { name: hostile, hash: hostile },
    target: { description: hostile, label: hostile, kind: hostile, output: hostile, index: 0 },
    output: [{ index: 0, label: hostile, value: 1 }],
    method: {
      name: hostile,
      options: { [hostile]: hostile, nested: { [hostile]: [hostile] } },
      details: { [hostile]: 1 },
    },
    warnings: [{ code: hostile, message: hostile }],
    cost: { forwardPasses: 1, backwardPasses: 1, milliseconds: 1 },
    environment: { device: hostile, isa: hostile, precision: hostile, versions: { [hostile]: hostile } },
    inputs: [
      {
        name: hostile,
        units: { kind: 'tokens', tokens: [hostile, 'b'] },
        scores: createTensor('f32', [2], [1, -1]),
      },
      {
        name: 'other',
        units: { kind: 'tensor', shape: [2, 2] },
        scores: createTensor('f32', [2, 2], [1, 2, 3, 4]),
      },
    ],
  })
}

test('the content policy allows the style of the page by its hash, inline pictures, and nothing else', async t => {
  for (const attribution of [pictureAttribution(), textAttribution()]) {
    const html = await attribution.toHtml()
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/
      .exec(html)![1]!
      .replaceAll('&#39;', "'")
    const style = /<style>(.*?)<\/style>/s.exec(html)![1]!
    const hash = createHash('sha256').update(style).digest('base64')
    t.is(
      policy,
      `default-src 'none'; img-src data:; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`,
    )
    t.true(html.indexOf('Content-Security-Policy') < html.indexOf('<style>'))
  }
})

test('the page asks for nothing: no script, no inline style, no address but inline pictures', async t => {
  for (const attribution of [pictureAttribution(), textAttribution(), hostileAttribution()]) {
    const html = await attribution.toHtml()
    t.notRegex(html, /<script|<link|<iframe|<object|<embed|<form|<base/i)
    t.notRegex(html, /<[^>]*\s(style|on\w+)=/i)
    t.notRegex(html, /@import|url\((?!#)/)
    for (const [, address] of html.matchAll(/\s(?:src|href)="([^"]*)"/g))
      t.regex(address!, /^data:image\/png;base64,/)
  }
})

test('labels, tokens, names and options are text, whatever they hold', async t => {
  const html = await hostileAttribution().toHtml()
  t.notRegex(html, /<img src=x|alert\(1\)<\/script>/)
  t.false(html.includes('\u0000') || html.includes('\u202e'))
  t.true(html.split('&lt;script&gt;').length > 10)
})

test('the page says what was explained, how well it adds up, and what it cost', async t => {
  const html = await pictureAttribution().toHtml()
  for (const text of [
    'IntegratedGradients',
    'logit of &quot;cat&quot; (class 3)',
    '<tr class="explained"><td>cat</td>',
    'The scores add up to the change of 2 with an error of 0.01 (0.5 % of it).',
    'TARGET_SATURATED',
    '12.5 ms',
    '1 MiB',
    'avx2',
    'sha256:0123',
    'gausslegendre',
    'The model did not see the darkened rim.',
  ])
    t.true(html.includes(text), text)
  t.is(html.match(/<img /g)!.length, 3)
})

test('every target has its own part; a token has a shade and its score', async t => {
  const html = await textAttribution(['<b>', 'x', 'y', 'z']).toHtml()
  t.is(html.match(/<section/g)!.length, 2)
  // Token 0 of target 0: 1 + 2 of a limit near 4: class 16 + 16 * 3 / 3 (the greatest are 3, -2.5, 0, 0).
  t.regex(html, /<span class="s0p0t32" title="3">&lt;b&gt;<\/span>/)
  t.regex(html, /\.s0p0t16\{background:#f[0-9a-f]f[0-9a-f]f[0-9a-f];color:#111\}/)
})

test('SVG: one file, escaped, the same picture as the overlay', async t => {
  const attribution = pictureAttribution({ target: { description: hostile } })
  const svg = await attribution.toSvg()
  const overlay = Buffer.from(await attribution.toOverlay()).toString('base64')
  t.true(svg.includes(`href="data:image/png;base64,${overlay}"`))
  t.notRegex(svg, /<script|<img|onerror=alert\(1\)>/)
  t.is(svg.match(/<title>/g)!.length, 1)
  t.true(svg.includes('99.5th percentile'))
})
