import type { PlaceChanges } from '../graph/placeLists.js'

/** Copies in which features are removed in an order. */
export interface Ranked {
  readonly kind: 'ranked'
  /**
   * Where each feature stands in the order of removal: scores, the greatest of which goes first and the earlier of two equal ones, or
   * its place itself, from 0.
   */
  readonly order: { readonly scores: Float64Array } | { readonly places: Float32Array }
  /** One copy for each: features with a rank below it are removed. */
  readonly thresholds: readonly number[]
  /** Starts without anything, and thresholds say what comes back. */
  readonly inserts?: boolean
  /** What the map says of each copy. */
  readonly said?: Float64Array
  /** Where the pixels of a picture go patch by patch: how its copies differ. */
  readonly patches?: PlaceChanges
}

/** Copies in which groups of features are removed. */
export interface Masked {
  readonly kind: 'masked'
  readonly players: number
  /** The player of each feature; absent where every feature is its own. */
  readonly playerOf?: Int32Array
  /** Players are the units (pixels, tokens) of the explained values, one value after the other, whatever features are. */
  readonly areUnits?: boolean
  readonly count: number
  /** The players that are removed, of one copy; asked once for each, and read before the next. */
  readonly removed: (at: number) => ArrayLike<number>
  /** How many that is at most, where it is less than all. */
  readonly mostRemoved?: number
  readonly patches?: PlaceChanges
  /** What the map says of each player. */
  readonly weights: Float64Array
  /** Filled while copies are made: what the map says of the players that are gone, added up. */
  readonly said: Float64Array
}

export type CopyContents = readonly (Float32Array | Float64Array)[]

/** Copies that are made elsewhere. */
export interface GivenCopies {
  readonly kind: 'given'
  readonly count: number
  /** Contents of each explained value, in their order: so many copies one after the other. */
  readonly rows: (first: number, count: number) => Promise<CopyContents>
  /** What the map says of each copy; may be filled by `rows`. */
  readonly said?: Float64Array
}

/** Perturbed copies of one sample. */
export type Perturbation = Ranked | Masked | GivenCopies

export const copiesOf = (perturbation: Perturbation): number =>
  perturbation.kind === 'ranked' ? perturbation.thresholds.length : perturbation.count

/** Scores of players, from those of features. */
export function playerScores(
  scores: Float64Array,
  players: number,
  playerOf: Int32Array | undefined,
): Float64Array {
  if (playerOf === undefined) return scores
  const weights = new Float64Array(players)
  for (let feature = 0; feature < scores.length; feature++) weights[playerOf[feature]!]! += scores[feature]!
  return weights
}
