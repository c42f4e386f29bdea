import type { GraphDescription, LayerDescription, ParameterInfo, PlanDescription } from '#typings/addon.js'
import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import type { GenerationDefaults } from '../frontends/checkpoints/generationConfig.js'
import type { OnnxMetadata } from '../frontends/onnx/declarations.js'
import { batchingOf } from '../model/batching.js'
import type { BatchAxis, Model, ModelValue } from '../model/model.js'
import { rowsOf } from '../model/stack.js'
import { nextStage } from '../model/stages.js'
import { type SuggestedLayer, suggestedLayers } from '../model/suggestedLayers.js'
import { describePlan, native, settle } from '../native.js'
import { gradientGraph } from './gradientGraph.js'
import { sampleInputs } from './sampleInputs.js'

export interface InspectOptions {
  /** What symbolic dimensions stand for in layers and plan. Default 1 for the batch, 16 for every other. */
  sizes?: Readonly<Record<string, number>>
  /** Adds the compiled plan, one line a node. */
  plan?: boolean
  /**
   * Describes the plan of a gradient in place of that of the outputs: of the first output's sum, in every input of
   * floating-point numbers, or in the embeddings of a model of tokens.
   */
  gradient?: boolean
  signal?: AbortSignal
}

/** What a checkpoint says of itself. */
export interface CheckpointReport {
  readonly modelType: string
  /** The class that the weights are of, '' where config.json does not say. */
  readonly architecture: string
  /** Whether a tokenizer was found. */
  readonly tokenizer: boolean
  /** Present where the model generates text. */
  readonly generation?: GenerationDefaults & {
    readonly vocabulary: number
    /** The longest sequence; absent where there is none. */
    readonly contextLength?: number
  }
}

function checkpointReport({ checkpoint, tokenizer }: Model): CheckpointReport | undefined {
  if (checkpoint === undefined) return undefined
  const { modelType, architecture, decoder, generation } = checkpoint
  const longest = decoder?.contextLength ?? Number.POSITIVE_INFINITY
  return {
    modelType,
    architecture,
    tokenizer: tokenizer !== undefined,
    ...(decoder === undefined
      ? {}
      : {
          generation: {
            ...generation!,
            vocabulary: decoder.vocabulary,
            ...(Number.isFinite(longest) ? { contextLength: longest } : {}),
          },
        }),
  }
}

/** What a model is made of. */
export interface ModelReport {
  readonly name: string
  readonly hash: string
  readonly metadata: OnnxMetadata | undefined
  /** Of models made from a checkpoint. */
  readonly checkpoint?: CheckpointReport
  readonly inputs: readonly ModelValue[]
  readonly outputs: readonly ModelValue[]
  readonly batchAxis: BatchAxis
  /**
   * Examples that one pass of a method may hold, tried with seeded inputs: a fixed batch is freed where that changes
   * nothing; examples that change each other go alone (1). Absent where the model cannot be run with such inputs.
   */
  readonly examplesPerPass?: number | 'any'
  /** The sizes at which layers and plan are described. */
  readonly sizes: Readonly<Record<string, number>>
  /** Operations of the graph language, most frequent first. */
  readonly operations: readonly { readonly op: string; readonly count: number }[]
  /**
   * Shapes depend on what the inputs hold, so that the model runs in stages: layers and plan are those of the first,
   * and there are none where an input itself is waited for.
   */
  readonly isStaged: boolean
  /** Named values that are computed at run time, in order. */
  readonly layers: readonly LayerDescription[]
  /** Those that methods on layers do well with. */
  readonly suggestedLayers: readonly SuggestedLayer[]
  readonly parameters: {
    readonly count: number
    readonly elements: number
    readonly bytes: number
    readonly list: readonly ParameterInfo[]
  }
  readonly plan?: {
    readonly device: string
    readonly arenaBytes: number
    readonly weightBytes: number
    readonly scratchBytes: number
    readonly gigaflops: number
    readonly nodes: PlanDescription['nodes']
    /** Present where activations are computed again for the gradient; see `recompute` of `loadModel`. */
    readonly recomputed?: NonNullable<PlanDescription['recomputed']>
    /** The plan as text, where it was asked for. */
    readonly dump?: string
  }
}

const usualLength = 16

/** Sizes of every symbol of the model's inputs. */
export function plannedSizes(
  model: Model,
  given: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const symbols = new Set(
    model.inputs.flatMap(input => (input.shape ?? []).filter(dim => typeof dim === 'string')),
  )
  for (const name of Object.keys(given))
    if (!symbols.has(name))
      throw new AscribeError('OPTION_UNKNOWN', `The model has no dimension called ${name}`, {
        hint: symbols.size > 0 ? `It has ${[...symbols].join(', ')}.` : 'All its dimensions are fixed.',
      })
  const batch = model.batchAxis.kind === 'symbolic' ? model.batchAxis.symbol : undefined
  return Object.fromEntries(
    [...symbols].map(name => [name, given[name] ?? (name === batch ? 1 : usualLength)]),
  )
}

async function examplesPerPass(
  model: Model,
  sizes: Readonly<Record<string, number>>,
  signal: AbortSignal | undefined,
): Promise<number | 'any' | undefined> {
  try {
    const example = Object.entries(sampleInputs(model, sizes, 0)).map(([name, tensor]): [string, Tensor] => [
      name,
      tensor.shape.length === 0 ? tensor : rowsOf(tensor, 0, 1),
    ])
    return (await batchingOf(model, Object.fromEntries(example), signal)).size
  } catch (error) {
    if (error instanceof AscribeError && error.code !== 'ABORTED') return undefined
    throw error
  }
}

async function describeGraph(
  model: Model,
  graph: GraphDescription,
  sizes: Readonly<Record<string, number>>,
  options: InspectOptions,
): Promise<Required<Pick<ModelReport, 'layers' | 'plan'>>> {
  const layers = await settle(() => native().createGraph(graph).layers(sizes), options.signal)
  const isGradient = options.gradient === true
  const plan = await model.plan(
    `inspect ${isGradient} ${JSON.stringify(sizes)}`,
    () => (isGradient ? gradientGraph(model) : graph),
    { sizes },
    options.signal,
  )
  const { nodes, arenaBytes, weightBytes, scratchBytes, device, recomputed } = describePlan(plan)
  return {
    layers,
    plan: {
      device,
      arenaBytes,
      weightBytes,
      scratchBytes,
      gigaflops: nodes.reduce((sum, { flops }) => sum + flops, 0) / 1e9,
      nodes,
      ...(recomputed === undefined ? {} : { recomputed }),
      ...(options.plan ? { dump: plan.dump() } : {}),
    },
  }
}

/**
 * Describes a model: inputs, outputs, batch axis, operations, layers with their shapes, parameters, and the plan that
 * would run it.
 *
 * @throws AscribeError `OPTION_UNKNOWN` for a size of a dimension that the model has not, and what compiling throws.
 */
export async function inspectModel(model: Model, options: InspectOptions = {}): Promise<ModelReport> {
  const sizes = plannedSizes(model, options.sizes)
  const stage = nextStage(model.graph)
  const graph = stage === undefined ? model.graph : stage.graph
  const described = graph && (await describeGraph(model, graph, sizes, options))
  const list = model.parameters.list()
  const perPass = await examplesPerPass(model, sizes, options.signal)
  const checkpoint = checkpointReport(model)
  const counts = new Map<string, number>()
  for (const { op } of model.graph.nodes) counts.set(op, (counts.get(op) ?? 0) + 1)
  return {
    name: model.name,
    hash: await model.hash(),
    metadata: model.metadata,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    inputs: model.inputs,
    outputs: model.outputs,
    batchAxis: model.batchAxis,
    ...(perPass === undefined ? {} : { examplesPerPass: perPass }),
    sizes,
    operations: [...counts].map(([op, count]) => ({ op, count })).sort((a, b) => b.count - a.count),
    isStaged: stage !== undefined,
    layers: described?.layers ?? [],
    suggestedLayers: suggestedLayers(
      model.graph,
      new Map((described?.layers ?? []).map(({ name, shape }) => [name, shape])),
    ),
    parameters: {
      count: list.length,
      elements: list.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0),
      bytes: list.reduce((sum, { bytes }) => sum + bytes, 0),
      list,
    },
    ...(described ? { plan: described.plan } : {}),
  }
}
