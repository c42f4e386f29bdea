import { AscribeError } from '../../errors.js'
import { type ScoreMap, stretch } from '../../report/scoreMap.js'
import type { Resolved } from '../options.js'
import type { camOptions } from './camOptions.js'

/** Keeps the quotient finite where a map is the same everywhere, which it makes 0. */
const leastRange = 1e-7

function minMax(map: ScoreMap): ScoreMap {
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of map.values) [least, greatest] = [Math.min(least, value), Math.max(greatest, value)]
  const range = leastRange + greatest - least
  return { ...map, values: map.values.map(value => (value - least) / range) }
}

/**
 * The map that a method's options ask for: what speaks for the target, brought to 0 … 1, enlarged to the picture.
 *
 * @param picture Size of the model's input; absent where it has none.
 * @throws AscribeError MODEL_CAPABILITY where a map is to be enlarged to a picture that is not there.
 */
export async function processMap(
  map: ScoreMap,
  { relu, normalize, upsample }: Pick<Resolved<typeof camOptions>, 'relu' | 'normalize' | 'upsample'>,
  picture: { readonly height: number; readonly width: number } | undefined,
): Promise<ScoreMap> {
  const kept = relu ? { ...map, values: map.values.map(value => Math.max(0, value)) } : map
  const ranged = normalize === 'minMax' ? minMax(kept) : kept
  if (upsample === 'none') return ranged
  if (picture === undefined)
    throw new AscribeError(
      'MODEL_CAPABILITY',
      'There is no picture among the inputs [1, C, height, width] to which the map could be enlarged',
      { hint: "Leave out upsample: the map then has the layer's own size." },
    )
  const large = await stretch(ranged, picture.width, picture.height)
  return normalize === 'minMax' ? minMax(large) : large
}
