import type { RegionsOption } from '../../regions/makeRegions.js'
import { expectObject, rangeError } from '../../validate.js'

/** How the input is cut, as flags say it; objects say more, see {@link RegionsOption}. */
export const regionOptions = {
  regions: {
    kind: 'choice',
    choices: ['auto', 'slico', 'slic', 'seeds', 'grid'],
    default: 'auto',
    description:
      'How the input is cut: superpixels or a grid. auto: SLICO for pictures (side 30 of 224), a grid or single places for tensors.',
  },
  regionCount: {
    kind: 'integer',
    default: undefined as number | undefined,
    minimum: 1,
    maximum: 65_536,
    description: 'About how many regions.',
  },
} as const

/** What a caller may give as regions. */
export type RegionsGiven = RegionsOption | (typeof regionOptions.regions.choices)[number]

/** The regions that a caller asks for; undefined: the default for the input. */
export function regionsAsked(
  given: RegionsGiven | undefined,
  count: number | undefined,
): RegionsOption | undefined {
  if (typeof given === 'object') {
    expectObject('regions', given)
    if (count !== undefined)
      throw rangeError('regionCount', 'no count beside regions that say their own', count)
    return given
  }
  if (given === undefined || given === 'auto')
    return count === undefined ? undefined : { kind: 'slico', count }
  if (given === 'grid') return { kind: 'grid', rows: Math.max(1, Math.round(Math.sqrt(count ?? 49))) }
  return (count === undefined ? { kind: given } : { kind: given, count }) as RegionsOption
}
