import { type Coalition, coalitionKey } from './coalition.js'
import type { Request } from './coalitionGame.js'

/** A set seen from one that it differs from in one region at most. */
export interface Neighbour {
  readonly base: Coalition
  /** The region in which it differs; any where it does not. */
  readonly region: number
}

/** A set of an item. */
export interface KeptSet {
  readonly item: number
  readonly base: Coalition
}

/** Regions in which two sets differ: none, one, or more than one. */
function difference(a: Coalition, b: Coalition): 'none' | 'many' | number {
  let only: 'none' | number = 'none'
  for (const [at, word] of a.entries()) {
    const bits = word ^ b[at]!
    if (bits === 0) continue
    if (only !== 'none' || (bits & (bits - 1)) !== 0) return 'many'
    only = 32 * at + 31 - Math.clz32(bits)
  }
  return only
}

const combine = (a: Coalition, b: Coalition, of: (a: number, b: number) => number): Coalition =>
  a.map((word, at) => of(word, b[at]!))

/**
 * Sets from which the wanted ones differ by one region each: searches ask for one set with each candidate in turn, and
 * for one without. A set that stands alone is its own.
 *
 * @param kept Sets whose values are at hand.
 */
export function neighboursOf(requests: readonly Request[], kept: readonly KeptSet[]): Neighbour[] {
  const found: Neighbour[] = []
  /** How many requests from one on differ from a set in one region. */
  const runLength = (from: number, base: Coalition): number => {
    const { item } = requests[from]!
    let at = from
    while (at < requests.length && requests[at]!.item === item) {
      if (typeof difference(requests[at]!.coalition, base) !== 'number') break
      ++at
    }
    return at - from
  }
  const known = [...kept]
  const isKnown = (item: number, base: Coalition) =>
    known.some(each => each.item === item && coalitionKey(each.base) === coalitionKey(base))
  while (found.length < requests.length) {
    const from = found.length
    const [own, next] = [requests[from]!, requests[from + 1]]
    const candidates: Coalition[] = []
    if (next?.item === own.item) {
      candidates.push(combine(own.coalition, next.coalition, (a, b) => a & b))
      candidates.push(combine(own.coalition, next.coalition, (a, b) => a | b))
    }
    candidates.push(...known.filter(({ item }) => item === own.item).map(({ base }) => base))
    let [best, length] = [own.coalition, 0]
    for (const base of candidates) {
      const reached = runLength(from, base)
      const isCheaper = reached === length && reached > 0 && isKnown(own.item, base)
      if (reached > length || isCheaper) [best, length] = [base, reached]
    }
    // One set alone is worth no base of its own, unless there is one.
    const isAlone = length < 2 && !(length === 1 && isKnown(own.item, best))
    if (isAlone) [best, length] = [own.coalition, 1]
    for (let at = from; at < from + length; ++at) {
      const region = difference(requests[at]!.coalition, best)
      found.push({ base: best, region: typeof region === 'number' ? region : 0 })
    }
    if (!isKnown(own.item, best)) known.push({ item: own.item, base: best })
  }
  return found
}
