import type { Image } from '../data/image.js'
import { expectInteger, expectNumber, expectOneOf } from '../validate.js'
import { colorPlanes, type RegionColors } from './colorPlanes.js'
import { enforceConnectivity } from './connectivity.js'
import { expectPicture } from './expectPicture.js'
import { type ColorPlanes, localClusters } from './localClusters.js'
import type { Regions } from './regions.js'
import { renumbered } from './renumbered.js'

export interface SlicOptions {
  /** About how many regions. Default 49. */
  count?: number
  /** What place weighs beside colour: 1 follows edges, 40 is nearly a grid. Default 10. */
  compactness?: number
  /** Default 10. */
  iterations?: number
  /** Default `lab`, as published. */
  colors?: RegionColors
}

/**
 * SLIC superpixels, each in one piece: k-means in colour and place from a square grid of seeds, which first move to the
 * flattest of their 9 pixels; pieces of less than a quarter of a region's area join a neighbour.
 *
 * Source: Achanta et al., "SLIC superpixels compared to state-of-the-art superpixel methods" (2012), algorithm 1.
 */
export function slicRegions(picture: Image, options: SlicOptions = {}): Regions {
  expectPicture(picture, options)
  const { width, height } = picture
  const count = expectInteger('count', options.count ?? 49, 1, width * height)
  const compactness = expectNumber('compactness', options.compactness ?? 10, 1e-3, 1e6)
  const iterations = expectInteger('iterations', options.iterations ?? 10, 1, 1000)
  const colors = expectOneOf('colors', options.colors ?? 'lab', ['rgb', 'lab'])
  const planes = colorPlanes(picture, colors)
  const spacing = Math.max(1, Math.sqrt((width * height) / count))
  const labels = localClusters(planes, {
    seeds: squareSeeds(planes, spacing),
    reach: Math.ceil(spacing),
    iterations,
    spatialWeight: (compactness / spacing) ** 2,
    adaptive: false,
  })
  const area = Math.floor((spacing * spacing) / 4)
  return renumbered('slic', [height, width], enforceConnectivity(labels, width, height, area))
}

function squareSeeds(planes: ColorPlanes, spacing: number): { x: number; y: number }[] {
  const { width, height } = planes
  const places = (length: number) => {
    const cells = Math.max(1, Math.round(length / spacing))
    return Array.from({ length: cells }, (_, cell) => Math.floor(((cell + 0.5) * length) / cells))
  }
  return places(height).flatMap(y => places(width).map(x => flattest(planes, x, y)))
}

/** The pixel of 3 x 3 around a seed with the smallest gradient, so that no seed lies on an edge. */
function flattest(planes: ColorPlanes, x: number, y: number): { x: number; y: number } {
  let best = { x, y }
  let smallest = gradient(planes, x, y)
  for (let row = y - 1; row <= y + 1; row++)
    for (let column = x - 1; column <= x + 1; column++) {
      const value = gradient(planes, column, row)
      if (value >= smallest) continue
      smallest = value
      best = { x: column, y: row }
    }
  return best
}

function gradient({ width, height, colors }: ColorPlanes, x: number, y: number): number {
  if (x < 1 || y < 1 || x >= width - 1 || y >= height - 1) return Number.POSITIVE_INFINITY
  const at = (y * width + x) * 3
  let sum = 0
  for (let channel = at; channel < at + 3; channel++)
    sum +=
      (colors[channel + 3]! - colors[channel - 3]!) ** 2 +
      (colors[channel + 3 * width]! - colors[channel - 3 * width]!) ** 2
  return sum
}
