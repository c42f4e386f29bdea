import type { Units } from '../../attribution/units.js'
import { AscribeError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import type { PreparedInput } from '../../model/prepareInput.js'
import { tokenUnits } from '../../model/textInputs.js'

/** What the keys of a model's attention stand for. */
export interface AttentionUnits {
  readonly units: Units
  /** Keys before the first unit: class tokens of a picture. */
  readonly skipped: number
  /** The keys belong to the input's picture. */
  readonly showsPicture: boolean
}

export interface PlaceOptions {
  readonly classTokens: number | undefined
  readonly gridWidth: number | undefined
}

/** Class tokens that are tried: none, one, with distillation, with registers. */
const greatestClassTokens = 8

/**
 * Square patches of a picture of this size that number `keys`, class tokens left out; undefined where none do. The
 * fewest class tokens with which the patches fit are taken.
 */
export function patchGrid(
  keys: number,
  height: number,
  width: number,
  { classTokens, gridWidth }: PlaceOptions,
): { classTokens: number; height: number; width: number } | undefined {
  const candidates =
    classTokens === undefined ? Array.from({ length: greatestClassTokens + 1 }, (_, at) => at) : [classTokens]
  for (const count of candidates) {
    const patches = keys - count
    const columns = gridWidth ?? Math.round(Math.sqrt((patches * width) / height))
    const rows = patches / columns
    if (patches < 1 || !Number.isInteger(rows)) continue
    const isSquare = width * rows === height * columns
    // With both given, any shape of patch is the caller's.
    if (isSquare || (gridWidth !== undefined && classTokens !== undefined))
      return { classTokens: count, height: rows, width: columns }
  }
  return undefined
}

/**
 * Finds out what the keys stand for: patches of the picture that the model sees, or tokens.
 *
 * @throws AscribeError MODEL_CAPABILITY where patches do not fit the picture; INPUT_SHAPE for texts that do not fit.
 */
export function attentionUnits(
  model: Model,
  prepared: PreparedInput,
  keys: number,
  texts: readonly string[] | undefined,
  options: PlaceOptions,
): AttentionUnits {
  const grid = Object.values(prepared.units).find(units => units.kind === 'grid')
  if (grid?.kind === 'grid') {
    const found = patchGrid(keys, grid.height, grid.width, options)
    if (found === undefined)
      throw new AscribeError(
        'MODEL_CAPABILITY',
        `${keys} tokens are no grid of square patches of a picture of ${grid.width} x ${grid.height}`,
        { hint: 'Give the options classTokens and gridWidth.' },
      )
    return {
      units: {
        kind: 'grid',
        layout: 'HW',
        channels: 1,
        height: found.height,
        width: found.width,
        placement: grid.placement,
      },
      skipped: found.classTokens,
      showsPicture: prepared.pictureInput !== undefined,
    }
  }
  const skipped = options.classTokens ?? 0
  const length = keys - skipped
  if (length < 1)
    throw new AscribeError('OPTION_RANGE', `There are ${keys} tokens, and classTokens is ${skipped}`)
  if (skipped === 0) return { units: tokenUnits(model, prepared, keys, texts), skipped, showsPicture: false }
  const whole = tokenUnits(model, prepared, keys, undefined)
  const tokens = texts ?? whole.tokens.slice(skipped)
  if (tokens.length !== length)
    throw new AscribeError('INPUT_SHAPE', `There are ${tokens.length} tokens for ${length} positions`)
  return { units: { kind: 'tokens', tokens: [...tokens] }, skipped, showsPicture: false }
}
