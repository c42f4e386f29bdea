/**
 * Counter-based random numbers in 32-bit integer arithmetic: the k-th number of a stream depends on
 * (seed, item, stream, k) alone, so scene i of seed s is the same on every machine and in any order.
 */
const GOLDEN = 0x9e3779b9

/** A bijection of 32-bit integers that spreads every input bit over the output. */
export function mix32(value: number): number {
  let mixed = value | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

export class CounterRandom {
  readonly #low: number
  readonly #high: number
  #counter = 0

  constructor(seed: number, item: number, stream: number) {
    this.#low = mix32(mix32(seed + GOLDEN) ^ Math.imul(item, 0x85ebca6b) ^ stream)
    // Two keys, because items whose first keys collide must still get different numbers.
    this.#high = mix32(mix32(item + 0x2545f491) ^ Math.imul(stream + 1, 0xc2b2ae35) ^ seed)
  }

  /** The number at a counter of the caller's own (a pixel's position, say), from 0 to 2^32 - 1. */
  at(counter: number): number {
    return mix32(mix32(this.#low + Math.imul(counter, GOLDEN)) ^ this.#high)
  }

  next(): number {
    return this.at(this.#counter++)
  }

  /** A multiple of 2^-24 in [0, 1). */
  unit(): number {
    return (this.next() >>> 8) / 0x1000000
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.unit()
  }

  /** An integer in [0, count). */
  below(count: number): number {
    return Math.floor(this.unit() * count)
  }

  /**
   * A direction on the unit circle. Built from the rational parametrisation rather than sine and cosine,
   * whose last bit differs between mathematical libraries.
   */
  direction(): { cos: number; sin: number } {
    const t = this.unit()
    const scale = 1 / (1 + t * t)
    const [x, y] = [(1 - t * t) * scale, 2 * t * scale]
    const quadrant = this.below(4)
    if (quadrant === 0) return { cos: x, sin: y }
    if (quadrant === 1) return { cos: -y, sin: x }
    if (quadrant === 2) return { cos: -x, sin: -y }
    return { cos: y, sin: -x }
  }
}
