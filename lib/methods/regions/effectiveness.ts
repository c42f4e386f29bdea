import { AscribeError } from '../../errors.js'

/**
 * Angles between the features of regions, over pi: 0 for one direction, 0.5 for orthogonal, 1 for opposite ones.
 *
 * @param features One vector for each region.
 * @returns n x n, row by row.
 * @throws AscribeError `INPUT_VALUE` where a feature is zero or not finite: it has no direction.
 */
export function angularDistances(features: readonly Float64Array[]): Float64Array {
  const count = features.length
  const units = features.map((feature, at) => {
    const norm = Math.sqrt(feature.reduce((sum, value) => sum + value * value, 0))
    if (!(norm > 0) || !Number.isFinite(norm))
      throw new AscribeError(
        'INPUT_VALUE',
        `The feature of region ${at} alone has norm ${norm}, so it has no direction`,
        { hint: 'Set the weight of effectiveness to 0, or take another feature.' },
      )
    return feature.map(value => value / norm)
  })
  const distances = new Float64Array(count * count)
  for (let i = 0; i < count; ++i)
    for (let j = i + 1; j < count; ++j) {
      let cosine = 0
      for (const [at, value] of units[i]!.entries()) cosine += value * units[j]![at]!
      const angle = Math.acos(Math.min(1, Math.max(-1, cosine))) / Math.PI
      distances[i * count + j] = angle
      distances[j * count + i] = angle
    }
  return distances
}

/**
 * Effectiveness of a growing set: for each member the distance to the nearest other one, summed; 0 for fewer than two
 * members. Each member's nearest distance is kept, so that a candidate costs one look at each member.
 */
export class Effectiveness {
  readonly #members: number[] = []
  readonly #nearest: number[] = []

  /** @param distances n x n; undefined: effectiveness does not count and is 0. */
  constructor(
    readonly distances: Float64Array | undefined,
    readonly count: number,
  ) {}

  /** Of the set with one more region. */
  with(region: number): number {
    if (this.distances === undefined || this.#members.length === 0) return 0
    let sum = 0
    let own = Infinity
    for (const [at, member] of this.#members.entries()) {
      const distance = this.distances[member * this.count + region]!
      sum += Math.min(this.#nearest[at]!, distance)
      own = Math.min(own, distance)
    }
    return sum + own
  }

  add(region: number): void {
    if (this.distances === undefined) return
    let own = Infinity
    for (const [at, member] of this.#members.entries()) {
      const distance = this.distances[member * this.count + region]!
      this.#nearest[at] = Math.min(this.#nearest[at]!, distance)
      own = Math.min(own, distance)
    }
    this.#members.push(region)
    this.#nearest.push(own)
  }
}
