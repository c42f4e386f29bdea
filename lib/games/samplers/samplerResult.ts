/** What a sampler over a game finds. */
export interface SamplerResult {
  /** One score a player. */
  readonly scores: Float64Array
  /** Standard error of each score, of samplers that can tell. */
  readonly errors?: Float64Array
  /** Value of all players, where it was asked for. */
  readonly full?: number
  /** Value of nobody, where it was asked for. */
  readonly empty?: number
  /** Of a surrogate: its constant. */
  readonly intercept?: number
  /** Samples that the scores stand on. */
  readonly samples: number
  /** What a reader of the scores must know. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[]
}

/** Norm of the standard errors relative to that of the scores; undefined before anything is known. */
export function relativeError(scores: Float64Array, errors: Float64Array): number | undefined {
  const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
  const error = norm(errors)
  if (Number.isNaN(error)) return undefined
  const size = norm(scores)
  return size === 0 ? (error === 0 ? 0 : Number.POSITIVE_INFINITY) : error / size
}

/** Said where all values are the same: no score means anything. */
export const constantWarning = {
  code: 'CONSTANT_SCORES',
  message: 'The target had the same value under every mask, so all scores are zero.',
} as const

/** Whether several values are all equal. */
export const areEqual = (values: ArrayLike<number>): boolean =>
  Array.from(values).every(value => value === values[0])

/** Coalitions of one round: enough to fill the batches of any device, few enough for progress and budgets. */
export const samplesPerRound = 64
