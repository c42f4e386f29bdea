import { createYielder } from '../data/eventLoop.js'
import type { Placement } from '../data/placement.js'

/** Scores on a grid, row by row from the top left. NaN where there is no score. */
export interface ScoreMap {
  readonly width: number
  readonly height: number
  readonly values: Float32Array | Float64Array
}

/** How a map is drawn larger than it is: its cells as they are, or smoothly between their centres. */
export type MapInterpolation = 'nearest' | 'bilinear'

/** For one output position: the cells it takes from, and how much of each. */
interface Cells {
  first: number
  weights: number[]
}

/**
 * Lays a map over a picture: each pixel of the picture gets the score of the cell that covers it, or NaN where the
 * model did not look. Where cells are finer than pixels, a pixel gets the mean of the cells under it.
 *
 * @param placement Where the grid lies on the original picture; the picture given here may be a smaller copy.
 */
export async function placeOnPicture(
  map: ScoreMap,
  placement: Placement,
  width: number,
  height: number,
  interpolation: MapInterpolation,
): Promise<ScoreMap> {
  const across = Array.from({ length: width }, (_, column) =>
    cellsUnder(
      column,
      width / placement.sourceWidth,
      placement.left,
      placement.width,
      map.width,
      interpolation,
    ),
  )
  const down = Array.from({ length: height }, (_, row) =>
    cellsUnder(
      row,
      height / placement.sourceHeight,
      placement.top,
      placement.height,
      map.height,
      interpolation,
    ),
  )
  const values = new Float32Array(width * height).fill(Number.NaN)
  const giveWay = createYielder()
  for (let row = 0; row < height; row++) {
    const rows = down[row]
    if (rows === undefined) continue
    for (let column = 0; column < width; column++) {
      const columns = across[column]
      if (columns !== undefined) values[row * width + column] = mix(map, rows, columns)
    }
    await giveWay()
  }
  return { width, height, values }
}

/**
 * A map at another size: bilinear between the centres of its cells where it grows, edges repeated (as a resize without
 * aligned corners has it), the mean of cells where it shrinks.
 */
export function stretch(map: ScoreMap, width: number, height: number): Promise<ScoreMap> {
  const whole = { sourceWidth: width, sourceHeight: height, left: 0, top: 0, width, height }
  return placeOnPicture(map, whole, width, height, 'bilinear')
}

function mix(map: ScoreMap, rows: Cells, columns: Cells): number {
  let sum = 0
  for (let y = 0; y < rows.weights.length; y++) {
    const start = (rows.first + y) * map.width + columns.first
    for (let x = 0; x < columns.weights.length; x++)
      sum += map.values[start + x]! * rows.weights[y]! * columns.weights[x]!
  }
  return sum
}

function cellsUnder(
  pixel: number,
  scale: number,
  origin: number,
  extent: number,
  cells: number,
  interpolation: MapInterpolation,
): Cells | undefined {
  const toCell = (position: number): number => ((position / scale - origin) * cells) / extent
  const centre = toCell(pixel + 0.5)
  if (centre < 0 || centre >= cells) return undefined
  const start = toCell(pixel)
  const end = toCell(pixel + 1)
  if (end - start > 1) return meanOfCells(Math.max(start, 0), Math.min(end, cells))
  if (interpolation === 'nearest') return { first: Math.floor(centre), weights: [1] }
  // Beyond the outermost centres the outermost cell goes on.
  const position = Math.min(Math.max(centre - 0.5, 0), cells - 1)
  const first = Math.floor(position)
  const share = position - first
  return share === 0 ? { first, weights: [1] } : { first, weights: [1 - share, share] }
}

function meanOfCells(start: number, end: number): Cells {
  const first = Math.floor(start)
  const weights: number[] = []
  for (let cell = first; cell < end; cell++)
    weights.push((Math.min(cell + 1, end) - Math.max(cell, start)) / (end - start))
  return { first, weights }
}

/** Draws each cell as a square of `factor` x `factor` pixels. */
export function enlarge(map: ScoreMap, factor: number): ScoreMap {
  const width = map.width * factor
  const height = map.height * factor
  const values = new Float32Array(width * height)
  for (let row = 0; row < height; row++) {
    const start = Math.floor(row / factor) * map.width
    for (let column = 0; column < width; column++)
      values[row * width + column] = map.values[start + Math.floor(column / factor)]!
  }
  return { width, height, values }
}

/**
 * Smooths a map with a Gaussian, for eyes that look for regions rather than pixels. Edges are mirrored, so the sum of
 * the scores stays the same.
 *
 * @param sigma The standard deviation in cells; 0 leaves the map as it is.
 */
export function smooth(map: ScoreMap, sigma: number): ScoreMap {
  if (sigma === 0) return map
  const reach = Math.ceil(sigma * 4)
  const weights = Array.from({ length: 2 * reach + 1 }, (_, index) =>
    Math.exp(-((index - reach) ** 2) / (2 * sigma ** 2)),
  )
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const mirrored = (position: number, length: number): number => {
    const period = 2 * length
    const inside = ((position % period) + period) % period
    return inside < length ? inside : period - 1 - inside
  }
  const pass = (
    source: Float64Array,
    length: number,
    step: number,
    lines: number,
    lineStep: number,
  ): Float64Array => {
    const result = new Float64Array(source.length)
    for (let line = 0; line < lines; line++)
      for (let index = 0; index < length; index++) {
        let sum = 0
        for (let tap = -reach; tap <= reach; tap++)
          sum += source[line * lineStep + mirrored(index + tap, length) * step]! * weights[tap + reach]!
        result[line * lineStep + index * step] = sum / total
      }
    return result
  }
  const across = pass(Float64Array.from(map.values), map.width, 1, map.height, map.width)
  return { ...map, values: pass(across, map.height, map.width, map.width, 1) }
}
