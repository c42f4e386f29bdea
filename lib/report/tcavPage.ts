import { Image } from '../data/image.js'
import { resample } from '../data/resample.js'
import { significantBelow, type TcavConcept, type TcavResult } from '../methods/concepts/tcav.js'
import type { Explained } from '../methods/inputs/gradientMethod.js'
import { escapeMarkup } from './escape.js'
import { formatNumber, formatPercent } from './format.js'
import { pageDocument } from './page.js'

const styles = [
  '.tcav td.chart{width:34%;min-width:11rem}',
  '.tcav td.chart svg{display:block;width:100%;height:1.6rem}',
  '.tcav th,.tcav td,.tcav td.number{padding-right:1rem}',
  '.tcav th.number{text-align:right}',
  '.tcav td.yes{font-weight:700}',
  '.tcav td.unsure{color:var(--soft);font-style:italic}',
  '.examples{display:flex;flex-wrap:wrap;gap:.4rem;margin:.3rem 0 1.1rem}',
  '.examples img{width:4.5rem;height:auto;border-radius:6px}',
]

/** Pictures shown of each concept, and their longer side. */
const shownExamples = 8
const side = 144

async function thumbnails(examples: readonly Explained[]): Promise<string> {
  const pictures = examples.filter(example => example instanceof Image).slice(0, shownExamples)
  const shown = await Promise.all(
    pictures.map(async picture => {
      const scale = Math.min(1, side / Math.max(picture.width, picture.height))
      const size = (length: number) => Math.max(1, Math.round(length * scale))
      const small =
        scale === 1 ? picture : await resample(picture, size(picture.width), size(picture.height), 'bilinear')
      return `<img src="data:image/png;base64,${Buffer.from(await small.toPng()).toString('base64')}" width="${small.width}" height="${small.height}" alt="">`
    }),
  )
  return shown.length > 0 ? `<div class="examples">${shown.join('')}</div>` : ''
}

/** The share of inputs whose target rises, from 0 to 1, with a dot for each random counterpart over what chance gave. */
function chart(
  signCounts: readonly number[],
  mean: number,
  chance: readonly number[],
  isRandom: boolean,
): string {
  const x = (share: number) => `${(2 + 96 * share).toFixed(2)}%`
  const [low, high] = [Math.min(...chance), Math.max(...chance)]
  const width = `${(96 * (high - low)).toFixed(2)}%`
  const color = isRandom ? 'var(--soft)' : 'var(--accent)'
  const dots = signCounts.map(
    share => `<circle cx="${x(share)}" cy="50%" r="3" fill="${color}" fill-opacity=".35"/>`,
  )
  return (
    `<svg role="img" aria-label="${escapeMarkup(`${formatPercent(mean)}; chance ${formatPercent(low)} to ${formatPercent(high)}`)}">` +
    `<rect x="${x(low)}" width="${width}" y="10%" height="80%" fill="currentColor" fill-opacity=".08"/>` +
    `<line x1="${x(0)}" x2="${x(1)}" y1="50%" y2="50%" stroke="currentColor" stroke-opacity=".2"/>` +
    `<line x1="${x(0.5)}" x2="${x(0.5)}" y1="15%" y2="85%" stroke="currentColor" stroke-opacity=".2"/>` +
    `${dots.join('')}<line x1="${x(mean)}" x2="${x(mean)}" y1="12%" y2="88%" stroke="${color}" stroke-width="3"/></svg>`
  )
}

function row(concept: TcavConcept, chance: readonly number[]): string {
  const { name, signCount, signCounts, magnitude, accuracy, isReliable, pValue } = concept
  const isMore = isReliable && pValue < significantBelow
  const verdict = isReliable ? (isMore ? 'yes' : 'no') : 'unreliable'
  return (
    `<tr><th scope="row">${escapeMarkup(name)}</th><td class="chart">${chart(signCounts, signCount, chance, false)}</td>` +
    `<td class="number">${formatPercent(signCount)}</td><td class="number">${formatNumber(magnitude)}</td><td class="number">${formatPercent(accuracy)}</td>` +
    `<td class="number">${formatNumber(Number(pValue.toPrecision(2)))}</td><td class="${isReliable ? (isMore ? 'yes' : '') : 'unsure'}">${verdict}</td></tr>`
  )
}

function layerMarkup({ layer, concepts, randomSignCounts, target, inputs }: TcavResult): string {
  const mean = randomSignCounts.reduce((sum, value) => sum + value, 0) / randomSignCounts.length
  const head = [
    'concept',
    'inputs for which the target rises',
    '',
    'slope',
    'accuracy',
    'p',
    'other than chance',
  ]
  const heads = head.map(
    (text, at) => `<th scope="col"${at > 1 && at < 6 ? ' class="number"' : ''}>${text}</th>`,
  )
  return [
    `<section aria-label="Layer"><h2>In ${escapeMarkup(layer)}</h2>`,
    `<table class="tcav"><thead><tr>${heads.join('')}</tr></thead><tbody>`,
    ...concepts.map(concept => row(concept, randomSignCounts)),
    `<tr><th scope="row"><em>random sets</em></th><td class="chart">${chart(randomSignCounts, mean, randomSignCounts, true)}</td><td class="number">${formatPercent(mean)}</td><td></td><td></td><td></td><td></td></tr>`,
    '</tbody></table>',
    `<p class="note">Target: ${escapeMarkup(target)}; ${inputs} inputs. Left 0 %, right 100 % of them; a dot for each of ${randomSignCounts.length} random counterparts, a bar at their mean, shaded what random sets in a concept's place give. Accuracy is that of the classifiers on examples held out; below 60 % a concept has no direction of its own there. p: Welch's t-test, two-sided, times the number of concepts; not corrected for several layers.</p></section>`,
  ].join('')
}

/**
 * Concepts and their significance on one self-contained page, a table for each layer.
 *
 * @param examples Of each concept, by name; pictures among them are shown.
 */
export async function tcavPage(
  results: readonly TcavResult[],
  examples: Readonly<Record<string, readonly Explained[]>>,
): Promise<string> {
  const [first] = results as [TcavResult]
  const shown: string[] = []
  for (const [name, list] of Object.entries(examples)) {
    const pictures = await thumbnails(list)
    if (pictures !== '')
      shown.push(`<h2>${escapeMarkup(name)} <small>(${list.length})</small></h2>${pictures}`)
  }
  return pageDocument({
    title: `Concepts \u2014 ${first.model.name}`,
    libraryVersion: first.version,
    styles,
    body: [
      '<p class="eyebrow">Concepts \u00b7 what a class is made of</p>',
      `<h1>${escapeMarkup(first.target)}</h1>`,
      `<p class="lead">Tcav \u00b7 model ${escapeMarkup(first.model.name)} \u00b7 ${escapeMarkup(
        Object.entries(first.options)
          .map(([name, value]) => `${name} ${value}`)
          .join(', '),
      )}</p>`,
      ...results.map(layerMarkup),
      ...(shown.length > 0 ? [`<section aria-label="Examples">${shown.join('')}</section>`] : []),
    ],
  })
}
