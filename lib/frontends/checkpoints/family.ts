import type { DTypeName } from '#typings/addon.js'
import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import type { Network } from './network.js'
import type { AttentionShape, Sequence } from './sequence.js'

/** An input or output of a model made from a checkpoint. */
export interface CheckpointValue {
  readonly name: string
  readonly dtype: DTypeName
  readonly shape: (number | string)[]
}

/** The whole model as one graph. */
export interface BuiltModel {
  readonly inputs: readonly CheckpointValue[]
  readonly outputs: readonly (CheckpointValue & { readonly value: Value })[]
  /** Class names, where config.json has them. */
  readonly labels?: readonly string[]
}

/** What an encoder hands its decoder. */
export interface Source {
  /** [B, S], 1 for tokens and 0 for padding. */
  readonly kept: Value
  /**
   * Keys and values of one layer, [B, heads, S, size] each: made of the states, or what was made of them before.
   *
   * @param key Names the layer.
   */
  crossed(
    key: string,
    heads: number,
    size: number,
    make: (states: Value) => readonly [Value, Value],
  ): readonly [Value, Value]
  /**
   * Is told of every layer that reads the states, before it does.
   *
   * @param queries [B, heads, T, size]
   * @param mask Added to scores, broadcast to [B, 1, T, S].
   */
  observe?(key: string, queries: Value, keys: Value, mask: Value, shape: AttentionShape): void
}

/** A source whose states [B, S, features] are computed in the same graph. */
export const sourceOf = (states: Value, kept: Value): Source => ({
  kept,
  crossed: (_key, _heads, _size, make) => make(states),
})

/** A model that predicts each next token from those before it. It is built anew for every graph that needs it. */
export interface CausalDecoder {
  readonly vocabulary: number
  /** The longest sequence that the model has positions for. */
  readonly contextLength: number
  readonly features: number
  /** Where positions turn by how long a text is: texts of which this is equal turn alike. */
  turning?(length: number): number
  /** Ids [B, T] -> states [B, T, features], before the product with the vocabulary. */
  hidden(net: Network, ids: Value, sequence: Sequence, source?: Source): Value
  /** States [..., features] -> logits [..., vocabulary] */
  logits(net: Network, hidden: Value): Value
  /** Where the model reads a text before it writes another: ids [B, S] and what of them counts -> states. */
  encode?(net: Network, ids: Value, kept: Value): Value
  /** Keys and values of every layer that reads the encoder's states, by the names that {@link Source} has for them. */
  crossings?(net: Network, states: Value): { key: string; keys: Value; values: Value }[]
  /** What such a model begins to write with. */
  readonly startToken?: number
}

/** One family of checkpoints: how config.json and weights become a graph. */
export interface Family {
  /** Values of `model_type` that it reads. */
  readonly modelTypes: readonly string[]
  build(net: Network, config: Config): BuiltModel
  /** Where the model generates. @returns undefined for checkpoints of the family that do not. */
  decoder?(config: Config, weights: Network['weights']): CausalDecoder | undefined
}

/** The class that config.json says the weights are of; '' where it says none. */
export function architecture(config: Config): string {
  const value = config.raw('architectures')
  const first = Array.isArray(value) ? (value[0] as unknown) : undefined
  return typeof first === 'string' ? first : ''
}
