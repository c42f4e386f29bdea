import { Attribution } from '../attribution/attribution.js'
import type { GridUnits, Units } from '../attribution/units.js'
import { AscribeError } from '../errors.js'
import { stretch } from '../report/scoreMap.js'
import type { RecordedMap } from './sample.js'

/** A coarse map (of a layer, of regions) laid over the pixels of the input that it belongs to. */
async function spread(map: Attribution, onto: GridUnits): Promise<ArrayLike<number>> {
  const [{ units, scores }] = map.aggregate().inputs as [Attribution['inputs'][number]]
  const { width, height } = units as GridUnits
  if (width === onto.width && height === onto.height) return scores.data
  return (await stretch({ width, height, values: scores.data }, onto.width, onto.height)).values
}

/**
 * Scores of a recorded map by the name of what they belong to. A bare list belongs to the only thing explained, and so
 * does the map of a layer, or of the cells of a grid, over the only picture: it is enlarged to its pixels (bilinear).
 */
export async function scoresByName(
  map: RecordedMap,
  names: readonly string[],
  units: Readonly<Record<string, Units>>,
): Promise<Map<string, ArrayLike<number>>> {
  if (map instanceof Attribution) {
    if (map.hasTargetAxis && map.targets.length > 1)
      throw new AscribeError('OPTION_RANGE', `The map has ${map.targets.length} targets; slice one of them`)
    const [only] = names
    const onto = names.length === 1 ? units[only!] : undefined
    const [first] = map.inputs
    if (onto?.kind === 'grid' && map.inputs.length === 1 && first!.units.kind === 'grid') {
      const { width, height } = first!.units
      // Of the picture itself a map may be coarser, never finer: that one is of another picture.
      const isCoarser =
        width <= onto.width && height <= onto.height && width * height < onto.width * onto.height
      if (first!.name !== only || isCoarser) return new Map([[only!, await spread(map, onto)]])
    }
    return new Map(map.inputs.map(({ name, scores }) => [name, scores.data]))
  }
  if (names.length !== 1)
    throw new AscribeError(
      'INPUT_SHAPE',
      `A bare list of scores cannot belong to ${names.length} inputs (${names.join(', ')}); give an Attribution`,
    )
  return new Map([[names[0]!, map]])
}
