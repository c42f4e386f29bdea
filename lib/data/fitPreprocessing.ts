import { AscribeError } from '../errors.js'
import type { Preprocessing, Size } from './preprocessing.js'

/** A dimension of a model's input: a number where it is fixed, anything else where it is free. */
export type ModelDimension = number | string | null | undefined

/**
 * Makes a preprocessing agree with the shape of a model's input.
 *
 * A description must agree as it is. A preset follows the model: its layout is the one whose channel axis fits, its
 * crop is the model's fixed size (SqueezeNet's 227), and its shorter side stays where the crop is 87.5 % to 100 % of
 * it (224 to 256 of 256), else it becomes crop / 0.875, the share that torchvision and TensorFlow use (342 for 299).
 *
 * @param shape The model's input shape, rank 4. Numbers are fixed dimensions; strings, null and -1 are free.
 * @returns A preprocessing whose result has that shape, where the shape is fixed.
 * @throws AscribeError `INPUT_SHAPE` where the two cannot agree.
 */
export function fitPreprocessing(
  preprocessing: Preprocessing,
  shape: readonly ModelDimension[],
): Preprocessing {
  const fail = (what: string): AscribeError =>
    new AscribeError(
      'INPUT_SHAPE',
      `preprocessing ${preprocessing.name} does not fit the model's input [${shape.map(size => size ?? '?').join(', ')}]: ${what}`,
    )
  if (shape.length !== 4) throw fail('pictures need an input of rank 4')
  const channels = preprocessing.channelOrder === 'L' ? 1 : 3
  const layout = fitLayout(preprocessing, shape, channels)
  const channelAxis = layout === 'NCHW' ? 1 : 3
  if (isFixed(shape[channelAxis]) && shape[channelAxis] !== channels)
    throw fail(`it gives ${channels} channels in ${layout} order`)
  const [height, width] = layout === 'NCHW' ? [shape[2], shape[3]] : [shape[1], shape[2]]
  if (!isFixed(width) || !isFixed(height)) {
    const given = outputSize(preprocessing)
    if (
      given !== undefined &&
      ((isFixed(width) && width !== given.width) || (isFixed(height) && height !== given.height))
    )
      throw fail(`it gives ${given.width} x ${given.height} pixels`)
    return { ...preprocessing, layout }
  }
  const given = outputSize(preprocessing)
  if (given === undefined || (given.width === width && given.height === height))
    return { ...preprocessing, layout }
  if (!preprocessing.followsModel) throw fail(`it gives ${given.width} x ${given.height} pixels`)
  return { ...preprocessing, layout, ...fitSizes(preprocessing, { width, height }) }
}

function isFixed(dimension: ModelDimension): dimension is number {
  return typeof dimension === 'number' && dimension > 0
}

function fitLayout(
  preprocessing: Preprocessing,
  shape: readonly ModelDimension[],
  channels: number,
): Preprocessing['layout'] {
  if (!preprocessing.followsModel) return preprocessing.layout
  const first = shape[1] === channels
  const last = shape[3] === channels
  if (first === last) return preprocessing.layout
  return first ? 'NCHW' : 'NHWC'
}

/** The size of the result, where it does not depend on the picture. */
function outputSize({ crop, resize }: Preprocessing): Size | undefined {
  if (crop !== 'none') return crop
  if (resize !== 'none' && 'width' in resize) return resize
  return undefined
}

function fitSizes({ resize, crop }: Preprocessing, size: Size): Pick<Preprocessing, 'resize' | 'crop'> {
  if (crop === 'none') return { resize: size, crop }
  if (resize === 'none' || 'width' in resize) return { resize, crop: size }
  const longest = Math.max(size.width, size.height)
  const share = longest / resize.shortestEdge
  // A preset without a margin (CLIP: 224 of 224) keeps having none.
  const hasMargin = Math.max(crop.width, crop.height) < resize.shortestEdge
  if (!hasMargin) return { resize: { shortestEdge: longest }, crop: size }
  if (share >= 0.875 && share <= 1) return { resize, crop: size }
  return { resize: { shortestEdge: Math.round(longest / 0.875) }, crop: size }
}
