import type { Placement } from '../data/placement.js'
import { validatePlacement } from '../data/placement.js'
import { AscribeError } from '../errors.js'
import {
  describeValue,
  expectInteger,
  expectKnownKeys,
  expectObject,
  expectOneOf,
  expectString,
  typeError,
} from '../validate.js'

/** The axes of the scores of a picture; `N` is a batch axis of 1. `HW` has no channels (any more). */
export type GridLayout = 'NCHW' | 'NHWC' | 'CHW' | 'HWC' | 'HW'

/** The pixels of a picture, with or without their channels. */
export interface GridUnits {
  readonly kind: 'grid'
  readonly layout: GridLayout
  /** 1 where the layout is `HW`. */
  readonly channels: number
  readonly height: number
  readonly width: number
  /** Where the grid lies on the original picture; null where there was none. */
  readonly placement: Placement | null
}

/** The tokens of a text. Scores have one number for each token, or a vector of features for each. */
export interface TokenUnits {
  readonly kind: 'tokens'
  readonly tokens: readonly string[]
  /** The length of a token's vector; absent where each token has one score. */
  readonly features?: number
  /** The text that the tokens were made of. */
  readonly text?: string
  /**
   * Where each token lies in the text, in UTF-16 units from the first to behind the last; null for a token that is none
   * of the text's. In the order of the text, and given wherever the text is.
   */
  readonly offsets?: readonly (readonly [start: number, end: number] | null)[]
}

/** The elements of a tensor of any shape. */
export interface TensorUnits {
  readonly kind: 'tensor'
  readonly shape: readonly number[]
}

/** What the scores belong to. New kinds come with new methods; switch on `kind` and expect others. */
export type Units = GridUnits | TokenUnits | TensorUnits

/** The shape of one target's scores. */
export function unitShape(units: Units): number[] {
  if (units.kind === 'tensor') return [...units.shape]
  if (units.kind === 'tokens')
    return units.features === undefined ? [units.tokens.length] : [units.tokens.length, units.features]
  const sizes = { N: 1, C: units.channels, H: units.height, W: units.width }
  return [...units.layout].map(axis => sizes[axis as keyof typeof sizes])
}

const layouts: readonly GridLayout[] = ['NCHW', 'NHWC', 'CHW', 'HWC', 'HW']
const greatestSize = 2 ** 32

/** Checks units that came from outside and returns a plain copy. */
export function validateUnits(value: unknown, name = 'units'): Units {
  const units = expectObject(name, value)
  const kind = expectOneOf(`${name}.kind`, units.kind, ['grid', 'tokens', 'tensor'])
  if (kind === 'grid') return validateGrid(units, name)
  if (kind === 'tokens') return validateTokens(units, name)
  expectKnownKeys(name, units, ['kind', 'shape'])
  if (!Array.isArray(units.shape)) throw typeError(`${name}.shape`, 'an array', units.shape)
  if (units.shape.length > 31)
    throw new AscribeError('OPTION_RANGE', `${name}.shape has more than 31 dimensions`)
  return {
    kind,
    shape: units.shape.map((size, axis) => expectInteger(`${name}.shape[${axis}]`, size, 0, greatestSize)),
  }
}

function validateGrid(units: Record<string, unknown>, name: string): GridUnits {
  expectKnownKeys(name, units, ['kind', 'layout', 'channels', 'height', 'width', 'placement'])
  const layout = expectOneOf(`${name}.layout`, units.layout, layouts)
  return {
    kind: 'grid',
    layout,
    channels: expectInteger(`${name}.channels`, units.channels, 1, layout === 'HW' ? 1 : 65_536),
    height: expectInteger(`${name}.height`, units.height, 1, 65_536),
    width: expectInteger(`${name}.width`, units.width, 1, 65_536),
    placement:
      units.placement === null || units.placement === undefined
        ? null
        : validatePlacement(units.placement, `${name}.placement`),
  }
}

function validateTokens(units: Record<string, unknown>, name: string): TokenUnits {
  expectKnownKeys(name, units, ['kind', 'tokens', 'features', 'text', 'offsets'])
  const { tokens } = units
  if (!Array.isArray(tokens)) throw typeError(`${name}.tokens`, 'an array of strings', tokens)
  const wrong = tokens.findIndex(token => typeof token !== 'string')
  if (wrong >= 0)
    throw new AscribeError(
      'OPTION_TYPE',
      `${name}.tokens[${wrong}] is ${describeValue(tokens[wrong])}, not a string`,
    )
  const result = {
    kind: 'tokens' as const,
    tokens: [...tokens] as string[],
    ...validateOffsets(units, tokens.length, name),
  }
  if (units.features === undefined) return result
  return { ...result, features: expectInteger(`${name}.features`, units.features, 1, 2 ** 24) }
}

/** The text and the places of tokens in it: both or neither. */
function validateOffsets(
  { text, offsets }: Record<string, unknown>,
  count: number,
  name: string,
): Pick<TokenUnits, 'text' | 'offsets'> {
  if (text === undefined && offsets === undefined) return {}
  const whole = expectString(`${name}.text`, text)
  if (!Array.isArray(offsets) || offsets.length !== count)
    throw typeError(`${name}.offsets`, `an array of ${count} places`, offsets)
  let last = 0
  const places = offsets.map((place: unknown, index): readonly [number, number] | null => {
    if (place === null) return null
    const at = `${name}.offsets[${index}]`
    if (!Array.isArray(place) || place.length !== 2) throw typeError(at, 'null or [start, end]', place)
    last = expectInteger(`${at}[0]`, place[0], last, whole.length)
    return [last, expectInteger(`${at}[1]`, place[1], last, whole.length)]
  })
  return { text: whole, offsets: places }
}
