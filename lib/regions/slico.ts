import type { Image } from '../data/image.js'
import { AscribeError } from '../errors.js'
import { expectInteger, expectOneOf } from '../validate.js'
import { colorPlanes, type RegionColors } from './colorPlanes.js'
import { expectPicture } from './expectPicture.js'
import { localClusters } from './localClusters.js'
import type { Regions } from './regions.js'
import { renumbered } from './renumbered.js'

export interface SlicoOptions {
  /** The distance between centres in pixels at the start. Default 30: 49 regions of a picture of 224 x 224. */
  size?: number
  /** About how many regions, in place of `size`. */
  count?: number
  /** Default 20. */
  iterations?: number
  /** Default `rgb`, as the LiMA reference calls it; the authors of SLICO use `lab`. */
  colors?: RegionColors
}

/**
 * SLICO superpixels: k-means in colour and place from a hexagonal grid of seeds. Each region's colour distances are
 * measured in the greatest one it has had, so that no compactness is chosen. Connectivity is not enforced: a region may
 * lie in pieces.
 *
 * Source: Achanta et al., "SLIC superpixels compared to state-of-the-art superpixel methods" (2012), and the authors'
 * description of its parameter-free variant. Sizes 30, 27, 25 and 22 give 49, 64, 77 and 100 regions of 224 x 224.
 *
 * @throws AscribeError `OPTION_RANGE` where `size` is greater than the picture.
 */
export function slicoRegions(picture: Image, options: SlicoOptions = {}): Regions {
  expectPicture(picture, options)
  const iterations = expectInteger('iterations', options.iterations ?? 20, 1, 1000)
  const colors = expectOneOf('colors', options.colors ?? 'rgb', ['rgb', 'lab'])
  const { width, height } = picture
  const size = chooseSize(width, height, options)
  const labels = localClusters(colorPlanes(picture, colors), {
    seeds: hexagonalSeeds(width, height, size),
    reach: size,
    iterations,
    spatialWeight: 1 / (size * size),
    adaptive: true,
  })
  return renumbered('slico', [height, width], labels)
}

/** Seeds `size` apart, every second row moved by half of it. */
function hexagonalSeeds(width: number, height: number, size: number): { x: number; y: number }[] {
  const half = Math.floor(size / 2)
  const seeds: { x: number; y: number }[] = []
  for (let y = half, row = 0; y < height; y += size, row++)
    for (let x = row % 2 === 0 ? half : 2 * half; x < width; x += size) seeds.push({ x, y })
  return seeds
}

function chooseSize(width: number, height: number, options: SlicoOptions): number {
  const greatest = Math.min(width, height)
  if (options.size !== undefined && options.count !== undefined)
    throw new AscribeError('OPTION_RANGE', 'Give `size` or `count`, not both')
  if (options.count === undefined)
    return expectInteger('size', options.size ?? Math.min(30, greatest), 2, greatest)
  const count = expectInteger('count', options.count, 1, Math.max(1, Math.floor((width * height) / 4)))
  let best = { size: greatest, error: Number.POSITIVE_INFINITY }
  for (let size = 2; size <= greatest; size++) {
    const error = Math.abs(hexagonalCount(width, height, size) - count)
    if (error <= best.error) best = { size, error }
  }
  return best.size
}

function hexagonalCount(width: number, height: number, size: number): number {
  const half = Math.floor(size / 2)
  const along = (first: number, length: number) => Math.max(0, Math.ceil((length - first) / size))
  const rows = along(half, height)
  return Math.ceil(rows / 2) * along(half, width) + Math.floor(rows / 2) * along(2 * half, width)
}
