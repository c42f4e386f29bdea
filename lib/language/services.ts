import type { Prompt } from './generator.js'

/** What every writer of texts takes. */
export interface TextGenerationOptions {
  /** Tokens to write at most. */
  maximumTokens?: number
  temperature?: number
  topP?: number
  stop?: readonly string[]
  seed?: number
  signal?: AbortSignal
}

/** Writes texts: {@link Generator} by a model of this process, `RemoteGenerator` by an endpoint. */
export interface TextGenerator {
  generate(prompt: Prompt, options?: TextGenerationOptions): Promise<{ readonly text?: string }>
}

/** Says how likely a text is behind another: `Scorer`, `RemoteScorer`. */
export interface TextScorer {
  score(
    request: { readonly text: string; readonly given: string },
    options?: { signal?: AbortSignal },
  ): Promise<{ readonly logProbability: number; readonly logProbabilities: readonly number[] }>
}

/** Vectors of texts: `Embedder`, `RemoteEmbedder`. */
export interface TextEmbedder {
  embed(texts: readonly string[], options?: { signal?: AbortSignal }): Promise<Float32Array[]>
}

/** A premise, and what may follow from it. */
export interface EntailmentPair {
  readonly premise: string
  readonly hypothesis: string
}

/** How much a hypothesis follows from a premise. */
export interface EntailmentScore {
  /** Probability that it follows, from 0 to 1; 0 or 1 where the judge gives none. */
  readonly entailment: number
  /** Where the judge tells the two apart. */
  readonly neutral?: number
  readonly contradiction?: number
}

/** Judges whether hypotheses follow: `Entailment`, `RemoteEntailment`. */
export interface TextEntailment {
  judge(pairs: readonly EntailmentPair[], options?: { signal?: AbortSignal }): Promise<EntailmentScore[]>
}
