import type { Image } from '../data/image.js'
import { resample } from '../data/resample.js'
import type { ErrorExplanation, ErrorSummary } from '../methods/regions/errorExplanation.js'
import { seenPicture } from '../regions/seenPicture.js'
import { escapeMarkup } from './escape.js'
import { formatPercent } from './format.js'
import { pageDocument } from './page.js'
import { pathChart } from './pathChart.js'
import { drawMarked, drawShown } from './regionPictures.js'

const styles = [
  '.case{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:1.2rem;align-items:start}',
  '@media (max-width:56rem){.case{grid-template-columns:minmax(0,1fr)}}',
  '.case svg{display:block;width:100%;height:auto}',
  '.case .figures{grid-template-columns:repeat(3,minmax(0,1fr))}',
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

/** Small pictures are enlarged, so that regions can be seen. */
const leastSide = 320

async function figure(image: Image, caption: string): Promise<string> {
  const factor = Math.max(1, Math.ceil(leastSide / Math.max(image.width, image.height)))
  const shown =
    factor === 1 ? image : await resample(image, image.width * factor, image.height * factor, 'nearest')
  const source = `data:image/png;base64,${Buffer.from(await shown.toPng()).toString('base64')}`
  return `<figure><img src="${source}" width="${shown.width}" height="${shown.height}" alt="${escapeMarkup(caption)}"><figcaption>${escapeMarkup(caption)}</figcaption></figure>`
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
          `Shown this alone (${formatPercent(peak.area)} of it), the truth has ${formatPercent(peak.probability)}`,
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
          : `What misled: the reddest region lowers the truth by ${formatPercent(greatest)}`,
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
