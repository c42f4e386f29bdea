import type { AttributedInput } from '../attribution/attributedInput.js'
import { Picture } from '../attribution/picture.js'
import { pagePart } from '../attribution/render.js'
import type { Image } from '../data/image.js'
import type { ComparisonRow, MethodComparison, ShownSample } from '../metrics/methodComparison.js'
import type { Summary } from '../metrics/result.js'
import { escapeMarkup } from './escape.js'
import { resolveFigureOptions } from './figure.js'
import { formatMilliseconds, formatNumber, formatPercent } from './format.js'
import { pageDocument } from './page.js'
import { tokenStyles, tokensMarkup } from './tokens.js'

/** Shades of agreement, which a content policy without inline styles needs as classes. */
const shades = 10
const styles = [
  '.maps{grid-template-columns:repeat(auto-fill,minmax(min(11rem,100%),1fr))}',
  '.scroll{overflow-x:auto}',
  '.scroll table{width:auto;min-width:100%}',
  '.scroll table{font-size:.85rem}',
  '.scroll th,.scroll td,.scroll td.number{white-space:nowrap;padding:.32rem .7rem .32rem 0}',
  '.scroll td.number,.scroll thead th+th{text-align:right}',
  '.maps{margin-top:.8rem}',
  '.scroll thead th{vertical-align:bottom}',
  'tr.null th,tr.null td,figure.null figcaption{color:var(--soft);font-style:italic}',
  // On a strong shade the soft colour of what knows nothing would not be read.
  'table.agreement tr.null td{color:inherit}',
  'td.best{font-weight:700}',
  'td.worse{color:var(--soft);text-decoration:underline dotted}',
  '.interval{display:block;color:var(--soft);font-size:.75rem;font-weight:400}',
  'table.agreement td{text-align:center;font-variant-numeric:tabular-nums;padding:.45rem .6rem;border:1px solid var(--card)}',
  ...Array.from(
    { length: shades + 1 },
    (_, at) =>
      `.a${at}{background:color-mix(in srgb,var(--accent) ${Math.round((at / shades) * 55)}%,var(--card))}`,
  ),
]

const figureOptions = resolveFigureOptions({})

async function imageMarkup(image: Image, caption: string, isNull: boolean): Promise<string> {
  const source = `data:image/png;base64,${Buffer.from(await image.toPng()).toString('base64')}`
  const text = escapeMarkup(caption)
  return `<figure${isNull ? ' class="null"' : ''}><img src="${source}" width="${image.width}" height="${image.height}" alt="${text}"><figcaption>${text}</figcaption></figure>`
}

async function sampleMarkup(
  sample: ShownSample,
  rows: readonly ComparisonRow[],
  at: number,
  added: string[],
): Promise<string> {
  const { target, output, units, picture, maps } = sample
  const [top] = output
  const said =
    top === undefined
      ? ''
      : ` The model says ${top.label ?? `class ${top.index}`}${top.probability === undefined ? '' : ` (${formatPercent(top.probability)})`}.`
  const original = picture === undefined ? undefined : Picture.fromImage(picture)
  const figures: string[] = []
  const texts: string[] = []
  for (const [index, data] of maps.entries()) {
    const { name, isNull } = rows[index]!
    const shape = units.kind === 'grid' ? [units.height, units.width] : [data.length]
    const input: AttributedInput = {
      name,
      units,
      scores: { dtype: 'f32', shape, data },
      ...(original === undefined ? {} : { picture: original }),
    }
    const part = await pagePart(input, figureOptions)
    if (part.kind === 'figure') {
      if (figures.length === 0 && part.figure.picture !== undefined)
        figures.push(await imageMarkup(part.figure.picture, 'The picture', false))
      figures.push(await imageMarkup(part.figure.overlay ?? part.figure.map, name, isNull))
    } else {
      const id = `c${at}r${index}`
      added.push(tokenStyles(part.range, id))
      texts.push(`<h2>${escapeMarkup(name)}</h2>${tokensMarkup(part.parts, part.range, id)}`)
    }
  }
  const body = figures.length > 0 ? `<div class="figures maps">${figures.join('')}</div>` : texts.join('')
  return `<section aria-label="Maps"><h2>${escapeMarkup(sample.name)}</h2><p class="note">Explained: ${escapeMarkup(target.description)}.${escapeMarkup(said)}</p>${body}</section>`
}

/** Three digits are what an interval is good for. */
const short = (value: number): string => formatNumber(Number(value.toPrecision(3)))

interface Column {
  metric: string
  value: string
  better: 'higher' | 'lower' | 'neither'
}

const of = (row: ComparisonRow, { metric, value }: Column): Summary | undefined =>
  row.metrics[metric]?.[value]

/** The best mean of the methods; among maps that know nothing there is no best. */
function bestOf(rows: readonly ComparisonRow[], column: Column): number | undefined {
  const means = rows.filter(row => !row.isNull).map(row => of(row, column)?.mean ?? Number.NaN)
  const defined = means.filter(Number.isFinite)
  if (column.better === 'neither' || defined.length < 2) return undefined
  return column.better === 'higher' ? Math.max(...defined) : Math.min(...defined)
}

/** Whether a method is no better than a map that knows nothing. */
function isNoBetter(row: ComparisonRow, rows: readonly ComparisonRow[], column: Column): boolean {
  const own = of(row, column)?.mean
  if (row.isNull || column.better === 'neither' || own === undefined) return false
  const sign = column.better === 'higher' ? 1 : -1
  return rows.some(each => each.isNull && sign * (of(each, column)?.mean ?? Number.NaN) >= sign * own)
}

function metricsMarkup({ rows, metrics, samples }: MethodComparison): string {
  const columns = metrics.flatMap(({ name, better }): Column[] => {
    const values = [...new Set(rows.flatMap(row => Object.keys(row.metrics[name] ?? {})))]
    return values.map(value => ({ metric: name, value, better }))
  })
  const head = columns.map(({ metric, value, better }) => {
    const arrow = { higher: ' \u2191', lower: ' \u2193', neither: '' }[better]
    return `<th scope="col">${escapeMarkup(metric)}${arrow}<span class="interval">${escapeMarkup(value)}</span></th>`
  })
  const body = rows.map(row => {
    const cells = columns.map(column => {
      const summary = of(row, column)
      if (summary === undefined || summary.count === 0) return '<td class="number">\u2013</td>'
      const isBest = !row.isNull && summary.mean === bestOf(rows, column)
      const kind = isBest ? ' best' : isNoBetter(row, rows, column) ? ' worse' : ''
      const interval =
        samples > 1 ? `<span class="interval">${short(summary.low)} to ${short(summary.high)}</span>` : ''
      return `<td class="number${kind}">${short(summary.mean)}${interval}</td>`
    })
    return `<tr${row.isNull ? ' class="null"' : ''}><th scope="row">${escapeMarkup(row.name)}</th>${cells.join('')}</tr>`
  })
  return [
    '<section aria-label="Metrics"><h2>Metrics</h2>',
    `<div class="scroll"><table><thead><tr><th></th>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>`,
    `<p class="note">\u2191 higher, \u2193 lower is better; the best method is bold, and dotted is what is no better than a map that knows nothing of the model (in italics).${samples > 1 ? ` Means over ${samples} inputs with 95 % intervals.` : ' One input: no intervals, and no general statement.'}</p></section>`,
  ].join('')
}

function agreementMarkup(
  title: string,
  note: string,
  rows: readonly ComparisonRow[],
  matrix: readonly (readonly number[])[],
): string {
  const head = rows.map(({ name }) => `<th scope="col">${escapeMarkup(name)}</th>`)
  const body = rows.map(
    ({ name, isNull }, at) =>
      `<tr${isNull ? ' class="null"' : ''}><th scope="row">${escapeMarkup(name)}</th>${matrix[at]!.map(
        value => {
          const shade = Number.isFinite(value) ? Math.round(Math.min(Math.max(value, 0), 1) * shades) : 0
          return `<td class="a${shade}">${Number.isFinite(value) ? value.toFixed(2).replace('-', '\u2212') : '\u2013'}</td>`
        },
      ).join('')}</tr>`,
  )
  return `<section aria-label="${escapeMarkup(title)}"><h2>${escapeMarkup(title)}</h2><div class="scroll"><table class="agreement"><thead><tr><th></th>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div><p class="note">${escapeMarkup(note)}</p></section>`
}

function costMarkup(rows: readonly ComparisonRow[]): string {
  const body = rows
    .filter(row => row.cost !== undefined)
    .map(({ name, cost, warnings }) => {
      const passes = (count: number) => `<td class="number">${formatNumber(Number(count.toFixed(1)))}</td>`
      return `<tr><th scope="row">${escapeMarkup(name)}</th>${passes(cost!.forwardPasses)}${passes(cost!.backwardPasses)}<td class="number">${formatMilliseconds(cost!.milliseconds)}</td><td>${escapeMarkup(warnings.join(', '))}</td></tr>`
    })
  return `<section aria-label="Cost"><h2>Cost of one map</h2><div class="scroll"><table><thead><tr><th></th><th scope="col">forward passes</th><th scope="col">backward passes</th><th scope="col">time</th><th scope="col">warnings</th></tr></thead><tbody>${body.join('')}</tbody></table></div></section>`
}

/** The comparison on one self-contained page: maps side by side, metrics, agreement and cost. */
export async function comparisonPage(comparison: MethodComparison, libraryVersion: string): Promise<string> {
  const { rows, shown, samples, model, spearman, topOverlap, topShare } = comparison
  const added: string[] = []
  const sections: string[] = []
  for (const [at, sample] of shown.entries()) sections.push(await sampleMarkup(sample, rows, at, added))
  const methods = rows.filter(row => !row.isNull).map(({ name }) => name)
  const title = `${methods.length} methods compared`
  return pageDocument({
    title: `${title} \u2014 ${model}`,
    libraryVersion,
    styles: [...styles, ...added],
    body: [
      '<p class="eyebrow">Comparison \u00b7 where this output came from</p>',
      `<h1>${escapeMarkup(methods.join(', '))}</h1>`,
      `<p class="lead">${samples} ${samples === 1 ? 'input' : 'inputs'} \u00b7 model ${escapeMarkup(model)}</p>`,
      ...sections,
      ...(shown.some(({ picture }) => picture !== undefined)
        ? [
            '<p class="note">Red speaks for what is explained, blue against it; scores without a sign go from dark to light. Each map has its own scale.</p>',
          ]
        : []),
      ...(shown.length < samples
        ? [
            `<p class="note">Maps of the first ${shown.length} inputs are shown; the tables are of all ${samples}.</p>`,
          ]
        : []),
      metricsMarkup(comparison),
      agreementMarkup(
        'Agreement: rank correlation',
        "Spearman's correlation of the scores, unit by unit; 1 is the same order.",
        rows,
        spearman,
      ),
      agreementMarkup(
        'Agreement: strongest units',
        `Share of the strongest ${formatPercent(topShare)} of the units, by size, that two maps have in common; two random maps share ${formatPercent(topShare)} of them.`,
        rows,
        topOverlap,
      ),
      costMarkup(rows),
    ],
  })
}
