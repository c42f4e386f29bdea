import type { AttributionWarning } from '../../attribution/types.js'
import type { TokenScore } from '../../context/contextAttribution.js'
import { topMean } from './topMean.js'

/** Attention of one shortened prompt: what its rows read of the texts that it keeps. */
export interface TraceSample {
  /** Texts that are kept, in order. */
  readonly kept: readonly number[]
  /** Tokens of each. */
  readonly lengths: readonly number[]
  /** Mean over heads and layers, [rows, tokens of these texts]. */
  readonly rows: Float32Array
}

/** Scores of texts from samples. */
export interface TraceScores {
  readonly scores: number[]
  readonly standardErrors: (number | null)[]
  readonly counts: number[]
  /** Mean attention of each token of each text over the samples that have it; empty where its tokens differ. */
  readonly tokens: Float64Array[]
  /** Attention on all texts together, mean over samples. */
  readonly mass: number
}

/** Means over rows [first, end) of a sample, one number for each token. */
function meanOfRows({ rows, lengths }: TraceSample, first: number, end: number): Float64Array {
  const width = lengths.reduce((sum, length) => sum + length, 0)
  const mean = new Float64Array(width)
  for (let row = first; row < end; row++)
    for (let at = 0; at < width; at++) mean[at]! += rows[row * width + at]!
  for (let at = 0; at < width; at++) mean[at]! /= end - first
  return mean
}

/** One running mean and its spread (Welford). */
class Spread {
  count = 0
  mean = 0
  #squares = 0

  add(value: number): void {
    this.count++
    const before = value - this.mean
    this.mean += before / this.count
    this.#squares += before * (value - this.mean)
  }
  get standardError(): number | null {
    return this.count < 2 ? null : Math.sqrt(this.#squares / (this.count - 1) / this.count)
  }
}

/**
 * Scores of samples: of each text the mean of its `avgK` most read tokens, averaged over the samples that keep it
 * (AttnTrace, steps 3 to 6).
 *
 * @param first The first of the samples' rows that count, and behind the last.
 */
export function scoreSamples(
  texts: number,
  samples: readonly TraceSample[],
  avgK: number,
  first: number,
  end: number,
): TraceScores {
  const spreads = Array.from({ length: texts }, () => new Spread())
  const tokens = Array.from({ length: texts }, () => new Float64Array(0))
  const alike = new Array<boolean>(texts).fill(true)
  let mass = 0
  for (const sample of samples) {
    const mean = meanOfRows(sample, first, end)
    mass += mean.reduce((sum, value) => sum + value, 0) / samples.length
    let at = 0
    for (const [place, text] of sample.kept.entries()) {
      const length = sample.lengths[place]!
      spreads[text]!.add(topMean(mean, at, at + length, avgK))
      const own = mean.subarray(at, at + length)
      if (spreads[text]!.count === 1) tokens[text] = own.slice()
      else if (tokens[text]!.length !== length) alike[text] = false
      else for (const [k, value] of own.entries()) tokens[text]![k]! += value
      at += length
    }
  }
  return {
    // A sum of equal numbers over their count may differ from them in the last bit; the running mean does not.
    scores: spreads.map(({ mean }) => mean),
    standardErrors: spreads.map(({ standardError }) => standardError),
    counts: spreads.map(({ count }) => count),
    tokens: tokens.map((sum, text) =>
      alike[text] ? sum.map(value => value / Math.max(1, spreads[text]!.count)) : new Float64Array(0),
    ),
    mass,
  }
}

/** What a reader of such scores must know. */
export function warningsOf(
  { scores, counts, mass }: TraceScores,
  { q, isMean }: { q: number | undefined; isMean: boolean },
): AttributionWarning[] {
  const warnings: AttributionWarning[] = []
  const count = scores.length
  if (count > 1 && scores.every(score => score === scores[0]))
    warnings.push({
      code: 'SCORES_DEGENERATE',
      message: 'All texts have the same score: the ranking is their order',
    })
  if (q !== undefined && q < 1 && count * q < 4)
    warnings.push({
      code: 'SUBSETS_SMALL',
      message: `${count} texts are few for subsets of a share of ${q}: fewer than 4 are kept at once`,
    })
  const never = counts.flatMap((times, at) => (times === 0 ? [at] : []))
  if (never.length > 0)
    warnings.push({
      code: 'TEXTS_NOT_DRAWN',
      message: `No subset has the texts ${never.slice(0, 20).join(', ')}${never.length > 20 ? ' …' : ''}: their scores are 0`,
    })
  if (isMean && mass < 0.01)
    warnings.push({
      code: 'ATTENTION_ELSEWHERE',
      message: `Only ${(100 * mass).toPrecision(2)} % of the attention is on the context`,
    })
  return warnings
}

/** Scores of tokens with their places. */
export function tokenScores(
  tokens: readonly Float64Array[],
  places: (text: number) => readonly Omit<TokenScore, 'score'>[],
): TokenScore[][] {
  return tokens.map((scores, text) => {
    if (scores.length === 0) return []
    return places(text).map((place, at) => ({ ...place, score: scores[at]! }))
  })
}
