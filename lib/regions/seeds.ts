import type { Image } from '../data/image.js'
import { AscribeError } from '../errors.js'
import { expectInteger } from '../validate.js'
import { expectPicture } from './expectPicture.js'
import { type Regions, regionsFromLabels } from './regions.js'
import { type OwnerGrid, staysConnected } from './seedsOwners.js'

export interface SeedsOptions {
  /** About how many regions: their number is that of a grid. Default 50, which is 49 of a square picture. */
  count?: number
  /** Sizes of blocks that move before pixels do, each half as wide as the one before. Default 3. */
  levels?: number
  /** Rounds over the pixels. Default 10. */
  iterations?: number
  /** Bins of the colour histograms along each channel. Default 5. */
  bins?: number
  /** How strongly a pixel's neighbours smooth the edges: 0 not at all. Default 2. */
  smoothing?: number
}

/**
 * SEEDS superpixels: a grid whose blocks, then smaller blocks, then pixels change to a neighbouring region while the
 * regions' colour histograms become more even. Every region stays in one piece, and their number is that of the grid.
 *
 * Source: Van den Bergh et al., "SEEDS: superpixels extracted via energy-driven sampling" (2012). The strength of the
 * smoothing prior is the one of OpenCV [unconfirmed].
 *
 * @throws AscribeError `OPTION_RANGE` where the picture is too small for that many regions.
 */
export function seedsRegions(picture: Image, options: SeedsOptions = {}): Regions {
  expectPicture(picture, options)
  const { width, height } = picture
  const count = expectInteger('count', options.count ?? 50, 1, width * height)
  const levels = expectInteger('levels', options.levels ?? 3, 1, 10)
  const iterations = expectInteger('iterations', options.iterations ?? 10, 0, 1000)
  const bins = expectInteger('bins', options.bins ?? 5, 2, 16)
  const smoothing = expectInteger('smoothing', options.smoothing ?? 2, 0, 5)

  const rows = Math.max(1, Math.floor(Math.sqrt((count * height) / width)))
  const columns = Math.max(1, Math.floor((rows * width) / height))
  if (rows > height || columns > width)
    throw new AscribeError(
      'OPTION_RANGE',
      `${rows} x ${columns} regions do not fit ${width} x ${height} pixels`,
    )
  const binOf = colorBins(picture, bins)
  const regions = new Histograms(rows * columns, bins ** 3)
  const labels = new Int32Array(width * height)
  const along = (position: number, cells: number, length: number) =>
    Math.min(cells - 1, Math.floor((position * cells) / length))
  for (let pixel = 0; pixel < labels.length; pixel++) {
    const row = along(Math.floor(pixel / width), rows, height)
    labels[pixel] = row * columns + along(pixel % width, columns, width)
    regions.add(labels[pixel]!, binOf[pixel]!, 1)
  }
  // Blocks half as wide as a region, then a quarter …, as long as they hold several pixels.
  for (let level = 1; level < levels; level++) {
    const split = 2 ** level
    if (width < 2 * columns * split || height < 2 * rows * split) break
    moveBlocks(labels, { width, height }, { across: columns * split, down: rows * split }, binOf, regions)
  }
  for (let round = 0; round < iterations; round++)
    movePixels({ width, height, owners: labels }, binOf, regions, smoothing, round % 2 === 1)
  return regionsFromLabels(labels, [height, width], 'seeds')
}

function colorBins({ data }: Image, bins: number): Uint16Array {
  const result = new Uint16Array(data.length / 3)
  const bin = (value: number) => Math.floor((value * bins) / 256)
  for (let pixel = 0, at = 0; pixel < result.length; pixel++, at += 3)
    result[pixel] = (bin(data[at]!) * bins + bin(data[at + 1]!)) * bins + bin(data[at + 2]!)
  return result
}

/** Colour histograms of several regions. */
class Histograms {
  readonly counts: Float64Array
  readonly totals: Float64Array

  constructor(
    count: number,
    readonly bins: number,
  ) {
    this.counts = new Float64Array(count * bins)
    this.totals = new Float64Array(count)
  }
  add(region: number, bin: number, times: number): void {
    this.counts[region * this.bins + bin]! += times
    this.totals[region]! += times
  }
  share(region: number, bin: number): number {
    return this.totals[region] === 0 ? 0 : this.counts[region * this.bins + bin]! / this.totals[region]!
  }
}

interface Size {
  width: number
  height: number
}

/** Each block goes to the neighbouring region whose colours are more like its own than those of the rest of its region. */
function moveBlocks(
  labels: Int32Array,
  { width, height }: Size,
  { across, down }: { across: number; down: number },
  binOf: Uint16Array,
  regions: Histograms,
): void {
  const blocks = new Histograms(across * down, regions.bins)
  const blockOf = new Int32Array(labels.length)
  const grid: OwnerGrid = { width: across, height: down, owners: new Int32Array(across * down) }
  const sizes = new Int32Array(regions.totals.length)
  for (let pixel = 0; pixel < labels.length; pixel++) {
    const x = Math.floor(((pixel % width) * across) / width)
    const block = Math.floor((Math.floor(pixel / width) * down) / height) * across + x
    blockOf[pixel] = block
    grid.owners[block] = labels[pixel]!
    blocks.add(block, binOf[pixel]!, 1)
  }
  for (const owner of grid.owners) sizes[owner]!++
  for (let block = 0; block < grid.owners.length; block++) {
    const owner = grid.owners[block]!
    if (sizes[owner]! < 2) continue
    for (const neighbour of neighboursOf(grid, block)) {
      if (!staysConnected(grid, block)) break
      const without = likeness(blocks, block, regions, owner, true)
      if (likeness(blocks, block, regions, neighbour, false) <= without) continue
      for (let bin = 0; bin < regions.bins; bin++) {
        const pixels = blocks.counts[block * regions.bins + bin]!
        if (pixels === 0) continue
        regions.add(owner, bin, -pixels)
        regions.add(neighbour, bin, pixels)
      }
      grid.owners[block] = neighbour
      sizes[owner]!--
      sizes[neighbour]!++
      break
    }
  }
  for (let pixel = 0; pixel < labels.length; pixel++) labels[pixel] = grid.owners[blockOf[pixel]!]!
}

/** The overlap of a block's colour histogram with a region's, the block itself left out where it belongs to it. */
function likeness(
  blocks: Histograms,
  block: number,
  regions: Histograms,
  region: number,
  withoutBlock: boolean,
): number {
  const size = blocks.totals[block]!
  const total = regions.totals[region]! - (withoutBlock ? size : 0)
  let sum = 0
  for (let bin = 0; bin < regions.bins; bin++) {
    const own = blocks.counts[block * regions.bins + bin]!
    const all = regions.counts[region * regions.bins + bin]! - (withoutBlock ? own : 0)
    sum += Math.min(own / size, all / total)
  }
  return sum
}

/** The other regions beside an element, each once: left, above, right, below. */
function neighboursOf({ width, height, owners }: OwnerGrid, at: number): number[] {
  const x = at % width
  const y = (at - x) / width
  const found: number[] = []
  const see = (other: number) => {
    const owner = owners[other]!
    if (owner !== owners[at] && !found.includes(owner)) found.push(owner)
  }
  if (x > 0) see(at - 1)
  if (y > 0) see(at - width)
  if (x < width - 1) see(at + 1)
  if (y < height - 1) see(at + width)
  return found
}

/** Each pixel on an edge goes to the neighbouring region in which its colour is more frequent. */
function movePixels(
  grid: OwnerGrid,
  binOf: Uint16Array,
  regions: Histograms,
  smoothing: number,
  backwards: boolean,
): void {
  const { owners } = grid
  for (let step = 0; step < owners.length; step++) {
    const pixel = backwards ? owners.length - 1 - step : step
    const neighbours = neighboursOf(grid, pixel)
    if (neighbours.length === 0) continue
    const owner = owners[pixel]!
    const bin = binOf[pixel]!
    const prior = (region: number) => countAround(grid, pixel, region) ** smoothing
    let best = owner
    let greatest = regions.share(owner, bin) * prior(owner)
    for (const neighbour of neighbours) {
      const value = regions.share(neighbour, bin) * prior(neighbour)
      if (value <= greatest) continue
      greatest = value
      best = neighbour
    }
    if (best === owner || regions.totals[owner]! < 2 || !staysConnected(grid, pixel)) continue
    regions.add(owner, bin, -1)
    regions.add(best, bin, 1)
    owners[pixel] = best
  }
}

/** How many of the 8 elements around one belong to a region. */
function countAround({ width, height, owners }: OwnerGrid, at: number, region: number): number {
  const x = at % width
  const y = (at - x) / width
  let count = 0
  for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++)
    for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++)
      if ((row !== y || column !== x) && owners[row * width + column] === region) count++
  return count
}
