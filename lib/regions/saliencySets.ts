import { AscribeError } from '../errors.js'
import { expectInteger, expectObject } from '../validate.js'
import { expectExtent, expectNumbers, type Regions, regionsFromLabels } from './regions.js'

export interface SaliencySetsOptions {
  /** Cells along each side of the grid that the map is shrunk to. Default 10. */
  grid?: number
  /** Cells of a set. Default 4: 25 sets of a grid of 10 x 10. */
  cellsPerSet?: number
}

/** Weights of a linear resize with half-pixel centres, without antialiasing: two places for each cell. */
function linearPlaces(from: number, to: number): { low: number; high: number; share: number }[] {
  return Array.from({ length: to }, (_, cell) => {
    const at = Math.min(from - 1, Math.max(0, ((cell + 0.5) * from) / to - 0.5))
    const low = Math.floor(at)
    return { low, high: Math.min(low + 1, from - 1), share: at - low }
  })
}

/**
 * Regions from a saliency map, for a search that refines it: the map is shrunk to a grid, its cells are sorted by
 * descending score, and consecutive cells make a set, of any places. Region t holds the cells that the map ranks
 * t-th. Cells beyond the last whole set, which the source drops, make one more set.
 *
 * Source: SMDL's code (arXiv 2402.09164): grid 10 and 4 cells for CUB-200-2011, grid 28 and 8 cells for faces.
 *
 * @param map Scores, row by row.
 * @param shape Height and width of the map, which are those of the picture that is cut.
 * @throws AscribeError `INPUT_SHAPE`, `INPUT_VALUE` for NaN or infinity; `OPTION_RANGE` where the grid is finer than the
 *   map, or has fewer cells than a set. A constant map is cut in the order of its cells.
 */
export function saliencySets(
  map: ArrayLike<number>,
  shape: readonly [number, number],
  options: SaliencySetsOptions = {},
): Regions {
  const [height, width] = expectExtent(shape)
  expectNumbers('map', map)
  expectObject('options', options)
  const grid = expectInteger('grid', options.grid ?? 10, 1, Math.min(height, width))
  const cellsPerSet = expectInteger('cellsPerSet', options.cellsPerSet ?? 4, 1, grid * grid)
  if (map.length !== height * width)
    throw new AscribeError('INPUT_SHAPE', `The map has ${map.length} scores, expected ${height} x ${width}`)
  for (let at = 0; at < map.length; ++at)
    if (!Number.isFinite(map[at]!))
      throw new AscribeError('INPUT_VALUE', `The map holds ${map[at]}, not a finite score`)
  const [down, across] = [linearPlaces(height, grid), linearPlaces(width, grid)]
  const cells = down.flatMap(y =>
    across.map(x => {
      const row = (at: number) => {
        const [left, right] = [map[at * width + x.low]!, map[at * width + x.high]!]
        return left + x.share * (right - left)
      }
      return row(y.low) + y.share * (row(y.high) - row(y.low))
    }),
  )
  const ranked = Array.from(cells.keys()).sort((a, b) => cells[b]! - cells[a]! || a - b)
  const setOf = new Int32Array(cells.length)
  for (const [rank, cell] of ranked.entries()) setOf[cell] = Math.floor(rank / cellsPerSet)
  const labels = new Int32Array(height * width)
  for (let y = 0; y < height; ++y)
    for (let x = 0; x < width; ++x) {
      const cell = Math.floor((y * grid) / height) * grid + Math.floor((x * grid) / width)
      labels[y * width + x] = setOf[cell]!
    }
  return regionsFromLabels(labels, shape, 'saliency')
}
