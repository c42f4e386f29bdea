const multiplier0 = 0xd2511f53
const multiplier1 = 0xcd9e8d57
const weyl0 = 0x9e3779b9
const weyl1 = 0xbb67ae85

/** The upper 32 bits of the product of two 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const low = (a & 0xffff) * (b & 0xffff)
  const middle = (a >>> 16) * (b & 0xffff) + Math.floor(low / 65_536)
  const other = (a & 0xffff) * (b >>> 16) + (middle % 65_536)
  return ((a >>> 16) * (b >>> 16) + Math.floor(middle / 65_536) + Math.floor(other / 65_536)) >>> 0
}

/** Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011): a keyed bijection. */
export function philox(counter: readonly number[], key: readonly number[]): Uint32Array {
  let [c0, c1, c2, c3] = counter as [number, number, number, number]
  let [k0, k1] = key as [number, number]
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(multiplier0, c0)
    const high1 = multiplyHigh(multiplier1, c2)
    const low0 = Math.imul(multiplier0, c0)
    const low1 = Math.imul(multiplier1, c2)
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c1 = low1 >>> 0
    c3 = low0 >>> 0
    k0 = (k0 + weyl0) >>> 0
    k1 = (k1 + weyl1) >>> 0
  }
  return Uint32Array.of(c0, c1, c2, c3)
}

/**
 * One stream of random numbers, named by (seed, item, sample), the generator that the native engine has: what a sample
 * draws depends on no batch and on no other sample. Numbers are taken one after the other.
 */
export class RandomStream {
  readonly #key: readonly number[]
  readonly #item: number
  readonly #sample: number
  #block: Uint32Array = new Uint32Array(0)
  #taken = 4
  #blocks = 0

  constructor(seed: number, item: number, sample: number) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]
    this.#item = item >>> 0
    this.#sample = sample >>> 0
  }

  /** 32 random bits. */
  bits(): number {
    if (this.#taken === 4) {
      this.#block = philox([this.#blocks, 0, this.#sample, this.#item], this.#key)
      this.#blocks++
      this.#taken = 0
    }
    return this.#block[this.#taken++]!
  }
  /** Uniform in [0, 1), a multiple of 2^-53. */
  uniform(): number {
    const high = this.bits() >>> 5
    return (high * 2 ** 26 + (this.bits() >>> 6)) / 2 ** 53
  }
  /** Uniform in 0 … count - 1, without bias: what would make one is drawn again. */
  below(count: number): number {
    const bound = 2 ** 32 - (2 ** 32 % count)
    for (;;) {
      const bits = this.bits()
      if (bits < bound) return bits % count
    }
  }
  /** 0 … count - 1 in random order, or the first `length` of it. */
  permutation(count: number, length = count): Int32Array {
    const order = Int32Array.from({ length: count }, (_, at) => at)
    for (let at = 0; at < Math.min(length, count - 1); at++) {
      const other = at + this.below(count - at)
      const kept = order[at]!
      order[at] = order[other]!
      order[other] = kept
    }
    return order.subarray(0, length)
  }
}
