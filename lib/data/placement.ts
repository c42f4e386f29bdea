import { AscribeError } from '../errors.js'
import { expectInteger, expectKnownKeys, expectNumber, expectObject } from '../validate.js'

/**
 * Where a model's grid of pixels lies on the picture it was made from, in pixels of that picture (fractions allowed,
 * the origin at its top left corner). Grid cell (column, row) of a grid of `gridWidth` x `gridHeight` cells covers
 * the rectangle from `left + column * width / gridWidth`, `top + row * height / gridHeight` on; the rectangle may
 * reach past the picture where the preprocessing padded.
 */
export interface Placement {
  /** Width of the picture in pixels. */
  readonly sourceWidth: number
  /** Height of the picture in pixels. */
  readonly sourceHeight: number
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** Checks a placement that came from outside and returns a plain copy. */
export function validatePlacement(value: unknown, name = 'placement'): Placement {
  const placement = expectObject(name, value)
  expectKnownKeys(name, placement, ['sourceWidth', 'sourceHeight', 'left', 'top', 'width', 'height'])
  const bound = 1e9
  const result = {
    sourceWidth: expectInteger(`${name}.sourceWidth`, placement.sourceWidth, 1, bound),
    sourceHeight: expectInteger(`${name}.sourceHeight`, placement.sourceHeight, 1, bound),
    left: expectNumber(`${name}.left`, placement.left, -bound, bound),
    top: expectNumber(`${name}.top`, placement.top, -bound, bound),
    width: expectNumber(`${name}.width`, placement.width, 0, bound),
    height: expectNumber(`${name}.height`, placement.height, 0, bound),
  }
  if (result.width === 0 || result.height === 0)
    throw new AscribeError('OPTION_RANGE', `${name}: width and height must be above 0`)
  return result
}
