import { AscribeError } from '../errors.js'
import { describeRange, drawFigure, type Figure, type ResolvedFigureOptions } from '../report/figure.js'
import type { PagePart } from '../report/html.js'
import type { ScoreMap } from '../report/scoreMap.js'
import { scoreRange } from '../report/scoreRange.js'
import { tokenRange } from '../report/tokens.js'
import { type Aggregation, aggregateInput } from './aggregate.js'
import type { AttributedInput } from './attributedInput.js'

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
        hint: 'Save as .html, .json or .npy.',
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
  const { name, units, scores } = input
  if (units.kind !== 'tokens') return { kind: 'figure', name, figure: await figureOf(input, options) }
  const range = tokenRange(scoreRange(scores.data, options.percentile))
  const caption = describeRange(range, { smoothing: 0 })
  return { kind: 'tokens', name, tokens: units.tokens, scores: scores.data, range, caption }
}
