import { AscribeError } from '../../errors.js'

/** Where the maps of a layer lie: its places, and whether they are tokens behind some that are no places. */
export interface CamGeometry {
  readonly kind: 'maps' | 'tokens'
  readonly channels: number
  readonly height: number
  readonly width: number
  /** Tokens before the first place: a class token, registers. */
  readonly leading: number
}

/** What the caller says of tokens; 0, and -1 for `leadingTokens`: to be found from the shape. */
export interface TokenGrid {
  readonly gridHeight: number
  readonly gridWidth: number
  readonly leadingTokens: number
}

/** The numbers of leading tokens that are tried: none, a class token, that and a distillation token, that and four registers. */
const usualLeading = [0, 1, 2, 5]

function gridOf(
  tokens: number,
  given: TokenGrid,
): Pick<CamGeometry, 'height' | 'width' | 'leading'> | undefined {
  const { gridHeight, gridWidth, leadingTokens } = given
  if (gridHeight > 0 && gridWidth > 0) {
    const leading = tokens - gridHeight * gridWidth
    const fits = leading >= 0 && (leadingTokens < 0 || leadingTokens === leading)
    return fits ? { height: gridHeight, width: gridWidth, leading } : undefined
  }
  for (const leading of leadingTokens >= 0 ? [leadingTokens] : usualLeading) {
    const side = Math.round(Math.sqrt(Math.max(0, tokens - leading)))
    if (side > 1 && side * side === tokens - leading) return { height: side, width: side, leading }
  }
  return undefined
}

/**
 * The maps [1, K, height, width] of a layer, or its tokens [1, T, K] as the places of a picture.
 *
 * @throws AscribeError LAYER_NOT_FOUND where it holds neither.
 */
export function camGeometry(name: string, shape: readonly number[], given: TokenGrid): CamGeometry {
  if (shape.length === 4) {
    const [, channels, height, width] = shape as [number, number, number, number]
    return { kind: 'maps', channels, height, width, leading: 0 }
  }
  const grid = shape.length === 3 ? gridOf(shape[1]!, given) : undefined
  if (grid && shape[0] === 1) return { kind: 'tokens', channels: shape[2]!, ...grid }
  throw new AscribeError(
    'LAYER_NOT_FOUND',
    `"${name}" of shape [${shape.join(', ')}] holds no maps: expected [1, K, height, width], or tokens of a picture [1, T, K]`,
    {
      hint: 'Tokens whose grid is not square: options gridHeight and gridWidth. `ascribe inspect MODEL --layers` lists layers with their shapes.',
    },
  )
}

/** Where the element of a channel and a place lies in the layer. */
export const camElement = (
  { kind, channels, height, width, leading }: CamGeometry,
  channel: number,
  place: number,
): number => (kind === 'maps' ? channel * height * width + place : (leading + place) * channels + channel)
