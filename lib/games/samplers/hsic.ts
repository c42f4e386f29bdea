import { type Coalition, isMember } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { areEqual, constantWarning, type SamplerResult, samplesPerRound } from './samplerResult.js'

/** The width of the kernel over values: their median, as published code has it, or the median distance of two. */
export type HsicBandwidth = 'median' | 'pairwise'

/** Squared distances beyond any need cost memory: N x N doubles. */
export const greatestHsicSamples = 8192

/** A width below this share of the values' spread makes a kernel that sees no two values alike. */
const smallestWidth = 1e-6

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >>> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function medianDistance(values: readonly number[]): number {
  const distances: number[] = []
  for (let a = 0; a < values.length; a++)
    for (let b = 0; b < a; b++) distances.push(Math.abs(values[a]! - values[b]!))
  return Float64Array.from(distances).sort()[distances.length >>> 1] ?? 0
}

/**
 * Dependence between each player's membership and the value: `Σ (HKH ∘ HLH) / N` with K = 1.5 - (m_a - m_b)² and a
 * Gaussian kernel L over values. For memberships of 0 and 1 that is sᵀ (HLH) s / 2N with s = 2m - 1: one product for
 * all players.
 *
 * @returns One score a player, none negative but for rounding; and the width that was used.
 */
export function hsicScores(
  players: number,
  coalitions: readonly Coalition[],
  values: readonly number[],
  bandwidth: HsicBandwidth = 'median',
): { scores: Float64Array; width: number; isFallback: boolean } {
  const count = values.length
  const spread = values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b))
  const atMedian = Math.abs(median(values))
  const isFallback = bandwidth === 'median' && atMedian < smallestWidth * spread
  const width = bandwidth === 'pairwise' || isFallback ? medianDistance(values) || spread : atMedian
  const kernel = new Float64Array(count * count)
  const rows = new Float64Array(count)
  for (let a = 0; a < count; a++)
    for (let b = 0; b < count; b++) {
      const value = Math.exp(-((values[a]! - values[b]!) ** 2) / (2 * width * width))
      kernel[a * count + b] = value
      rows[a]! += value / count
    }
  const mean = rows.reduce((sum, row) => sum + row, 0) / count
  const scores = new Float64Array(players)
  const signs = new Float64Array(count)
  for (let player = 0; player < players; player++) {
    let own = 0
    for (let a = 0; a < count; a++) {
      signs[a] = isMember(coalitions[a]!, player) ? 1 : -1
      own += signs[a]!
    }
    let sum = 0
    for (let a = 0; a < count; a++) {
      let row = 0
      for (let b = 0; b < count; b++) row += signs[b]! * (kernel[a * count + b]! - rows[b]!)
      // Centred along the other side too.
      sum += signs[a]! * (row - own * (rows[a]! - mean))
    }
    scores[player] = sum / (2 * count)
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
    this.#coalitions.push(...this.#asked)
    this.#values.push(...values.map(value => value[0]!))
  }
  result(): SamplerResult {
    const { players, bandwidth } = this.#settings
    const samples = this.#values.length
    if (areEqual(this.#values))
      return { scores: new Float64Array(players), samples, warnings: [constantWarning] }
    const { scores, width, isFallback } = hsicScores(players, this.#coalitions, this.#values, bandwidth)
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
