import type { Attribution } from '../attribution/attribution.js'
import type { Explainable } from '../model/explainable.js'
import type { AttributeOptions, Explained } from './inputs/gradientMethod.js'
import type { MethodIdentity } from './inputs/gradientResult.js'

/** What every method offers, whatever it stands on. */
export interface AttributionMethod {
  readonly model: Explainable
  /** How it stands in results: its name, every option, its seed. */
  identity(): MethodIdentity
  /** Scores of one input. */
  attribute(input: Explained, options?: AttributeOptions): Promise<Attribution>
  /** Scores of many inputs; each is what {@link attribute} gives for it alone, within the rounding of another batch. */
  attributeBatch(inputs: readonly Explained[], options?: AttributeOptions): Promise<Attribution[]>
  /** Scores one after the other as inputs come: memory does not grow with their number. */
  stream(
    inputs: Iterable<Explained> | AsyncIterable<Explained>,
    options?: AttributeOptions,
  ): AsyncGenerator<Attribution>
}
