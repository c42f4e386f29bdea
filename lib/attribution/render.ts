import { AscribeError } from '../errors.js'
import { describeRange, drawFigure, type Figure, type ResolvedFigureOptions } from '../report/figure.js'
import type { PagePart } from '../report/html.js'
import type { ScoreMap } from '../report/scoreMap.js'
import { scoreRange } from '../report/scoreRange.js'
import { textParts } from '../report/textParts.js'
import { greatestCharacters, textSvgDocument } from '../report/textSvg.js'
import { tokenRange } from '../report/tokens.js'
import { type Aggregation, aggregateInput } from './aggregate.js'
import type { AttributedInput } from './attributedInput.js'
import type { TokenUnits } from './units.js'

/** An input with one score for each unit: pictures and tokens aggregated if they are not yet, tensors as they are. */
export function flatten(input: AttributedInput, how: Aggregation): AttributedInput {
  if (input.units.kind === 'tensor') return input
  const isFlat =
    input.units.kind === 'grid' ? !input.units.layout.includes('C') : input.units.features === undefined
  if (isFlat) return input
  if (how === 'none')
    throw new AscribeError(
      'REPRESENTATION_UNSUPPORTED',
      `the scores of input ${input.name} have channels, which cannot be drawn`,
      {
        hint: 'Choose an aggregation: sum, mean, absmax or l2.',
      },
    )
  return aggregateInput(input, how, undefined)
}

const greatestCells = 2 ** 24

/** The scores of a flat input without a target axis, as rows and columns. A tensor becomes a matrix by its last axis. */
export function scoreMapOf({ name, units, scores }: AttributedInput): ScoreMap {
  if (units.kind === 'tokens')
    throw new AscribeError(
      'REPRESENTATION_UNSUPPORTED',
      `the scores of input ${name} belong to tokens and make no picture`,
      {
        hint: 'Save as .html, .svg, .json or .npy.',
      },
    )
  const width = units.kind === 'grid' ? units.width : (units.shape.at(-1) ?? 1)
  const height = units.kind === 'grid' ? units.height : scores.data.length / width
  if (scores.data.length === 0 || scores.data.length > greatestCells)
    throw new AscribeError(
      'REPRESENTATION_UNSUPPORTED',
      `${scores.data.length} scores of input ${name} make no picture`,
    )
  return { width, height, values: scores.data }
}

/** Draws a flat input without a target axis. */
export async function figureOf(input: AttributedInput, options: ResolvedFigureOptions): Promise<Figure> {
  const map = scoreMapOf(input)
  const placement = input.units.kind === 'grid' ? input.units.placement : null
  if (input.picture === undefined || placement === null) return drawFigure(map, undefined, options)
  return drawFigure(map, { picture: await input.picture.pixels(), placement }, options)
}

/** A flat input without a target axis as a part of a page. */
export async function pagePart(input: AttributedInput, options: ResolvedFigureOptions): Promise<PagePart> {
  const { name, units } = input
  if (units.kind !== 'tokens') return { kind: 'figure', name, figure: await figureOf(input, options) }
  return { kind: 'tokens', name, ...coloured(units, input, options) }
}

function coloured(units: TokenUnits, { scores }: AttributedInput, { percentile }: ResolvedFigureOptions) {
  const parts = textParts(units, scores.data)
  const range = tokenRange(
    scoreRange(
      parts.flatMap(part => part.score ?? []),
      percentile,
    ),
  )
  return { parts, range, caption: describeRange(range, { smoothing: 0 }) }
}

/** A flat input of tokens without a target axis as an SVG file. */
export function textSvg(
  input: AttributedInput,
  options: ResolvedFigureOptions,
  title: string,
  subtitle: string,
): string {
  const { parts, range, caption } = coloured(input.units as TokenUnits, input, options)
  if (parts.reduce((sum, { text }) => sum + text.length, 0) > greatestCharacters)
    throw new AscribeError(
      'REPRESENTATION_UNSUPPORTED',
      `the text of input ${input.name} is longer than ${greatestCharacters} characters and makes no picture`,
    )
  return textSvgDocument(parts, range, caption, title, subtitle)
}
