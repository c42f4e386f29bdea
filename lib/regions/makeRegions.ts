import type { Image } from '../data/image.js'
import { AscribeError } from '../errors.js'
import { expectKnownKeys, expectObject, expectOneOf } from '../validate.js'
import { expectPicture } from './expectPicture.js'
import { maskRegions, type RegionMask } from './maskList.js'
import { gridRegions, type Regions, regionsFromLabels } from './regions.js'
import { type SeedsOptions, seedsRegions } from './seeds.js'
import { type SlicOptions, slicRegions } from './slic.js'
import { type SlicoOptions, slicoRegions } from './slico.js'

/** How a picture is cut into regions: a kind with its options, or regions at hand. */
export type RegionsOption =
  | ({ readonly kind: 'slico' } & SlicoOptions)
  | ({ readonly kind: 'slic' } & SlicOptions)
  | ({ readonly kind: 'seeds' } & SeedsOptions)
  | { readonly kind: 'grid'; readonly rows: number; readonly columns?: number }
  | { readonly kind: 'labels'; readonly labels: ArrayLike<number> }
  | { readonly kind: 'masks'; readonly masks: readonly RegionMask[]; readonly minimumShare?: number }
  | Regions

const known = {
  slico: ['size', 'count', 'iterations', 'colors'],
  slic: ['count', 'compactness', 'iterations', 'colors'],
  seeds: ['count', 'levels', 'iterations', 'bins', 'smoothing'],
  grid: ['rows', 'columns'],
  labels: ['labels'],
  masks: ['masks', 'minimumShare'],
} as const

/**
 * Cuts a picture into regions. The same picture and options give the same regions everywhere.
 *
 * @param picture 8-bit RGB, of the size that the regions shall have: for models, the picture as the model sees it.
 * @throws AscribeError `OPTION_*`, `INPUT_SHAPE` where labels or masks do not fit the picture, `INPUT_VALUE`.
 * @example makeRegions(image, { kind: 'slico', count: 64 })
 */
export function makeRegions(picture: Image, option: RegionsOption = { kind: 'slico' }): Regions {
  expectPicture(picture)
  expectObject('regions', option)
  const shape: [number, number] = [picture.height, picture.width]
  if ('shape' in option) {
    if (option.shape.join() !== shape.join())
      throw new AscribeError(
        'INPUT_SHAPE',
        `The regions are of [${option.shape.join(', ')}], the picture of [${shape.join(', ')}]`,
      )
    return regionsFromLabels(option.labels, option.shape, option.kind)
  }
  const kind = expectOneOf('regions.kind', option.kind, Object.keys(known) as (keyof typeof known)[])
  expectKnownKeys('regions', option, ['kind', ...known[kind]])
  switch (option.kind) {
    case 'slico':
      return slicoRegions(picture, option)
    case 'slic':
      return slicRegions(picture, option)
    case 'seeds':
      return seedsRegions(picture, option)
    case 'grid':
      return gridRegions(...shape, option.rows, option.columns)
    case 'labels':
      return regionsFromLabels(option.labels, shape)
    case 'masks':
      return maskRegions(shape, option.masks, option)
  }
}
