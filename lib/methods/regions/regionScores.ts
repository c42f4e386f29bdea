/** The four terms of the set function, of one set of regions. */
export interface RegionScores {
  /** Probability of the target of what the set shows alone. */
  readonly consistency: number
  /** 1 less the probability of the target of what remains without the set. */
  readonly collaboration: number
  /** How sure the model is of what the set shows: 1 less its normalised entropy, or less its evidential uncertainty. */
  readonly confidence: number
  /** How different the regions of the set are from each other. */
  readonly effectiveness: number
}

/** What each term counts. */
export type RegionWeights = { readonly [term in keyof RegionScores]: number }

/** Where the numbers of a game's value stand. */
export const valueAt = { probability: 0, confidence: 1, tracked: 2 } as const

/**
 * The terms of a set.
 *
 * @param set Value of the set.
 * @param complement Value of all other regions; undefined where collaboration does not count yet, and is 0.
 */
export const scoresOf = (
  set: Float64Array,
  complement: Float64Array | undefined,
  effectiveness: number,
): RegionScores => ({
  consistency: set[valueAt.probability]!,
  collaboration: complement === undefined ? 0 : 1 - complement[valueAt.probability]!,
  confidence: set[valueAt.confidence]!,
  effectiveness,
})

/** The set function: the weighted sum of the terms. */
export const weighted = (weights: RegionWeights, scores: RegionScores): number =>
  weights.consistency * scores.consistency +
  weights.collaboration * scores.collaboration +
  weights.confidence * scores.confidence +
  weights.effectiveness * scores.effectiveness
