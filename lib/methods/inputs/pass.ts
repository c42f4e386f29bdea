import type { Tensor } from '../../data/tensor.js'
import type { GraphBuilder, Value } from '../../graph/builder.js'
import type { ExplainedValues } from './explainedValues.js'

/** The numbers of each point of a path that a plan makes itself; see `EnsembleRequest.positions`. */
export interface Positions {
  /** [points, width] */
  readonly values: Float64Array
  /** Where the pass is the model at its input. */
  readonly atInput: readonly number[]
  /** Where it is the model at the start of its path, if that is wanted. */
  readonly atBaseline?: readonly number[]
}

/** What a pass is put together from. Values of examples carry them in front. */
export interface PassParts {
  readonly builder: GraphBuilder
  readonly explained: ExplainedValues
  /** What is explained, in order: inputs of the model or what stands in for its layers. */
  readonly values: readonly Value[]
  /** Their baselines, where the pass reads them. */
  readonly baselines: readonly Value[]
  /** [N, width], where the pass has positions. */
  readonly position: Value | undefined
  /** What `addNoise` reads: of each row its stream and the deviation of each explained value, where the pass draws noise. */
  readonly noise: Value | undefined
  /** A further input of the plan, by name. */
  readonly extra: (name: string) => Value
}

/** The same, once the model and its target are there too. */
export interface ExplainedParts extends PassParts {
  /** What the model got, in order. */
  readonly seen: readonly Value[]
  /** [N] */
  readonly objective: Value
  /** A value inside the model, by name. */
  readonly inner: (name: string) => Value
  /** Gradients of the objective, [N, …] each. */
  readonly gradients: (of: readonly Value[]) => Value[]
  /** Their sums over the rows of a shared pass, each times its weight [N], [1, …] each; `made`: of what it makes of them, [1, N, …]. */
  readonly weightedGradients: (
    of: readonly Value[],
    weights: Value,
    made?: (gradient: Value, at: number) => Value,
  ) => Value[]
  /** Values inside the model for other inputs: what is explained, in order. */
  readonly innerFor: (name: string, inputs: readonly Value[]) => Value
}

/** Something of the shape [N, …] that is summed over the points of a call. */
export interface PassOutput {
  readonly name: string
  readonly value: Value
}

/** What one run of a plan does at a point, where that is not the gradient of the objective in what is explained. */
export interface Pass {
  /** Tells passes apart, with all that becomes part of the plan. */
  readonly name: string
  readonly positions?: Positions
  readonly readsBaselines?: boolean
  /** There is one example: it and its baseline are one row, and outputs are sums over the rows of the pass; see `EnsembleRequest.shared`. */
  readonly isShared?: boolean
  /** A shared pass that draws noisy samples of its example; see `EnsembleRequest.noise`. */
  readonly drawsNoise?: boolean
  /** Further inputs of the plan, [1, …] for the example. */
  readonly extras?: Readonly<Record<string, Tensor>>
  /** What the model gets in the place of what is explained, in order. Default: that itself. */
  readonly seen?: (parts: PassParts) => Value[]
  readonly outputs: (parts: ExplainedParts) => PassOutput[]
  /** Names of the outputs. Default: what is explained, each in its own shape. */
  readonly outputNames?: readonly string[]
  /** Forward and backward passes that an evaluation takes. Default one of each. */
  readonly cost?: { readonly forward: number; readonly backward: number }
}
