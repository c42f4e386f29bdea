/** Repeatable random choices (SplitMix64's 32-bit cousin): one seed gives one sequence everywhere. */
export class FuzzRandom {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return (mixed ^ (mixed >>> 16)) >>> 0
  }
  below(limit: number): number {
    return this.next() % limit
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}
