/**
 * The typed contract of the native addon: the one door between TypeScript, which describes, and C++, which
 * computes. Nothing here is public API; lib/ gives it a face. A test checks it against the built addon.
 */

export type DTypeName = 'f64' | 'f32' | 'f16' | 'bf16' | 'i64' | 'i32' | 'i8' | 'u8' | 'bool'

/** How a weight may be stored: also in blocks of integers with common scales, as GGUF files hold them. */
export type StorageName = DTypeName | 'q8_0' | 'q4_k' | 'q6_k'

/** The JavaScript side of a tensor. f16 and bf16 travel as raw bits, bool as bytes of 0 and 1. */
export type TensorData =
  | Float64Array
  | Float32Array
  | Uint16Array
  | BigInt64Array
  | Int32Array
  | Int8Array
  | Uint8Array

export interface NativeTensor {
  dtype: DTypeName
  shape: number[]
  data: TensorData
}

/** Bytes that weights lie in: a mapped file, a copy of it, or a buffer the user gave. Opaque. */
export interface NativeStorage {
  readonly bytes: number
  readonly path: string | undefined
}

/** A range of a storage that holds one tensor. `encoding` says how the elements stand there. */
export interface TensorSource {
  storage: NativeStorage
  offset: number
  bytes: number
  dtype: DTypeName
  shape: number[]
}

/** The same for a weight. */
export type StoredSource = Omit<TensorSource, 'dtype'> & { dtype: StorageName }

export type ValueDescription =
  | { kind: 'input'; name: string; dtype: DTypeName; shape: (number | string)[] }
  | { kind: 'constant'; name?: string; dtype: DTypeName; shape: number[]; data: TensorData }
  | { kind: 'constant'; name?: string; source: TensorSource }
  | { kind: 'parameter'; name: string; dtype: DTypeName; shape: number[] }
  | { kind: 'state'; name: string; dtype: DTypeName; shape: (number | string)[] }
  | { kind: 'result'; name?: string; aliases?: string[] }

export type AttributeValue = number | string | number[]

export interface NodeDescription {
  op: string
  name?: string
  /** Indices into `values`; -1 for an absent optional operand. */
  inputs: number[]
  outputs: number[]
  attributes: Record<string, AttributeValue>
}

export interface GraphDescription {
  values: ValueDescription[]
  nodes: NodeDescription[]
  inputs: number[]
  outputs: number[]
  /** Bodies of customDerivative nodes. */
  subgraphs?: Record<string, GraphDescription>
}

export interface ParameterInfo {
  name: string
  dtype: DTypeName
  shape: number[]
  version: number
  bytes: number
}

/** Named weights. An overlay shares everything that it does not replace. */
export interface NativeParameters {
  list(): ParameterInfo[]
  read(name: string): NativeTensor
  /** Copies `tensor` in and raises the version; shape must fit, dtype is the compute dtype. */
  write(name: string, tensor: NativeTensor): void
  /** Raised by every write. */
  version(): number
  overlay(replacements: Record<string, NativeTensor>): NativeParameters
}

export interface CompileOptions {
  /** Plan sizes by symbol. */
  sizes?: Record<string, number>
  /** Symbols that vary per run, bounded by `sizes`. */
  runLengths?: string[]
  /**
   * 'bf16': factors of matrix products and convolutions are rounded; 'int8': rows that are multiplied with weights in blocks.
   * Everything else is f32; PRECISION_UNAVAILABLE.
   */
  precision?: 'f32' | 'f64' | 'bf16' | 'int8'
  train?: boolean
  /** 'frozen' folds and prepacks weights; 'mutable' reads them at each run. */
  parameters?: 'frozen' | 'mutable'
  /** 'auto' (default), 'cpu', 'cuda' or 'cuda:N'; BACKEND_UNAVAILABLE says why one is not there. */
  device?: string
  /** Kernel backends in order of preference; default every one found, fastest first. */
  backends?: string[]
  /** Passes to leave out, by name (to bisect). */
  withoutPasses?: string[]
  /** Names of values that must stay observable. */
  pinned?: string[]
  /** Names of inputs that stay as they are through the passes of an ensemble: what follows from them is made once. */
  steady?: string[]
  /**
   * Bytes that the activations of a plan with a gradient may take: what does not fit is computed again when the gradient
   * reads it; OUT_OF_MEMORY_BUDGET where that does not do. 0: as few as can be. Default: everything is kept.
   */
  recompute?: number
}

export interface PlanDescription {
  inputs: { name: string; dtype: DTypeName; shape: number[] }[]
  outputs: { name: string; dtype: DTypeName; shape: number[] }[]
  /** Where it runs: what 'auto' became. */
  device: string
  precision: string
  arenaBytes: number
  /** Constants and frozen parameters held by this plan, packed copies included. */
  weightBytes: number
  scratchBytes: number
  nodes: {
    op: string
    name: string
    kernel: string
    flops: number
    shape: number[]
    dtype: DTypeName
    /** Computed a second time, for the gradient. */
    again: boolean
  }[]
  /** Where activations are computed again: nodes that run twice, their arithmetic, and what keeping everything takes. */
  recomputed?: { nodes: number; flops: number; keptArenaBytes: number }
  /** Nodes where a rule set fell back to the true derivative. */
  fallbacks: string[]
  /** Wanted values that no output depends on; their gradients are zeros. */
  unconnected: string[]
}

export interface NodeProfile {
  node: string
  op: string
  kernel: string
  startMs: number
  milliseconds: number
  flops: number
  bytes: number
}

export interface RunOptions {
  /** Default true: NaN or infinity in an output that had none in its operands is NOT_FINITE, naming the node. */
  guard?: boolean
  profile?: boolean
  /** Per symbol, at most its plan size. */
  runLengths?: Record<string, number>
  memoryLimitBytes?: number
  /** Share of the machine against other jobs, default 1. */
  weight?: number
  session?: NativeSession
  onProgress?: (done: number, total: number) => void
}

export interface NativeJob<T> {
  readonly promise: Promise<T>
  /** The promise then rejects with ABORTED, at the next node. */
  cancel(): void
}

export interface RunResult {
  outputs: NativeTensor[]
  milliseconds: number
  peakBytes: number
  profile?: NodeProfile[]
  /** Of a profiled run on a GPU: how much of a plan's runs is recorded and replayed, and what is not and why. */
  recording?: string
}

/**
 * More rows than a plan takes at once, pass after pass in one job. Rows that fill the last pass up repeat its first.
 */
export interface RowsRequest {
  /** What every pass reads as it is, in the plan's shapes. Not to be written to before the job is done. */
  tables: Record<string, NativeTensor>
  /**
   * Tables of f32 [items, ...] that hold, of each of their scores (f64 [items, scores]; they share them one after the other), the
   * place in the falling order of all scores of the item, from 0; among equal scores the earlier comes first.
   */
  ranked?: { scores: NativeTensor; tables: string[] }
  /** What differs by row, [count, ...]; the plan's inputs are [chunk, ...]. */
  rows: Record<string, NativeTensor>
  /**
   * Inputs of bool [chunk, ...] that are set at some places of a row: those of row r are places[ends[r - 1]] …
   * places[ends[r] - 1]. Both i32.
   */
  marks?: Record<string, { ends: NativeTensor; places: NativeTensor }>
  count: number
  chunk: number
}

export interface RowsResult {
  /** [count, ...] each. */
  outputs: NativeTensor[]
  milliseconds: number
  peakBytes: number
}

/**
 * Path, noise and accumulation loop of the gradient family in one job. The plan takes `input` tensors of shape
 * [chunk, ...item] and gives, in the order of its inputs, for each explained one its gradient [1, chunk, ...item], then
 * the objective [chunk].
 *
 * For each item b, sample s and path point k: x~ = x_b + sigma_b * eps(seed, item, s); point = x' + t_k (x~ - x').
 * phi_(b,s) = (x~ - x') * sum_k w_k grad(point), or by `quantity` the plain gradient, its absolute value, or x~ * gradient.
 * Over samples: mean, mean of squares, or unbiased/biased variance. Elements of eps are numbered through the explained
 * inputs in the plan's order.
 */
export interface EnsembleRequest {
  /** Explained inputs by name, [items, ...item] each. */
  inputs: Record<string, NativeTensor>
  /** Inputs fed as they are, [items, ...] each (batched with the points). */
  extras?: Record<string, NativeTensor>
  /** [items or 1, ...item], with `sampleBaselines` [rows, ...item]; absent for quantities without a path. */
  baselines?: Record<string, NativeTensor>
  /** Inputs that are fed with the baseline of an explained one, whose name each has here. */
  paired?: Record<string, string>
  /** Path points and weights; [1] and [1] for no path. */
  points: Float64Array
  weights: Float64Array
  /** The row of the baselines that each sample starts from (whole numbers), for all items alike. */
  sampleBaselines?: Float64Array
  /** Where each sample stands on its path, in place of the one point. */
  samplePoints?: Float64Array
  /**
   * For plans that make their path themselves: numbers of each point [points, width] for the input `name` [chunk, width],
   * and those at which the plan is the model at its input and (if wanted) at the path's start. Explained inputs are then
   * fed as they are.
   */
  positions?: { name: string; values: Float64Array; atInput: Float64Array; atBaseline?: Float64Array }
  /**
   * The plan makes the points of one item itself and gives for each explained input the weighted sum of a pass: explained
   * inputs, the baselines paired with them and gradients have one row, and a position that is `atInput` or `atBaseline`
   * weighs nothing. Default false.
   */
  shared?: boolean
  /**
   * Name of the input [chunk, 2 + explained inputs] by which the plan draws the noisy samples of one item itself: what addNoise
   * reads, with a deviation for each explained input. The plan then gives what it makes of each sample, summed over a pass,
   * and the result is the mean.
   */
  noise?: string
  /** Names for the plan's outputs before the objective, [1, chunk, ...] each of any shape. Default: the explained inputs' gradients. */
  outputs?: string[]
  /** Behind the objective the plan has one more output [chunk, ...]: its rows at the inputs are kept. Default false. */
  keepsOutput?: boolean
  /**
   * `importantDirection`: of each step between two points the change of the objective, shared out by the squared gradient
   * at its beginning; weights are not read.
   */
  quantity: 'gradient' | 'absolute' | 'inputTimesGradient' | 'integrated' | 'importantDirection'
  samples: number
  /** Noise scale per item and input. Absent: no noise. */
  sigma?: Record<string, Float64Array>
  statistic: 'mean' | 'meanSquare' | 'variance' | 'biasedVariance'
  seed: bigint
  /** Stream key of each item; default its position. Keeps noise independent of batching. */
  itemKeys?: BigInt64Array
  chunk: number
}

export interface EnsembleResult {
  /** Accumulated in double. [items, ...item] each, f32. */
  attributions: Record<string, NativeTensor>
  /** Objective at the inputs and (with baselines) at the baselines, of several their mean by samples; [items] each. */
  objective: Float64Array
  baselineObjective?: Float64Array
  /** With `keepsOutput`: [items, ...]. */
  output?: NativeTensor
  /** Per item: sum over all inputs of the (mean) attribution, in double, before rounding to f32. */
  sums: Float64Array
  /** Examples run through the plan (padding not counted): points, and inputs and baselines that are no point. */
  forwardPasses: number
  backwardPasses: number
  milliseconds: number
  peakBytes: number
}

/**
 * A path of which each step depends on what came of the last. Of the request, what is explained, baselines and further
 * inputs are read. `guided`: in every step the inputs of least gradient move first. `pieces`: the plan, linear in pieces, gives
 * before the objective how far it is to the end of the piece that a point lies on, [1, chunk], as a share of the path.
 */
export interface WalkRequest extends EnsembleRequest {
  walk:
    | { kind: 'guided'; steps: number; fraction: number; maximumDistance: number; rule: 'trapezoid' | 'left' }
    | { kind: 'pieces'; segments: number; maximumPieces: number }
}

export interface NativePlan {
  describe(): PlanDescription
  /** One line a node. */
  dump(): string
  run(inputs: Record<string, NativeTensor>, options: RunOptions): NativeJob<RunResult>
  rows(request: RowsRequest, options: RunOptions): NativeJob<RowsResult>
  ensemble(request: EnsembleRequest, options: RunOptions): NativeJob<EnsembleResult>
  walk(request: WalkRequest, options: RunOptions): NativeJob<EnsembleResult>
  dispose(): void
}

/** State buffers of one conversation or training run. One run at a time uses them; OPTION_RANGE meanwhile. */
export interface NativeSession {
  read(name: string): NativeTensor
  write(name: string, tensor: NativeTensor): void
  dispose(): void
}

export interface LayerDescription {
  name: string
  op: string
  dtype: DTypeName
  shape: number[]
}

export interface NativeGraph {
  /** Symbols of the declared shapes. */
  symbols(): string[]
  /** Every named value that is computed at run time, in order, with its shape at these plan sizes. */
  layers(sizes: Record<string, number>): NativeJob<LayerDescription[]>
  compile(parameters: NativeParameters, options: CompileOptions): NativeJob<NativePlan>
  /** States start as zeros, on the device of the plans that will use them. */
  session(sizes: Record<string, number>, options?: { device?: string }): NativeSession
}

export interface OperationInfo {
  name: string
  class: 'bilinear' | 'primitive' | 'composite'
  attributes: { name: string; kind: 'integer' | 'real' | 'text' | 'integers' | 'reals'; required: boolean }[]
  backends: string[]
  /** Its result is its first operand seen with another shape. */
  view: boolean
  /** Bits by position (the last one for all behind it too): operands of which only the shape is read … */
  shapeOperands: number
  /** … and operands that must be known when a plan is compiled. */
  knownOperands: number
  derivative: boolean
}

export interface BackendReport {
  name: string
  available: boolean
  version?: string
  path?: string
  reason?: string
}

export interface ProbeReport {
  threads: number
  gflops: number
  gflopsOneThread: number
  /** Of products of bf16; absent where there are none. */
  bf16Gflops?: number
  gigabytesPerSecond: number
}

export interface EngineReport {
  version: string
  isa: string
  cpu: string
  features: string[]
  lanes: number
  threadsPerLane: number
  /** What `auto` names: `ASCRIBE_DEVICE`, else the first GPU, else `cpu`. */
  device: string
  backends: BackendReport[]
  passes: string[]
  precisions: ('f32' | 'f64' | 'bf16' | 'int8')[]
}

export interface OnnxPayload {
  offset: number
  bytes: number
  /** The field it stood in; `converted` payloads are owned buffers, offset 0. */
  field: 'raw' | 'float' | 'int32' | 'int64' | 'double' | 'uint64' | 'external'
  storage: NativeStorage
}

/**
 * A picture without its first pixels, filled so that each missing one is the weighted mean of its neighbours (1/6 beside
 * it, 1/12 across a corner), plus Gaussian noise keyed by (seed, item, count).
 */
export interface ImputationRequest {
  /** f32, [1, C, H, W], or [1, H, W, C]. */
  picture: NativeTensor
  channelsLast: boolean
  /** f32, one a pixel: its place in the order in which they go. */
  ranks: NativeTensor
  /** How many pixels are gone, ascending, one for each wanted picture. */
  counts: number[]
  noise: number
  seed: bigint
  item: bigint
}

/**
 * Noisy copies of one example, one for each key: every number plus `scale` times what is drawn, uniformly from -1 to 1 or
 * of the standard normal distribution. A copy's numbers are drawn from the stream of its key, tensor after tensor, as
 * `randomStream` of lib/metrics draws them.
 */
export interface NoiseRequest {
  /** f32 or f64, [1, ...item] each. */
  tensors: NativeTensor[]
  /** i32: of each copy the 32 bits that `streamKey` gives. */
  keys: NativeTensor
  distribution: 'uniform' | 'normal'
  scale: number
  /** One for each number of all tensors: what is added is then summed up, weighted by them. */
  weights?: Float64Array
}

export interface NoiseResult {
  /** [keys, ...item] each. */
  copies: NativeTensor[]
  /** One for each key, with `weights`. */
  sums?: Float64Array
}

export interface NativeAddon {
  openStorage(path: string, options: { weights: 'map' | 'copy' }): NativeStorage
  /** Wraps the user's bytes without a copy; they must not change afterwards. */
  storageFromBuffer(bytes: Uint8Array): NativeStorage
  /** Throws FILE_CHANGED where a mapped file was written to since it was opened. */
  checkStorage(storage: NativeStorage): void
  /** SHA-256 of the storage, on a lane. */
  hashStorage(storage: NativeStorage): NativeJob<string>
  /** The model's protobuf with tensor payloads above `inlineBytes` (default 1024) cut out, and where they are. */
  scanOnnx(
    storage: NativeStorage,
    options?: { inlineBytes?: number },
  ): NativeJob<{ skeleton: Uint8Array; payloads: OnnxPayload[] }>
  createParameters(entries: ({ name: string } & StoredSource)[]): NativeParameters
  createGraph(description: GraphDescription): NativeGraph
  /** One picture a count, stacked. */
  imputePixels(request: ImputationRequest): NativeJob<NativeTensor>
  addNoise(request: NoiseRequest): NativeJob<NoiseResult>
  operations(): OperationInfo[]
  /** Lanes × threads; only before the first job. */
  configure(options: { lanes?: number; threadsPerLane?: number }): void
  /** The process is about to end: running jobs stop at their next node (waited for, two seconds at most), others never begin. */
  halt(): void
  engine(): EngineReport
  probe(): NativeJob<ProbeReport>
  /** Native bytes in use by this process's engine. */
  memory(): { current: number; peak: number }
  /** For tests: restarts the peak counter. */
  resetPeakMemory(): void
}
