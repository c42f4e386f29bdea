import type { Image } from '../data/image.js'
import { resample } from '../data/resample.js'
import type { ErrorExplanation, ErrorSummary } from '../methods/regions/errorExplanation.js'
import type { Regions } from '../regions/regions.js'
import { seenPicture } from '../regions/seenPicture.js'
import { escapeMarkup } from './escape.js'
import { formatPercent, formatPoints } from './format.js'
import { pageDocument } from './page.js'
import { pathChart } from './pathChart.js'
import { drawMarked, drawShown } from './regionPictures.js'

const styles = [
  '.case{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:1.2rem;align-items:start}',
  '@media (max-width:56rem){.case{grid-template-columns:minmax(0,1fr)}}',
  '.case svg{display:block;width:100%;height:auto}',
  '.case .figures{grid-template-columns:repeat(3,minmax(0,1fr))}',
  // White with a dark rim: readable on any picture.
  '.mark{fill:#fff;stroke:#000;stroke-width:.28em;stroke-linejoin:round;paint-order:stroke;font-weight:700;text-anchor:middle}',
  '.names{margin:0 0 .8rem;overflow-wrap:anywhere}',
]

/** What was looked at, for the head of the page. */
export interface ErrorsPageHead {
  readonly model: string
  readonly method: string
  readonly folder: string
  /** Pictures with a truth, and how many of them the model gets wrong. */
  readonly pictures: number
  readonly wrong: number
}

const nameOf = ({ index, label }: { index: number; label?: string }): string => label ?? `class ${index}`

/** Regions that lower the truth by less than this share of what the first one does are not numbered. */
const leastNumbered = 0.15

/** Small pictures are enlarged, so that regions can be seen. */
const leastSide = 320

/** A number written on a picture. */
interface PictureMark {
  readonly text: string
  /** In pixels of the picture. */
  readonly x: number
  readonly y: number
}

/** More numbers than this hide what they are written on. */
const mostMarks = 9

/** The first regions of a list, each numbered where it is widest around its middle. */
function numbered(regions: Regions, listed: readonly number[]): PictureMark[] {
  const [, width] = regions.shape as [number, number]
  return listed.slice(0, mostMarks).map((region, at) => {
    const places: number[] = []
    for (const [place, own] of regions.labels.entries()) if (own === region) places.push(place)
    const middle = (of: (place: number) => number) =>
      places.reduce((sum, place) => sum + of(place), 0) / places.length
    const [x, y] = [middle(place => place % width), middle(place => Math.floor(place / width))]
    // A region need not hold its own middle: the place of it that is nearest.
    const distance = (place: number) => ((place % width) - x) ** 2 + (Math.floor(place / width) - y) ** 2
    const nearest = places.reduce((best, place) => (distance(place) < distance(best) ? place : best))
    return { text: String(at + 1), x: (nearest % width) + 0.5, y: Math.floor(nearest / width) + 0.5 }
  })
}

async function figure(image: Image, caption: string, marks: readonly PictureMark[] = []): Promise<string> {
  const factor = Math.max(1, Math.ceil(leastSide / Math.max(image.width, image.height)))
  const shown =
    factor === 1 ? image : await resample(image, image.width * factor, image.height * factor, 'nearest')
  const source = `data:image/png;base64,${Buffer.from(await shown.toPng()).toString('base64')}`
  const { width, height } = shown
  const size = Math.round(width / 18)
  const texts = marks.map(
    ({ text, x, y }) =>
      `<text x="${x * factor}" y="${y * factor + size * 0.35}" class="mark" font-size="${size}">${escapeMarkup(text)}</text>`,
  )
  const alternative = escapeMarkup(caption)
  return `<figure><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${alternative}"><image href="${source}" width="${width}" height="${height}"/>${texts.join('')}</svg><figcaption>${alternative}</figcaption></figure>`
}

/**
 * One wrong prediction as markup: the picture as the model saw it, what of it shows the truth, what misled, and both
 * probabilities along the way.
 */
export async function errorCase(name: string, explanation: ErrorExplanation): Promise<string> {
  const { search, truth, prediction, peak, misleading, path } = explanation
  const { prepared, input, regions } = search.input
  const { preprocessing } = prepared
  const figures: string[] = []
  if (preprocessing !== undefined) {
    const picture = seenPicture(prepared.tensors[input]!, preprocessing)
    figures.push(await figure(picture, 'What the model saw'))
    if (peak !== undefined) {
      const at = path.findIndex(point => point.area >= peak.area - 1e-9)
      const shown = new Set(search.order.slice(0, at + 1))
      figures.push(
        await figure(
          drawShown(picture, regions, region => shown.has(region)),
          `Of this alone (${formatPercent(peak.area)} of the picture) the model gives the truth ${formatPercent(peak.probability)}; numbers say in which order regions were chosen`,
          numbered(regions, [...shown]),
        ),
      )
    }
    const greatest = misleading[0]?.drop ?? 1
    const strengths = new Float64Array(regions.count)
    for (const { region, drop } of misleading) strengths[region] = drop / greatest
    figures.push(
      await figure(
        drawMarked(picture, regions, strengths),
        misleading.length === 0
          ? 'No region misled: nothing lowers the truth'
          : `What misled, from 1 on: that region lowers the probability of the truth by ${formatPoints(greatest)} when it is shown; the paler, the less`,
        numbered(
          regions,
          misleading.filter(({ drop }) => drop >= leastNumbered * greatest).map(({ region }) => region),
        ),
      ),
    )
  }
  const chart = pathChart(
    [
      {
        label: `${nameOf(truth)} (truth)`,
        color: '#2f7d4f',
        points: path.map(point => [point.area, point.truth] as const),
      },
      {
        label: `${nameOf(prediction)} (predicted)`,
        color: '#d62828',
        isDashed: true,
        points: path.map(point => [point.area, point.prediction] as const),
      },
    ],
    peak,
    `Probability of ${nameOf(truth)} and of ${nameOf(prediction)} over the share of the picture that is shown`,
  )
  const highest = explanation.highestConfidence
    .map(({ share, probability }) => `${formatPercent(probability)} within ${formatPercent(share)}`)
    .join(', ')
  return [
    `<section aria-label="${escapeMarkup(name)}">`,
    `<h2><code>${escapeMarkup(name)}</code></h2>`,
    `<p class="names">Predicted <strong>${escapeMarkup(nameOf(prediction))}</strong> (${escapeMarkup(formatPercent(prediction.probability))}), truth <strong>${escapeMarkup(nameOf(truth))}</strong> (${escapeMarkup(formatPercent(truth.probability))})</p>`,
    '<div class="case">',
    `<div class="figures">${figures.join('')}</div>`,
    `<div>${chart}<p class="note">Regions are shown from the one that does most for the truth on. Highest confidence in the truth: ${escapeMarkup(highest)} of the picture.</p></div>`,
    '</div>',
    '</section>',
  ].join('\n')
}

/** The wrong predictions of a folder on one page. Cases come from {@link errorCase}. */
export function errorsPage(
  head: ErrorsPageHead,
  summary: ErrorSummary,
  cases: readonly string[],
  libraryVersion: string,
): string {
  const rows = summary.highestConfidence
    .filter(({ samples }) => samples > 0)
    .map(
      ({ share, mean, samples }) =>
        `<tr><th scope="row">within ${escapeMarkup(formatPercent(share))} of the picture</th><td class="number">${escapeMarkup(formatPercent(mean))}</td><td class="number">${samples} pictures</td></tr>`,
    )
  const explained = cases.length < head.wrong ? ` The first ${cases.length} of them are explained below.` : ''
  const wrong = `${head.wrong} of ${head.pictures} predictions are wrong (${formatPercent(head.wrong / head.pictures)})`
  const averages =
    cases.length === 0
      ? []
      : [
          '<div class="card"><h2>Average highest confidence in the truth</h2>',
          `<table>${rows.join('')}</table>`,
          `<p class="note">The best that some set of regions does for the truth, on average. The peak takes ${escapeMarkup(formatPercent(summary.peakArea))} of the picture: what is shown beyond it does not help.</p></div>`,
        ]
  return pageDocument({
    title: `Wrong predictions of ${head.model}`,
    styles,
    libraryVersion,
    body: [
      `<p class="eyebrow">${escapeMarkup(head.method)} \u00b7 what misled the model</p>`,
      `<h1>Wrong predictions of ${escapeMarkup(head.model)}</h1>`,
      `<p class="lead">${escapeMarkup(`${wrong} in ${head.folder}.${explained}`)}</p>`,
      ...averages,
      ...cases,
    ],
  })
}
