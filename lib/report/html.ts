import type { Metadata } from '../attribution/metadata.js'
import type { Completeness, Json, TargetDescription } from '../attribution/types.js'
import type { Image } from '../data/image.js'
import { escapeMarkup } from './escape.js'
import type { Figure } from './figure.js'
import { formatBytes, formatMilliseconds, formatNumber, formatPercent } from './format.js'
import { legendMarkup } from './legend.js'
import { pageDocument } from './page.js'
import type { ScoreRange } from './scoreRange.js'
import type { TextPart } from './textParts.js'
import { tokenStyles, tokensMarkup } from './tokens.js'

/** The scores of one input for one target, as a page shows them. */
export type PagePart =
  | { kind: 'figure'; name: string; figure: Figure }
  | {
      kind: 'tokens'
      name: string
      parts: readonly TextPart[]
      range: ScoreRange
      caption: string
    }

/** One target's scores. */
export interface PageSection {
  target: TargetDescription
  completeness?: Completeness
  standardError?: number
  parts: PagePart[]
}

/**
 * One self-contained page: the pictures, what the colours mean, the model's output, the method with every option, the
 * checks, warnings, cost and versions. It loads nothing, runs no script, and its content policy forbids both; every
 * text is escaped.
 */
export async function htmlPage(
  metadata: Metadata,
  sections: readonly PageSection[],
  libraryVersion: string,
): Promise<string> {
  const styles: string[] = []
  const bodies = await Promise.all(
    sections.map((section, index) => sectionMarkup(section, index, sections.length > 1, styles)),
  )
  const first = metadata.targets[0]!
  const title =
    metadata.targets.length > 1 ? `${metadata.targets.length} targets` : (first.label ?? first.description)
  return pageDocument({
    title: `${title} \u2014 ${metadata.method.name}`,
    styles,
    libraryVersion,
    body: [
      `<p class="eyebrow">${escapeMarkup(metadata.method.name)} \u00b7 where this output came from</p>`,
      `<h1>${escapeMarkup(title)}</h1>`,
      `<p class="lead">${escapeMarkup(metadata.targets.length > 1 ? `Model ${metadata.model.name}` : `${first.description} \u00b7 model ${metadata.model.name}`)}</p>`,
      ...warningsMarkup(metadata),
      ...bodies,
      ...metadataCards(metadata, checksMarkup(sections)),
    ],
  })
}

/** What a reader of scores must know. */
export const warningsMarkup = ({ warnings }: Metadata): string[] =>
  warnings.map(
    ({ code, message }) =>
      `<p class="warning" role="note"><strong><code>${escapeMarkup(code)}</code></strong> ${escapeMarkup(message)}</p>`,
  )

/**
 * The model's output, the method with every option, cost and versions, as cards; `checks` are put among them.
 *
 * @param shown Names of the method's details that the page shows otherwise.
 */
export const metadataCards = (metadata: Metadata, checks = '', shown: readonly string[] = []): string[] => [
  '<div class="columns">',
  outputMarkup(metadata),
  checks,
  factsMarkup('Method', methodFacts(metadata, shown)),
  factsMarkup('Cost and environment', costFacts(metadata)),
  ...(metadata.preprocessing === null
    ? []
    : [factsMarkup('Preprocessing', jsonFacts(metadata.preprocessing))]),
  '</div>',
]

async function sectionMarkup(
  section: PageSection,
  index: number,
  isOneOfMany: boolean,
  styles: string[],
): Promise<string> {
  const parts = await Promise.all(
    section.parts.map(async (part, at) => {
      const id = `s${index}p${at}`
      const heading = section.parts.length > 1 ? `<h2>Input <code>${escapeMarkup(part.name)}</code></h2>` : ''
      if (part.kind === 'figure')
        return `<div class="part">${heading}${await figureMarkup(part.figure, id)}</div>`
      styles.push(tokenStyles(part.range, `${id}t`))
      const tokens = tokensMarkup(part.parts, part.range, `${id}t`)
      return `<div class="part">${heading}${tokens}${rangeMarkup(part.range, part.caption, id)}</div>`
    }),
  )
  const { target } = section
  const value = target.value === undefined ? '' : ` (value ${escapeMarkup(formatNumber(target.value))})`
  const heading = isOneOfMany ? `<h2>${escapeMarkup(target.description)}${value}</h2>` : ''
  return `<section aria-label="Scores">${heading}${parts.join('')}</section>`
}

async function figureMarkup(figure: Figure, id: string): Promise<string> {
  const images: [Image, string][] = []
  if (figure.picture !== undefined) images.push([figure.picture, 'The picture'])
  if (figure.overlay !== undefined) images.push([figure.overlay, 'Scores over the picture'])
  images.push([figure.map, figure.picture === undefined ? 'The scores' : 'Scores alone'])
  const figures = await Promise.all(
    images.map(async ([image, caption]) => {
      const source = `data:image/png;base64,${Buffer.from(await image.toPng()).toString('base64')}`
      const size = `width="${image.width}" height="${image.height}"`
      return `<figure><img src="${source}" ${size} alt="${escapeMarkup(caption)}"><figcaption>${escapeMarkup(caption)}</figcaption></figure>`
    }),
  )
  const kind = images.length === 1 ? 'figures one pixelated' : 'figures'
  return `<div class="${kind}">${figures.join('')}</div>${rangeMarkup(figure.range, figure.caption, id)}`
}

/** The colours of a range, and what they mean. */
export function rangeMarkup(range: ScoreRange, caption: string, id: string): string {
  const legend = `<svg viewBox="0 0 480 36" role="img" aria-label="Colour legend">${legendMarkup(range, 480, id)}</svg>`
  return `<div class="legend">${legend}</div><p class="note">${escapeMarkup(caption)}</p>`
}

function outputMarkup({ output, targets }: Metadata): string {
  if (output.length === 0) return ''
  const explained = new Set(targets.map(target => target.index))
  const sizeOf = (entry: (typeof output)[number]): number => Math.abs(entry.probability ?? entry.value)
  const greatest = Math.max(...output.map(sizeOf)) || 1
  const rows = output.map(entry => {
    const width = (sizeOf(entry) / greatest) * 100
    const bar = `<svg aria-hidden="true"><rect width="${width.toFixed(1)}%" height="100%" rx="3" fill="currentColor" fill-opacity=".45"/></svg>`
    const probability =
      entry.probability === undefined
        ? ''
        : `<td class="number">${escapeMarkup(formatPercent(entry.probability))}</td>`
    return (
      `<tr${explained.has(entry.index) ? ' class="explained"' : ''}>` +
      `<td>${escapeMarkup(entry.label ?? `class ${entry.index}`)}</td><td class="bar">${bar}</td>` +
      `<td class="number">${escapeMarkup(formatNumber(entry.value))}</td>${probability}</tr>`
    )
  })
  const mark = output.some(entry => explained.has(entry.index))
    ? '<p class="note">What was explained is marked.</p>'
    : ''
  return `<div class="card"><h2>What the model said</h2><table>${rows.join('')}</table>${mark}</div>`
}

function checksMarkup(sections: readonly PageSection[]): string {
  const facts: [string, string][] = []
  for (const { target, completeness, standardError } of sections) {
    const prefix = sections.length > 1 ? `${target.label ?? target.description}: ` : ''
    if (completeness !== undefined) {
      const { delta, difference, relative } = completeness
      const share = relative === null ? '' : ` (${formatPercent(relative)} of it)`
      facts.push([
        `${prefix}completeness`,
        `The scores add up to the change of ${formatNumber(difference)} with an error of ${formatNumber(delta)}${share}.`,
      ])
    }
    if (standardError !== undefined)
      facts.push([`${prefix}standard error`, `${formatPercent(standardError)} of the scores' norm`])
  }
  if (facts.length === 0) facts.push(['None', 'This method has no check of its own scores.'])
  return factsMarkup('Checks', facts)
}

function factsMarkup(title: string, facts: readonly (readonly [string, string])[]): string {
  const rows = facts.map(
    ([name, value]) => `<tr><th scope="row">${escapeMarkup(name)}</th><td>${escapeMarkup(value)}</td></tr>`,
  )
  return `<div class="card"><h2>${escapeMarkup(title)}</h2><table class="facts">${rows.join('')}</table></div>`
}

/** Settings in words; numbers as they are used, not as they round: they are there to be repeated. */
function jsonText(value: Json): string {
  const words = (item: Json): string => {
    if (item === null) return 'none'
    if (typeof item !== 'object') return String(item)
    if (Array.isArray(item)) return `[${item.map(words).join(', ')}]`
    return Object.entries(item)
      .map(([key, inner]) => `${key} ${words(inner)}`)
      .join(', ')
  }
  const text = words(value)
  return text.length > 400 ? `${text.slice(0, 400)}\u2026` : text
}

function jsonFacts(value: object): [string, string][] {
  return Object.entries(value).map(([key, item]) => [key, jsonText(item as Json)])
}

function methodFacts({ method, processing }: Metadata, shown: readonly string[]): [string, string][] {
  const details = Object.entries(method.details ?? {}).filter(([name]) => !shown.includes(name))
  return [
    ['method', method.name],
    ...jsonFacts(method.options),
    ...(method.seed === undefined ? [] : [['seed', String(method.seed)] as [string, string]]),
    ...jsonFacts(Object.fromEntries(details)).map(([key, value]): [string, string] => [`run: ${key}`, value]),
    ...processing.map(({ step, how }): [string, string] => [`then ${step}`, how]),
  ]
}

function costFacts({ cost, environment, model }: Metadata): [string, string][] {
  const facts: [string, string][] = [
    ['forward passes', formatNumber(cost.forwardPasses)],
    ['backward passes', formatNumber(cost.backwardPasses)],
    ['time', formatMilliseconds(cost.milliseconds)],
  ]
  if (cost.peakBytes !== undefined) facts.push(['peak memory', formatBytes(cost.peakBytes)])
  facts.push(['device', environment.device])
  if (environment.isa !== undefined) facts.push(['instruction set', environment.isa])
  if (environment.threads !== undefined) facts.push(['threads', String(environment.threads)])
  if (environment.precision !== undefined) facts.push(['precision', environment.precision])
  facts.push(...Object.entries(environment.versions ?? {}))
  facts.push(['model', model.name], ['model hash', model.hash])
  return facts
}
