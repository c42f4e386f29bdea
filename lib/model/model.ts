import type {
  CompileOptions,
  GraphDescription,
  NativeGraph,
  NativeParameters,
  NativePlan,
  NativeSession,
  NativeTensor,
  ParameterInfo,
  RunResult,
} from '#typings/addon.js'
import { readFileBounded } from '../data/files.js'
import type { Preprocessing } from '../data/preprocessing.js'
import { type Tensor, validateTensor } from '../data/tensor.js'
import type { Tokenizer } from '../data/tokenizer/tokenizer.js'
import { AscribeError } from '../errors.js'
import type { Checkpoint } from '../frontends/checkpoints/loadCheckpoint.js'
import type { OnnxMetadata } from '../frontends/onnx/declarations.js'
import { GraphBuilder } from '../graph/builder.js'
import { call, native, settle } from '../native.js'
import { expectObject, expectSignalAndProgress } from '../validate.js'
import { abortable } from './abortable.js'
import { bindSizes } from './bindSizes.js'
import { knownInputs } from './knownInputs.js'
import { modelHash } from './modelHash.js'
import type {
  BatchAxis,
  ComputePrecision,
  ModelInputs,
  ModelParts,
  ModelValue,
  RunModelOptions,
  RunModelResult,
} from './modelParts.js'
import { namedInputs } from './namedInputs.js'
import { PlanCache } from './planCache.js'
import { checkPositions } from './positionLimit.js'
import { expectBlocks } from './precision.js'
import { compileWith, type Recomputation } from './recomputation.js'
import { nextStage } from './stages.js'

export type {
  BatchAxis,
  ComputePrecision,
  ModelInputs,
  ModelParts,
  ModelValue,
  RunModelOptions,
  RunModelResult,
} from './modelParts.js'
export type { Recomputation } from './recomputation.js'

/** ONNX files end at 2 GiB, the bound of protobuf. */
const maximumSavedBytes = 2 ** 31 - 1

/** Elements of an input whose contents a plan is compiled for: shapes, axes and counts are short. */
const greatestKnownInput = 65_536

/** Plans kept per model; a plan's arena is what one call of that size needs. */
const planCacheBytes = 1 << 30

type RunOptions = Pick<RunModelOptions, 'signal' | 'onProgress' | 'profile' | 'guard'>

/** The inputs that a graph has. */
function onlyInputs(
  graph: GraphDescription,
  inputs: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const names = new Set(graph.inputs.map(index => graph.values[index]?.name))
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => names.has(name)))
}

/** A loaded model: its graph, weights, and the plans compiled from it. Weights stay outside the JavaScript heap. */
export class Model {
  readonly name: string
  readonly inputs: readonly ModelValue[]
  readonly outputs: readonly ModelValue[]
  /** The model in the graph language. */
  readonly graph: GraphDescription
  readonly labels: readonly string[] | undefined
  /** How texts become tokens. */
  readonly tokenizer: Tokenizer | undefined
  readonly preprocessing: Preprocessing | undefined
  readonly metadata: OnnxMetadata | undefined
  /** The checkpoint that the model came from, if it came from one. */
  readonly checkpoint: Checkpoint | undefined
  readonly #parts: ModelParts
  readonly #plans = new PlanCache(planCacheBytes)
  #knownInputs: readonly string[] | undefined
  /** Whether shapes depend on data, by the inputs that are known when a plan is compiled. */
  readonly #isStaged = new Map<string, boolean>()
  #hash: Promise<string> | undefined
  #disposed = false

  constructor(parts: ModelParts) {
    this.#parts = parts
    this.name = parts.name
    this.graph = parts.graph
    this.inputs = parts.inputs
    this.outputs = parts.outputs
    this.labels = parts.labels
    this.tokenizer = parts.tokenizer
    this.preprocessing = parts.preprocessing
    this.metadata = parts.metadata
    this.checkpoint = parts.checkpoint
  }

  get device(): string {
    return this.#parts.device ?? 'auto'
  }
  /** What its products are computed in. */
  get precision(): ComputePrecision {
    return this.#parts.precision ?? 'f32'
  }
  get memoryLimitBytes(): number | undefined {
    return this.#parts.memoryLimitBytes
  }
  /** When activations are computed again instead of being kept. */
  get recompute(): Recomputation {
    return this.#parts.recompute ?? 'auto'
  }
  /** Handles of the native side, for methods. */
  get nativeParameters(): NativeParameters {
    return this.#parts.parameters
  }

  /**
   * `sha256:…` of the model's file; of a checkpoint, of its config.json and the hashes of its files; of graph and names
   * alone where the model has neither.
   */
  async hash(): Promise<string> {
    this.#hash ??= modelHash(this.#parts)
    return this.#hash
  }

  /** The axis along which examples are stacked, judged by the declared shapes. */
  get batchAxis(): BatchAxis {
    const first = this.inputs.map(input => input.shape?.[0])
    const symbol = first.find(dim => typeof dim === 'string')
    if (symbol !== undefined && first.every(dim => typeof dim === 'string'))
      return { kind: 'symbolic', symbol: symbol as string }
    const size = first[0]
    if (typeof size === 'number' && first.every(dim => dim === size)) return { kind: 'fixed', size }
    return { kind: 'none' }
  }

  /** Weights by name: list, read, write (copied in; later plans see the new values). */
  get parameters(): {
    list(): ParameterInfo[]
    read(name: string): Tensor
    write(name: string, tensor: Tensor): void
  } {
    this.#check()
    const { parameters } = this.#parts
    return {
      list: () => call(() => parameters.list()),
      read: name => call(() => parameters.read(name)) as Tensor,
      write: (name, tensor) => {
        call(() => parameters.write(name, validateTensor(tensor, name) as NativeTensor))
        this.#plans.clear()
      },
    }
  }

  /** The same model with some weights replaced; shares all others, and the original is not changed. */
  withParameters(overlay: Readonly<Record<string, Tensor>>): Model {
    this.#check()
    for (const [name, tensor] of Object.entries(overlay)) validateTensor(tensor, name)
    const parameters = call(() => this.#parts.parameters.overlay(overlay as Record<string, NativeTensor>))
    const model = new Model({ ...this.#parts, parameters })
    return model
  }

  /** Whether both hold the very same weights: one was composed from the other, or both from a third. */
  sharesWeightsWith(other: Model): boolean {
    return this.#parts.parameters === other.#parts.parameters
  }

  /** This model's weights under another graph that holds its own; see `compose`. */
  withGraph(
    change: Pick<ModelParts, 'graph' | 'outputs' | 'name'> &
      Partial<Pick<ModelParts, 'inputs'>> & {
        composition: string
        labels?: readonly string[]
      },
  ): Model {
    this.#check()
    // What would be saved is the file alone, without what was put behind it.
    const { source: _, labels: __, ...kept } = this.#parts
    return new Model({ ...kept, ...change })
  }

  /**
   * Writes the model with its changed weights (`parameters.write`, {@link withParameters}) as an ONNX file. The whole
   * file passes through memory.
   *
   * @throws AscribeError FILE_CHANGED where the source was written to since; FILE_WRITE; REPRESENTATION_UNSUPPORTED for
   * models that came from no ONNX file, and for changed weights in half precision or external files.
   */
  async save(path: string): Promise<void> {
    this.#check()
    const { source, storage, parameters } = this.#parts
    if (source === undefined || storage === undefined)
      throw new AscribeError(
        'REPRESENTATION_UNSUPPORTED',
        `Model ${this.name} did not come from an ONNX file`,
      )
    if (typeof source === 'string') call(() => native().checkStorage(storage))
    const bytes = typeof source === 'string' ? await readFileBounded(source, maximumSavedBytes) : source
    const [{ saveOnnx }, { writeFileAtomically }] = await Promise.all([
      import('../frontends/onnx/saveOnnx.js'),
      import('../data/files.js'),
    ])
    await writeFileAtomically(
      path,
      call(() => saveOnnx(bytes, parameters)),
    )
  }

  /** Named values inside the model, in the order of computation, with the op that makes each. */
  layers(): { name: string; op: string }[] {
    return this.graph.nodes.flatMap(node =>
      node.outputs.flatMap(index => {
        const value = this.graph.values[index]
        return value?.name === undefined ? [] : [{ name: value.name, op: node.op }]
      }),
    )
  }

  /** Checks names and element types of inputs and returns them by name. */
  named(inputs: ModelInputs): Record<string, Tensor> {
    return namedInputs(this.inputs, inputs)
  }

  /** Computes outputs, or any named values. */
  async run(inputs: ModelInputs, options: RunModelOptions = {}): Promise<RunModelResult> {
    this.#check()
    expectObject('run options', options)
    expectSignalAndProgress(options)
    const given = this.named(inputs)
    checkPositions(this, given)
    const sizes = bindSizes(this.inputs, given)
    const names = options.outputs ?? this.outputs.map(output => output.name)
    const { precision = this.precision, withoutPasses = [], backends } = options
    if (precision === 'int8') expectBlocks(this.name, this.parameters.list())
    const known = this.#knownOf(given)
    const contents = Object.entries(known).map(([name, { data }]) => [name, Array.from(data, String)])
    const variant = JSON.stringify([precision, withoutPasses, backends, sizes, contents])
    const result = await this.#runNamed(
      `run ${names.join('\u0000')} ${variant}`,
      names,
      known,
      Object.fromEntries(Object.entries(given).filter(([name]) => !(name in known))),
      {
        sizes,
        precision,
        withoutPasses: [...withoutPasses],
        ...(backends ? { backends: [...backends] } : {}),
      },
      options,
    )
    return {
      outputs: Object.fromEntries(names.map((name, i) => [name, result.outputs[i] as Tensor])),
      milliseconds: result.milliseconds,
      peakBytes: result.peakBytes,
      ...(result.profile ? { profile: result.profile } : {}),
      ...(result.recording ? { recording: result.recording } : {}),
    }
  }

  /** Runs the model at once, or, where shapes in it depend on data, stage by stage. */
  async #runNamed(
    key: string,
    names: readonly string[],
    known: Readonly<Record<string, Tensor>>,
    inputs: Readonly<Record<string, Tensor>>,
    compile: CompileOptions,
    options: RunOptions,
  ): Promise<RunResult> {
    const constants = Object.keys(known).join('\u0000')
    let isStaged = this.#isStaged.get(constants)
    if (isStaged !== false) {
      const graph = this.#runGraph(names, known)
      isStaged = nextStage(graph) !== undefined
      this.#isStaged.set(constants, isStaged)
      if (isStaged) return this.#runStaged(key, graph, inputs, compile, options)
    }
    return this.#runPlan(key, () => this.#runGraph(names, known), inputs, compile, options)
  }

  async #runStaged(
    key: string,
    graph: GraphDescription,
    inputs: Readonly<Record<string, Tensor>>,
    compile: CompileOptions,
    options: RunOptions,
  ): Promise<RunResult> {
    const stages = nextStage(graph)
    if (stages === undefined) return this.#runPlan(key, () => graph, inputs, compile, options)
    const before = stages.graph
      ? await this.#runPlan(
          `${key} stage`,
          () => stages.graph as GraphDescription,
          onlyInputs(stages.graph, inputs),
          compile,
          options,
        )
      : undefined
    const rest = stages.rest((before?.outputs ?? []) as Tensor[], inputs)
    const after = await this.#runStaged(
      `${key} ${rest.key}`,
      rest.graph,
      onlyInputs(rest.graph, { ...inputs, ...rest.inputs }),
      compile,
      options,
    )
    return {
      ...after,
      milliseconds: after.milliseconds + (before?.milliseconds ?? 0),
      peakBytes: Math.max(after.peakBytes, before?.peakBytes ?? 0),
      ...(after.profile ? { profile: [...(before?.profile ?? []), ...after.profile] } : {}),
    }
  }

  /** Runs a graph made from this model's, with its weights, and the session where it has states. The key must tell apart what `describe` may give. */
  async runPlan(
    key: string,
    describe: () => GraphDescription,
    inputs: Readonly<Record<string, Tensor>>,
    compile: CompileOptions,
    signal?: AbortSignal,
    session?: NativeSession,
  ): Promise<Tensor[]> {
    const { outputs } = await this.#runPlan(key, describe, inputs, compile, {
      ...(signal ? { signal } : {}),
      ...(session ? { session } : {}),
    })
    return outputs as Tensor[]
  }

  async #runPlan(
    key: string,
    describe: () => GraphDescription,
    inputs: Readonly<Record<string, Tensor>>,
    compile: CompileOptions,
    options: RunOptions & { session?: NativeSession },
  ): Promise<RunResult> {
    const plan = await this.plan(key, describe, compile, options.signal)
    return settle(
      () =>
        plan.run(inputs as Record<string, NativeTensor>, {
          guard: options.guard ?? true,
          profile: options.profile ?? false,
          ...(options.session ? { session: options.session } : {}),
          ...(options.onProgress ? { onProgress: options.onProgress } : {}),
          ...(this.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: this.memoryLimitBytes }),
        }),
      options.signal,
    )
  }

  /** Inputs whose contents a plan is compiled for. */
  #knownOf(given: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
    this.#knownInputs ??= knownInputs(this.graph)
    return Object.fromEntries(
      this.#knownInputs.flatMap(name => {
        const tensor = given[name]
        return tensor === undefined || tensor.data.length > greatestKnownInput ? [] : [[name, tensor]]
      }),
    )
  }

  #runGraph(names: readonly string[], known: Readonly<Record<string, Tensor>>): GraphDescription {
    const declared = this.outputs.map(output => output.name)
    const isAsDeclared =
      names.length === declared.length &&
      names.every((name, i) => name === declared[i]) &&
      Object.keys(known).length === 0
    if (isAsDeclared) return this.graph
    const builder = new GraphBuilder()
    const constants = Object.entries(known).map(([name, { dtype, shape, data }]) => [
      name,
      builder.constant(dtype, [...shape], data),
    ])
    const values = builder.include(this.graph, { inputs: Object.fromEntries(constants) })
    return builder.build(
      names.map(name => {
        const value = values.get(name) ?? this.output(values, name)
        if (value === undefined)
          throw new AscribeError('LAYER_NOT_FOUND', `The model has no value called "${name}"`, {
            hint: 'model.layers() lists them.',
          })
        return value
      }),
    )
  }

  /** The value of an output in a graph that included this model: outputs may be inputs or constants too. */
  output<V>(values: ReadonlyMap<string, V>, name: string): V | undefined {
    const index = this.outputs.findIndex(output => output.name === name)
    const value = index < 0 ? undefined : this.graph.values[this.graph.outputs[index] as number]
    return value?.name === undefined ? undefined : values.get(value.name)
  }

  /** A plan from the cache, or compiled now. The key must tell apart what `describe` and `compileOptions` may give. */
  async plan(
    key: string,
    describe: () => GraphDescription,
    compileOptions: CompileOptions | (() => CompileOptions),
    signal?: AbortSignal,
  ): Promise<NativePlan> {
    this.#check()
    const compile = async () => {
      const graph: NativeGraph = call(() => native().createGraph(describe()))
      const options = typeof compileOptions === 'function' ? compileOptions() : compileOptions
      const { device, precision } = this
      const { withoutPasses: always = [] } = this.#parts
      const withoutPasses = [...always, ...(options.withoutPasses ?? [])]
      const all = { device, precision, ...options, withoutPasses }
      return compileWith(this.recompute, this.memoryLimitBytes, recompute =>
        settle(() =>
          graph.compile(this.#parts.parameters, recompute === undefined ? all : { ...all, recompute }),
        ),
      )
    }
    return abortable(() => this.#plans.get(key, compile), signal)
  }

  /** Lets go of plans; running calls finish. The model cannot be used afterwards. */
  dispose(): void {
    this.#disposed = true
    this.#plans.dispose()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose()
  }

  #check(): void {
    if (this.#disposed) throw new AscribeError('HANDLE_DISPOSED', `Model ${this.name} was disposed`)
  }
}
