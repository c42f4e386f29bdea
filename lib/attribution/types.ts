/** A value that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** Which scalar was explained. */
export interface TargetDescription {
  /** For people, for example `logit of "golden retriever" (class 207)`. */
  readonly description: string
  /** The kind of target, for example `class`. */
  readonly kind?: string
  /** The name of the model's output that it reads. */
  readonly output?: string
  /** The class or position in that output. */
  readonly index?: number
  /** The label of that class. */
  readonly label?: string
  /** The value of the scalar at the input that was explained. */
  readonly value?: number
}

/** One of the model's outputs for the input that was explained. */
export interface OutputEntry {
  readonly index: number
  readonly label?: string
  /** The output as the model gave it, for example a logit. */
  readonly value: number
  /** From 0 to 1, where the output is or was turned into a distribution. */
  readonly probability?: number
}

/** Which model was explained. */
export interface ModelDescription {
  readonly name: string
  /** A hash of its file or files, with its algorithm: `sha256:...`. */
  readonly hash: string
}

/** How the scores were computed. */
export interface MethodDescription {
  /** The method's published name, as its class is called. */
  readonly name: string
  /** Every option, with all defaults filled in. */
  readonly options: { readonly [option: string]: Json }
  /** The seed of all randomness, where there was any. */
  readonly seed?: number
  /** What came out of the run, for example the number of steps that a tolerance needed. */
  readonly details?: { readonly [name: string]: Json }
}

/** Whether the scores add up to what they explain. */
export interface Completeness {
  /** The sum of the scores less the difference. */
  readonly delta: number
  /** The value at the input less the value at the baseline. */
  readonly difference: number
  /** |delta| / |difference|; null where the difference is 0. */
  readonly relative: number | null
}

/** What the method allows to be checked: one entry for each target. */
export interface Checks {
  readonly completeness?: readonly Completeness[]
  /** The standard error of the scores, relative to their norm, of methods that sample. */
  readonly standardError?: readonly number[]
}

/** Something that a reader of the scores must know. */
export interface AttributionWarning {
  /** Stable, for programs, for example `TARGET_SATURATED`. */
  readonly code: string
  readonly message: string
}

/** What the computation cost. */
export interface Cost {
  readonly forwardPasses: number
  readonly backwardPasses: number
  readonly milliseconds: number
  /** The greatest amount of memory beyond the loaded model. */
  readonly peakBytes?: number
}

/** What the computation ran on: with the seed, all that the same bits need. */
export interface Environment {
  readonly device: string
  /** The instruction set, for example `avx2`. */
  readonly isa?: string
  readonly threads?: number
  /** Examples of one pass through the model: results are bit-equal for the same chunk, and within rounding for others. */
  readonly chunk?: number
  /** For example `f32`. */
  readonly precision?: string
  readonly versions?: { readonly [name: string]: string }
}

/** How scores were changed after the method gave them. */
export interface ProcessingStep {
  readonly step: 'aggregate' | 'normalize' | 'slice'
  /** For example the reducer of `aggregate`. */
  readonly how: string
}
