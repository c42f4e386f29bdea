import { createHash } from 'node:crypto'
import type { Image, Interval } from '#lib/index.js'
import { escapeMarkup } from '#lib/report/escape.js'
import { formatMilliseconds, formatNumber, formatPercent } from '#lib/report/format.js'
import { pageStyle } from '#lib/report/pageStyle.js'
import type { ShareRow } from './shares.js'

/** What one model says of one scene, with the badge and without it. */
export interface Verdict {
  withBadge: { label: string; probability: number }
  withoutBadge: { label: string; probability: number }
  /** Completeness of integrated gradients: what the scores add up to, against the change of the output. */
  completeness: { delta: number; difference: number; relative: number }
  milliseconds: number
  overlay: Image
}

export interface ExampleStory {
  label: string
  badge: Image
  plain: Image
  sound: Verdict
  shortcut: Verdict
}

export interface Story {
  examples: readonly ExampleStory[]
  shares: readonly ShareRow[]
  scenes: number
  kept: { sound: Interval; shortcut: Interval }
  command: string
}

const style = `${pageStyle}
.row{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:1rem;align-items:start}
.row+.row{margin-top:1.4rem;padding-top:1.4rem;border-top:1px solid var(--line)}
.row img{image-rendering:pixelated}
.bar2{display:inline-block;vertical-align:middle;width:100%;height:.8rem}
.null td{color:var(--soft)}
pre{overflow-x:auto;background:var(--mark);border-radius:8px;padding:.8rem 1rem;font:.875rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;margin:.4rem 0 0}
`.replaceAll('\n', '')

async function imageMarkup(image: Image, text: string): Promise<string> {
  const source = `data:image/png;base64,${Buffer.from(await image.toPng()).toString('base64')}`
  return `<img src="${source}" width="${image.width}" height="${image.height}" alt="${escapeMarkup(text)}">`
}

const said = ({ label, probability }: Verdict['withBadge']): string =>
  `<strong>${escapeMarkup(label)}</strong> (${formatPercent(probability)})`

async function verdictMarkup(name: string, verdict: Verdict): Promise<string> {
  const { withBadge, withoutBadge, completeness, milliseconds } = verdict
  const changed = withBadge.label !== withoutBadge.label
  const share = formatPercent(completeness.relative)
  return (
    `<figure>${await imageMarkup(verdict.overlay, `Where the ${name} looked`)}<figcaption>${escapeMarkup(name)} says ${said(withBadge)}. ` +
    `Without the badge: ${said(withoutBadge)}${changed ? ', it <strong>changes its mind</strong>' : ''}.<br>` +
    `Scores add up to ${formatNumber(completeness.difference)} with an error of ${share}; ${formatMilliseconds(milliseconds)}.</figcaption></figure>`
  )
}

async function exampleMarkup(example: ExampleStory): Promise<string> {
  const scene = `<figure>${await imageMarkup(example.badge, example.label)}<figcaption>The scene: a <strong>${escapeMarkup(example.label)}</strong>, and a badge.</figcaption></figure>`
  const verdicts = [
    await verdictMarkup('sound model', example.sound),
    await verdictMarkup('shortcut model', example.shortcut),
  ]
  return `<div class="row">${scene}${verdicts.join('')}</div>`
}

function bar({ mean, low, high }: Interval, colour: string): string {
  const at = (share: number) => `${(Math.min(share / 0.7, 1) * 100).toFixed(1)}%`
  return (
    `<svg class="bar2" aria-hidden="true"><rect width="${at(mean)}" height="100%" rx="3" fill="${colour}" fill-opacity=".75"/>` +
    `<line x1="${at(low)}" x2="${at(high)}" y1="50%" y2="50%" stroke="currentColor" stroke-width="1.5"/></svg>`
  )
}

function shareMarkup({ name, isNull, object, badge }: ShareRow): string {
  const cells = ([object, badge] as const).map(
    (interval, at) =>
      `<td>${bar(interval, at === 0 ? '#2f7d4f' : '#c4453c')}</td><td class="number">${formatPercent(interval.mean)}</td>`,
  )
  return `<tr${isNull ? ' class="null"' : ''}><td>${escapeMarkup(name)}${isNull ? ' <em>(knows nothing)</em>' : ''}</td>${cells.join('')}</tr>`
}

/** The whole story on one page that loads nothing and runs nothing. */
export async function storyPage(story: Story): Promise<string> {
  const { kept, scenes } = story
  const hash = createHash('sha256').update(style).digest('base64')
  const policy = `default-src 'none'; img-src data:; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${escapeMarkup(policy)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>Two models, equally accurate. One of them cheats.</title><style>${style}</style></head><body><main>`,
    '<p class="eyebrow">ascribe \u00b7 a story with known truth</p>',
    '<h1>Two models, equally accurate. One of them cheats.</h1>',
    '<p class="lead">Both name the object on a scene right about 99 times in 100 while each scene carries the badge of its class. ' +
      'Attribution shows which of them looks at the object. Both are this project\u2019s own small models, trained on scenes that it generates: ' +
      'they are here because the truth is known, and say nothing about other models.</p>',
    '<section aria-label="Examples">',
    ...(await Promise.all(story.examples.map(exampleMarkup))),
    '<p class="note">Red speaks for the class, blue against it. Drawn: integrated gradients, averaged over noisy copies and smoothed by a Gaussian of 1.5 pixels for the eye; the figures below are of the unsmoothed scores.</p>',
    '</section>',
    `<section><h2>Where the attribution lies, on ${scenes} held-out scenes</h2><table><tr><th></th><th colspan="2">on the object</th><th colspan="2">on the badge</th></tr>`,
    ...story.shares.map(shareMarkup),
    '</table><p class="note">Shares of the absolute scores; lines are 95 % bootstrap intervals. Bars end at 70 %.</p></section>',
    `<section><h2>The badge is taken away</h2><table class="facts">`,
    `<tr><th scope="row">The sound model keeps its answer on</th><td>${formatPercent(kept.sound.mean)} of scenes (95 % interval ${formatPercent(kept.sound.low)} to ${formatPercent(kept.sound.high)})</td></tr>`,
    `<tr><th scope="row">The shortcut model keeps its answer on</th><td>${formatPercent(kept.shortcut.mean)} of scenes (95 % interval ${formatPercent(kept.shortcut.low)} to ${formatPercent(kept.shortcut.high)})</td></tr>`,
    '</table></section>',
    `<section><h2>Now your own model and photo</h2><pre>${escapeMarkup(story.command)}</pre></section>`,
    '</main></body></html>\n',
  ].join('\n')
}
