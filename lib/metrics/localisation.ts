import { greatestPositions } from '../data/rankStatistics.js'
import { AscribeError } from '../errors.js'
import { expectNumber, expectOneOf } from '../validate.js'

/** Which share of each score counts as attribution. */
export type ScorePart = 'absolute' | 'positive' | 'signed'

function checkMask(scores: ArrayLike<number>, mask: ArrayLike<number>): void {
  if (mask.length !== scores.length)
    throw new AscribeError(
      'INPUT_SHAPE',
      `The mask has ${mask.length} places, the scores have ${scores.length}`,
    )
  if (scores.length === 0) throw new AscribeError('INPUT_SHAPE', 'There are no scores')
  for (let index = 0; index < scores.length; index++)
    if (!Number.isFinite(scores[index]!))
      throw new AscribeError('NOT_FINITE', `Score ${index} is ${scores[index]}`)
}

/**
 * Relevance mass accuracy: the share of a map's attribution that lies inside a mask, 0 to 1 (Arras et al. 2022,
 * section 3.2, there for non-negative scores).
 *
 * @param scores One score per place, row by row.
 * @param mask Non-zero where attribution belongs; as long as `scores`.
 * @param part `absolute` (default): sizes of scores; `positive`: what speaks for the target; `signed`: scores as they
 *   are, by which the share may leave 0 to 1.
 * @returns NaN where there is no attribution at all, or no mask: neither is a hit nor a miss.
 * @throws AscribeError `INPUT_SHAPE`, `NOT_FINITE`
 */
export function relevanceMass(
  scores: ArrayLike<number>,
  mask: ArrayLike<number>,
  part: ScorePart = 'absolute',
): number {
  checkMask(scores, mask)
  let [inside, total, size] = [0, 0, 0]
  for (let index = 0; index < scores.length; index++) {
    const score = scores[index]!
    const amount = part === 'absolute' ? Math.abs(score) : part === 'positive' ? Math.max(score, 0) : score
    total += amount
    if (mask[index]! === 0) continue
    inside += amount
    size++
  }
  return size === 0 ? Number.NaN : inside / total
}

/**
 * Relevance rank accuracy: of the K strongest places of a map the share that lies inside a mask of K places, 0 to 1
 * (Arras et al. 2022, section 3.2). Among equals the earlier place comes first.
 *
 * @returns NaN for an empty mask.
 * @throws AscribeError `INPUT_SHAPE`, `NOT_FINITE`
 */
export function relevanceRank(scores: ArrayLike<number>, mask: ArrayLike<number>): number {
  checkMask(scores, mask)
  let size = 0
  for (let index = 0; index < mask.length; index++) if (mask[index]! !== 0) size++
  const inside = greatestPositions(scores, size).filter(place => mask[place]! !== 0).length
  return size === 0 ? Number.NaN : inside / size
}

/**
 * Pointing game: whether the strongest score lies inside a mask (Zhang et al. 2018, section 4.3).
 *
 * @param options `width`: of the map, needed with `tolerance`; `tolerance`: how many pixels beside the mask still
 *   count (default 0; the paper has 15); `ties`: of several equally strong places the `share` that hits (default: what
 *   a choice at random would get), or 1 if `any` does, as Quantus has it, by which a map that is the same everywhere
 *   always wins.
 * @returns 0 to 1, or NaN for an empty mask.
 * @throws AscribeError `INPUT_SHAPE`, `NOT_FINITE`, `OPTION_RANGE`
 */
export function pointingGame(
  scores: ArrayLike<number>,
  mask: ArrayLike<number>,
  options: { width?: number; tolerance?: number; ties?: 'share' | 'any' } = {},
): number {
  checkMask(scores, mask)
  const tolerance = expectNumber('tolerance', options.tolerance ?? 0, 0)
  const width = expectNumber('width', options.width ?? scores.length, 1)
  const ties = expectOneOf('ties', options.ties ?? 'share', ['share', 'any'])
  if (tolerance > 0 && (options.width === undefined || scores.length % width !== 0))
    throw new AscribeError('OPTION_RANGE', `A tolerance needs the map's width, received ${options.width}`)
  const places = Array.from({ length: mask.length }, (_, index) => index)
  const inside = places.filter(index => mask[index]! !== 0)
  if (inside.length === 0) return Number.NaN
  const greatest = places.reduce((most, index) => Math.max(most, scores[index]!), Number.NEGATIVE_INFINITY)
  const isHit = (place: number): boolean => {
    if (mask[place]! !== 0) return true
    if (tolerance === 0) return false
    const [x, y] = [place % width, Math.floor(place / width)]
    return inside.some(at => ((at % width) - x) ** 2 + (Math.floor(at / width) - y) ** 2 <= tolerance ** 2)
  }
  const strongest = places.filter(index => scores[index]! === greatest)
  const hits = strongest.filter(isHit).length
  return ties === 'any' ? Number(hits > 0) : hits / strongest.length
}
