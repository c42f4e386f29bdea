import type { GraphDescription, NativeParameters, NativeStorage, NodeProfile } from '#typings/addon.js'
import type { Preprocessing } from '../data/preprocessing.js'
import type { Tensor } from '../data/tensor.js'
import type { Tokenizer } from '../data/tokenizer/tokenizer.js'
import type { Checkpoint } from '../frontends/checkpoints/loadCheckpoint.js'
import type { OnnxMetadata, OnnxValue } from '../frontends/onnx/declarations.js'
import type { Recomputation } from './recomputation.js'

/** An input or output of a model. Dimensions are numbers, or symbols that each call fixes. */
export type ModelValue = OnnxValue

/** Named tensors; a single tensor stands for the only input. */
export type ModelInputs = Tensor | Readonly<Record<string, Tensor>>

export interface RunModelOptions {
  /** Values to return, by name: outputs, or any named value inside the model. Default: all outputs. */
  outputs?: readonly string[]
  signal?: AbortSignal
  onProgress?: (done: number, total: number) => void
  /** Times every node; see {@link RunModelResult.profile}. */
  profile?: boolean
  /** Default true: NaN or infinity in a result is NOT_FINITE and names the node. */
  guard?: boolean
  /** 'f64' runs the reference kernels in double precision: an oracle, slow. Default: the model's, see `loadModel`. */
  precision?: ComputePrecision | 'f64'
  /** Passes of the compiler to leave out, by name, to find the one that does harm. */
  withoutPasses?: readonly string[]
  /** Kernel backends in order of preference. Default: every one found, fastest first. */
  backends?: readonly string[]
}

export interface RunModelResult {
  readonly outputs: Readonly<Record<string, Tensor>>
  readonly milliseconds: number
  readonly peakBytes: number
  readonly profile?: readonly NodeProfile[]
  /** Of a profiled run on a GPU: how much of other runs is recorded and replayed, and what is not and why. */
  readonly recording?: string
}

/** How a model treats its leading axis: any size, one fixed size, or no common batch axis at all. */
export type BatchAxis =
  | { readonly kind: 'symbolic'; readonly symbol: string }
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'none' }

/**
 * What a model computes its products in: `bf16` rounds the factors of matrix products, convolutions and attention to bf16
 * and adds up in f32; `int8` rounds the rows of products with weights in blocks to 8 bits and multiplies integers, forwards only.
 * Everything else is f32.
 */
export type ComputePrecision = 'f32' | 'bf16' | 'int8'

/** Everything that makes a {@link Model}; see `loadModel`. */
export interface ModelParts {
  name: string
  graph: GraphDescription
  inputs: readonly ModelValue[]
  outputs: readonly ModelValue[]
  parameters: NativeParameters
  storage?: NativeStorage
  /** The files of a checkpoint, in place of `storage`. */
  storages?: readonly NativeStorage[]
  /** What a model made from a checkpoint knows about it. */
  checkpoint?: Checkpoint
  /** Path or bytes that the model was loaded from. */
  source?: string | Uint8Array
  metadata?: OnnxMetadata
  preprocessing?: Preprocessing
  labels?: readonly string[]
  tokenizer?: Tokenizer
  device?: string
  precision?: ComputePrecision
  memoryLimitBytes?: number
  recompute?: Recomputation
  /** Passes of the compiler that no plan of the model goes through. */
  withoutPasses?: readonly string[]
  /** What was put behind the files' own graph, for the hash. */
  composition?: string
}
