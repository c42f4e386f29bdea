import { AscribeError } from '../errors.js'
import { expectNumber, expectObject, typeError } from '../validate.js'
import { expectExtent, type Regions, regionsFromLabels } from './regions.js'

/** One mask of a segmentation model: what is not 0 (or false) belongs to it, row by row. */
export type RegionMask = ArrayLike<number | boolean>

export interface MaskListOptions {
  /** Masks that cover no more than this share of the picture are dropped. Default 0.0005. */
  minimumShare?: number
}

/**
 * Disjoint, covering regions from masks that may overlap, as "segment anything" models give them. Where two masks
 * overlap, the overlap is taken from the one of which it is the smaller share (from the earlier one where the shares
 * are equal), pair by pair in their order, on what earlier pairs left. Small masks are dropped; what no mask covers is
 * one more, last region. Without masks the whole picture is the only region.
 *
 * Source: the LiMA reference code, as recorded in its specification.
 *
 * @param shape [height, width]
 * @throws AscribeError `INPUT_SHAPE`, `OPTION_*`
 */
export function maskRegions(
  shape: readonly [number, number],
  masks: readonly RegionMask[],
  options: MaskListOptions = {},
): Regions {
  const [height, width] = expectExtent(shape)
  const size = height * width
  expectObject('options', options)
  const minimumShare = expectNumber('minimumShare', options.minimumShare ?? 0.0005, 0, 1)
  if (!Array.isArray(masks)) throw typeError('masks', 'a list of masks', masks)
  const kept = masks.map((mask, at) => {
    if (mask?.length !== size)
      throw new AscribeError(
        'INPUT_SHAPE',
        `Mask ${at} has ${mask?.length} elements, expected ${height} x ${width}`,
      )
    return Uint8Array.from({ length: size }, (_, pixel) => (mask[pixel] ? 1 : 0))
  })
  const areas = kept.map(mask => mask.reduce((sum, value) => sum + value, 0))
  for (let first = 0; first < kept.length; first++)
    for (let second = first + 1; second < kept.length; second++) part(kept, areas, first, second)

  const labels = new Int32Array(size).fill(-1)
  for (const [index, mask] of kept.entries()) {
    if (areas[index]! <= minimumShare * size) continue
    for (let pixel = 0; pixel < size; pixel++) if (mask[pixel]) labels[pixel] = index
  }
  // Numbered in the order of the masks, the rest last, not as the pixels are met.
  const present = [...new Set(labels)].filter(label => label >= 0).sort((a, b) => a - b)
  const numbers = new Map(present.map((label, number) => [label, number]))
  return regionsFromLabels(
    labels.map(label => numbers.get(label) ?? present.length),
    shape,
    'masks',
  )
}

function part(masks: Uint8Array[], areas: number[], first: number, second: number): void {
  const [one, other] = [masks[first]!, masks[second]!]
  let overlap = 0
  for (let pixel = 0; pixel < one.length; pixel++) overlap += one[pixel]! & other[pixel]!
  if (overlap === 0) return
  const loser = overlap / areas[first]! > overlap / areas[second]! ? second : first
  const [taken, keeps] = loser === second ? [other, one] : [one, other]
  for (let pixel = 0; pixel < taken.length; pixel++) if (keeps[pixel]) taken[pixel] = 0
  areas[loser]! -= overlap
}
