import type { Image } from '../data/image.js'
import { createTensor, elementCount, type Tensor, validateTensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { expectKnownKeys, expectObject, expectString, typeError } from '../validate.js'
import { Picture } from './picture.js'
import { type Units, unitShape, validateUnits } from './units.js'

/** The scores of one of the model's inputs. */
export interface AttributedInput {
  /** The input's name in the model. */
  readonly name: string
  /** What the scores belong to. */
  readonly units: Units
  /** One score for each unit: the shape of the units, after an axis of targets where there are several. */
  readonly scores: Tensor<'f32' | 'f64'>
  /** The picture that the input was made from. */
  readonly picture?: Picture
}

/** An input as it is given to `new Attribution`. */
export interface AttributedInputInit extends Omit<AttributedInput, 'picture'> {
  readonly picture?: Image | Picture
}

/**
 * Checks one input's scores against its units.
 *
 * @param targets The length of the leading axis of targets; undefined where there is none.
 * @throws AscribeError `OPTION_*`, `INPUT_DTYPE`, or `INPUT_SHAPE` where scores and units disagree.
 */
export function validateInput(value: unknown, name: string, targets: number | undefined): AttributedInput {
  const input = expectObject(name, value)
  expectKnownKeys(name, input, ['name', 'units', 'scores', 'picture'])
  const units = validateUnits(input.units, `${name}.units`)
  const scores = validateTensor(input.scores as Tensor<'f32' | 'f64'>, `${name}.scores`)
  if (scores.dtype !== 'f32' && scores.dtype !== 'f64')
    throw new AscribeError('INPUT_DTYPE', `${name}.scores must be f32 or f64, not ${scores.dtype}`)
  const shape = targets === undefined ? unitShape(units) : [targets, ...unitShape(units)]
  elementCount(shape, `${name}.units`)
  if (shape.length !== scores.shape.length || shape.some((size, axis) => size !== scores.shape[axis]))
    throw new AscribeError(
      'INPUT_SHAPE',
      `${name}.scores has shape [${scores.shape.join(', ')}], its units say [${shape.join(', ')}]`,
    )
  return {
    name: expectString(`${name}.name`, input.name),
    units,
    scores: createTensor(scores.dtype, scores.shape, scores.data),
    ...readPicture(input.picture, `${name}.picture`),
  }
}

function readPicture(value: unknown, name: string): { picture?: Picture } {
  if (value === undefined) return {}
  if (value instanceof Picture) return { picture: value }
  const image = value as Partial<Image>
  if (image?.channels !== 3 || !(image.data instanceof Uint8Array)) throw typeError(name, 'an Image', value)
  return { picture: Picture.fromImage(image as Image) }
}
