import { RandomStream } from '../../games/randomStream.js'

export interface SubsetOptions {
  /** Share of the texts that each subset has. */
  readonly q: number
  /** How many subsets. */
  readonly B: number
  readonly seed: number
  /** Each text is drawn equally often, or one time more. */
  readonly stratified: boolean
  /** Whether few texts are taken all, and never none. */
  readonly guards: boolean
}

/** How many texts a subset has: ⌊nq⌋, with guards at least one, and all of fewer than five. */
export function subsetSize(count: number, { q, guards }: SubsetOptions): number {
  if (!guards) return Math.floor(count * q)
  return count < 5 ? count : Math.max(1, Math.floor(count * q))
}

/**
 * Random subsets of texts, each in ascending order. What subset t holds depends on the seed and t alone; of stratified
 * ones also on those before it.
 */
export function drawSubsets(count: number, options: SubsetOptions): number[][] {
  const size = subsetSize(count, options)
  if (size === count) return [Array.from({ length: count }, (_, at) => at)]
  const drawn = new Int32Array(count)
  return Array.from({ length: options.B }, (_, sample) => {
    const order = new RandomStream(options.seed, 0, sample).permutation(count)
    // Those that were drawn least come first; the sort is stable, so that chance decides among equals.
    const chosen = (options.stratified ? order.toSorted((a, b) => drawn[a]! - drawn[b]!) : order).slice(
      0,
      size,
    )
    for (const text of chosen) drawn[text]!++
    return [...chosen].sort((a, b) => a - b)
  })
}
