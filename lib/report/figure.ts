import type { Image } from '../data/image.js'
import type { Placement } from '../data/placement.js'
import { expectInteger, expectKnownKeys, expectNumber, expectOneOf } from '../validate.js'
import { drawHeatMap, drawOverlay } from './heatMap.js'
import { enlarge, type MapInterpolation, placeOnPicture, type ScoreMap, smooth } from './scoreMap.js'
import { type ScoreRange, scoreRange } from './scoreRange.js'

/** How scores are drawn. Whatever is not the default is said in the caption. */
export interface FigureOptions {
  /** The percentile of the absolute scores that gets the strongest colour. Default 99.5. */
  percentile?: number
  /** How cells are drawn on a larger picture. Default `bilinear` on a picture. */
  interpolation?: MapInterpolation
  /** Standard deviation, in cells, of a Gaussian that smooths the map before it is drawn. Default 0: none. */
  smoothing?: number
  /** How much of the picture the strongest score hides, from 0 to 1. Default 0.85. */
  opacity?: number
  /** The least length of the longer side of a map without a picture, in pixels. Default 448. */
  minimumSize?: number
}

/** {@link FigureOptions} with every default filled in. */
export type ResolvedFigureOptions = Required<FigureOptions>

/** Scores, drawn. */
export interface Figure {
  readonly range: ScoreRange
  /** What the reader must know about the drawing, in words. */
  readonly caption: string
  /** The heat map, of the picture's size where there is a picture. */
  readonly map: Image
  /** The heat map over the picture. */
  readonly overlay?: Image
  readonly picture?: Image
}

/** Checks figure options and fills in their defaults. */
export function resolveFigureOptions(options: FigureOptions): ResolvedFigureOptions {
  expectKnownKeys('figure options', options, [
    'percentile',
    'interpolation',
    'smoothing',
    'opacity',
    'minimumSize',
  ])
  return {
    percentile: expectNumber('percentile', options.percentile ?? 99.5, 0, 100),
    interpolation: expectOneOf('interpolation', options.interpolation ?? 'bilinear', ['nearest', 'bilinear']),
    smoothing: expectNumber('smoothing', options.smoothing ?? 0, 0, 100),
    opacity: expectNumber('opacity', options.opacity ?? 0.85, 0, 1),
    minimumSize: expectInteger('minimumSize', options.minimumSize ?? 448, 1, 8192),
  }
}

/** Draws a map of scores, over its picture where there is one. */
export async function drawFigure(
  scores: ScoreMap,
  on: { picture: Image; placement: Placement } | undefined,
  options: ResolvedFigureOptions,
): Promise<Figure> {
  const map = smooth(scores, options.smoothing)
  const range = scoreRange(map.values, options.percentile)
  const caption = describeRange(range, options)
  if (on === undefined) {
    const factor = Math.max(1, Math.ceil(options.minimumSize / Math.max(map.width, map.height)))
    return { range, caption, map: await drawHeatMap(enlarge(map, factor), range) }
  }
  const { picture, placement } = on
  const placed = await placeOnPicture(map, placement, picture.width, picture.height, options.interpolation)
  const isPartlyUnseen = placed.values.some(Number.isNaN)
  return {
    range,
    caption: isPartlyUnseen ? `${caption} The model did not see the darkened rim.` : caption,
    map: await drawHeatMap(placed, range),
    overlay: await drawOverlay(picture, placed, range, options.opacity),
    picture,
  }
}

/** What the colours mean, in words. */
export function describeRange(range: ScoreRange, options: Pick<ResolvedFigureOptions, 'smoothing'>): string {
  const parts: string[] = []
  if (range.limit === 0) parts.push('All scores are zero.')
  else if (range.percentile === 100) parts.push('The strongest colour is the greatest absolute score.')
  else
    parts.push(
      `The strongest colour is the ${range.percentile}th percentile of the absolute scores; ` +
        `${Number((range.clippedShare * 100).toPrecision(2))} % lie beyond it.`,
    )
  if (range.isSigned) parts.push('Red speaks for the target, blue against it.')
  if (options.smoothing > 0) parts.push(`Smoothed with a Gaussian of ${options.smoothing} cells.`)
  return parts.join(' ')
}
