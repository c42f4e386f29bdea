import { type Coalition, isMember } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { atOnce, type Sliced } from '../sliced.js'
import { areEqual, constantWarning, type SamplerResult, samplesPerRound } from './samplerResult.js'

/** The width of the kernel over values: their median, as published code has it, or the median distance of two. */
export type HsicBandwidth = 'median' | 'pairwise'

/** Each sample is compared with every other one. */
export const greatestHsicSamples = 8192

/** A width below this share of the values' spread makes a kernel that sees no two values alike. */
const smallestWidth = 1e-6

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >>> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/**
 * The middle one of the distances of any two values, in ascending order. Distances are not listed: how many are at most so
 * great is counted over the sorted values, and the smallest such bound is found by halving.
 */
export function medianDistance(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  const wanted = (sorted.length * (sorted.length - 1)) / 2
  if (wanted === 0) return 0
  const place = Math.floor(wanted / 2) + 1
  const countWithin = (bound: number) => {
    let [count, first] = [0, 0]
    for (let at = 0; at < sorted.length; at++) {
      while (sorted[at]! - sorted[first]! > bound) first++
      count += at - first
    }
    return count
  }
  if (countWithin(0) >= place) return 0
  let [low, high] = [0, sorted.at(-1)! - sorted[0]!]
  for (;;) {
    const middle = low + (high - low) / 2
    if (middle <= low || middle >= high) return high
    if (countWithin(middle) >= place) high = middle
    else low = middle
  }
}

/**
 * Dependence between each player's membership and the value: `Σ (HKH ∘ HLH) / N` with K = 1.5 - (m_a - m_b)² and a
 * Gaussian kernel L over values. For memberships of 0 and 1 that is cᵀ L c / 2N with c = Hs, s = 2m - 1: one pass over
 * the pairs of samples for all players, in pieces, with no matrix of N x N.
 *
 * @returns One score a player, none negative but for rounding; and the width that was used.
 */
export function* hsicScores(
  players: number,
  coalitions: readonly Coalition[],
  values: readonly number[],
  bandwidth: HsicBandwidth = 'median',
): Sliced<{ scores: Float64Array; width: number; isFallback: boolean }> {
  const count = values.length
  const spread = values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b))
  const atMedian = Math.abs(median(values))
  const isFallback = bandwidth === 'median' && atMedian < smallestWidth * spread
  const width = bandwidth === 'pairwise' || isFallback ? medianDistance(values) || spread : atMedian
  const isIn = new Uint8Array(count * players)
  const means = new Float64Array(players)
  for (const [at, coalition] of coalitions.entries()) {
    for (let player = 0; player < players; player++) {
      const own = isMember(coalition, player) ? 1 : 0
      isIn[at * players + player] = own
      means[player]! += (2 * own - 1) / count
    }
    yield 2 * players
  }
  const scores = new Float64Array(players)
  const shared = new Float64Array(players)
  for (let a = 0; a < count; a++) {
    shared.fill(0)
    let all = 0
    for (let b = 0, from = 0; b < a; b++, from += players) {
      const likeness = Math.exp(-((values[a]! - values[b]!) ** 2) / (2 * width * width))
      all += likeness
      if (b % 128 === 127) yield 128 * (players + 10)
      for (let player = 0; player < players; player++) shared[player]! += likeness * isIn[from + player]!
    }
    for (let player = 0; player < players; player++) {
      // s_b - mean = 2 m_b - 1 - mean, and the same for a.
      const own = 2 * isIn[a * players + player]! - 1 - means[player]!
      const others = 2 * shared[player]! - (1 + means[player]!) * all
      scores[player]! += (own * (own + 2 * others)) / (2 * count)
    }
    yield (a % 128) * (players + 10)
  }
  return { scores, width, isFallback }
}

export interface HsicSettings {
  players: number
  samples: number
  bandwidth: HsicBandwidth
  /** The coalition of each sample. */
  draw: (sample: number) => Coalition
}

/**
 * HSIC attribution over a game. Scores are unsigned: a region that suppresses the value ranks as high as one that
 * supports it.
 *
 * Source: Novello, Fel and Vigouroux, "Making sense of dependence" (2022).
 */
export class HsicPlayer implements CoalitionPlayer<SamplerResult> {
  readonly #settings: HsicSettings
  readonly #coalitions: Coalition[] = []
  readonly #values: number[] = []
  #asked: Coalition[] = []
  #found: SamplerResult | undefined

  constructor(settings: HsicSettings) {
    this.#settings = settings
  }
  next(room: number): readonly Coalition[] {
    const { samples, draw } = this.#settings
    const count = Math.max(0, Math.min(samplesPerRound, samples - this.#values.length, room))
    this.#asked = Array.from({ length: count }, (_, at) => draw(this.#values.length + at))
    return this.#asked
  }
  report(values: readonly Float64Array[]): void {
    this.#found = undefined
    this.#coalitions.push(...this.#asked)
    this.#values.push(...values.map(value => value[0]!))
  }
  result(): SamplerResult {
    return this.#found ?? atOnce(this.#score())
  }
  *settle(forResult: boolean): Sliced<void> {
    if (forResult) this.#found ??= yield* this.#score()
  }

  *#score(): Sliced<SamplerResult> {
    const { players, bandwidth } = this.#settings
    const samples = this.#values.length
    if (areEqual(this.#values))
      return { scores: new Float64Array(players), samples, warnings: [constantWarning] }
    const { scores, width, isFallback } = yield* hsicScores(
      players,
      this.#coalitions,
      this.#values,
      bandwidth,
    )
    return {
      scores,
      samples,
      warnings: isFallback
        ? [
            {
              code: 'BANDWIDTH_ZERO',
              message: `The median of the values is nearly 0 and cannot be the width of a kernel; the median distance of two values, ${width.toPrecision(4)}, was taken.`,
            },
          ]
        : [],
    }
  }
  progress(): number {
    return this.#values.length / this.#settings.samples
  }
}
