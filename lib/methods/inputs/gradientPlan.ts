import type { NativePlan } from '#typings/addon.js'
import type { Tensor } from '../../data/tensor.js'
import { GraphBuilder, type Value } from '../../graph/builder.js'
import { type CompiledTarget, compileTarget } from '../../graph/compileTarget.js'
import { onlyNeeded } from '../../graph/onlyNeeded.js'
import type { RuleSet } from '../../graph/ruleSet.js'
import type { Target } from '../../graph/target.js'
import { targetKey } from '../../graph/targetKey.js'
import { type Batching, batchingOf } from '../../model/batching.js'
import { bindSizes } from '../../model/bindSizes.js'
import type { Model } from '../../model/model.js'
import type { ExplainedValues } from './explainedValues.js'

/** Name of the plan's input that takes the place of a value inside the model. */
export const standInName = (layer: string): string => `ascribe.layer.${layer}`

/** Name of the plan's input that holds the baseline of a value, where the rules compare with one. */
export const baselineName = (name: string): string => `ascribe.baseline.${name}`

/** Something of the shape of a value, made of the value [N, …] and its gradient. */
export interface Combination {
  /** Tells combinations apart. */
  readonly name: string
  readonly of: (builder: GraphBuilder, value: Value, gradient: Value, rank: number) => Value
}

/** A compiled forward and backward pass of `chunk` examples. */
export interface GradientPlan {
  plan: NativePlan
  target: CompiledTarget
  /** Examples of one pass. */
  chunk: number
}

/** What one pass may hold unless the model or the call says otherwise. */
const defaultChunkBytes = 256 << 20
/** More examples than this fill no kernel better. */
const greatestChunk = 32

/** Compiles the pass for a chunk size; the model keeps plans by size. */
export async function gradientPlan(
  model: Model,
  target: Target,
  explained: ExplainedValues,
  example: Readonly<Record<string, Tensor>>,
  chunk: number,
  batching: Batching,
  rules?: RuleSet,
  signal?: AbortSignal,
  combination?: Combination,
): Promise<GradientPlan> {
  const chunked = Object.entries(example).map(([name, tensor]): [string, Tensor] => [
    name,
    { ...tensor, shape: [chunk, ...tensor.shape.slice(1)] },
  ])
  const sizes = bindSizes(batching.inputs, Object.fromEntries(chunked))
  sizes['ascribe.examples'] = chunk
  const builder = new GraphBuilder()
  const standIns = new Map<string, Value>()
  const values = builder.include(batching.graph, {
    replace: Object.fromEntries(
      (explained.areLayers ? explained.names : []).map(name => [
        name,
        () => {
          const { dtype, shape } = explained.tensors[name]!
          const standIn = builder.input(standInName(name), dtype, ['ascribe.examples', ...shape.slice(1)])
          standIns.set(name, standIn)
          return standIn
        },
      ]),
    ),
  })
  const outputs = new Map(
    model.outputs.flatMap(({ name }) =>
      model.output(values, name) ? [[name, model.output(values, name)!]] : [],
    ),
  )
  const compiled = compileTarget(builder, outputs, target, model.labels)
  const one = builder.constant('f32', [1, 1], Float32Array.of(1))
  const seed = rules?.startsFromValue
    ? builder.apply('unsqueeze', [compiled.objective], { axes: [0] })
    : builder.apply('expandLike', [one, compiled.objective], { leading: 1 })
  const wanted = explained.names.map(name => standIns.get(name) ?? values.get(name)!)
  const baselines = rules?.compares
    ? explained.names.map(name => {
        const { dtype, shape } = explained.tensors[name]!
        return builder.input(baselineName(name), dtype, ['ascribe.examples', ...shape.slice(1)])
      })
    : []
  const gradients = builder.vjp(
    [compiled.objective],
    [seed],
    wanted,
    rules === undefined ? {} : { rules: rules.name, ...rules.options },
    baselines,
  )
  const results =
    combination === undefined
      ? gradients
      : gradients.map((gradient, at) => {
          // One cotangent: its axis goes, and comes back.
          const own = builder.apply('squeeze', [gradient], { axes: [0] })
          const { shape } = explained.tensors[explained.names[at]!]!
          const combined = combination.of(builder, wanted[at]!, own, shape.length)
          return builder.apply('unsqueeze', [combined], { axes: [0] })
        })
  const shapes =
    explained.areLayers || rules?.compares
      ? explained.names.map(name => explained.tensors[name]!.shape.slice(1))
      : []
  const key = `gradient ${JSON.stringify(rules ?? '')} ${combination?.name ?? ''} ${batching.graph === model.graph ? '' : 'free '}${JSON.stringify([explained.names, explained.areLayers, shapes, sizes])} ${targetKey(target)}`
  const plan = await model.plan(
    key,
    () => onlyNeeded(builder.build([...results, compiled.objective])),
    { sizes },
    signal,
  )
  return { plan, target: compiled, chunk }
}

/**
 * The chunk that should fit the memory bound, judged by what one example takes, and how the model takes that many. A
 * batch that cannot be freed dictates the chunk.
 */
export async function chooseChunk(
  model: Model,
  target: Target,
  explained: ExplainedValues,
  example: Readonly<Record<string, Tensor>>,
  points: number,
  requested: number | undefined,
  rules?: RuleSet,
  signal?: AbortSignal,
  combination?: Combination,
): Promise<{ chunk: number; batching: Batching }> {
  const { batchAxis, graph, inputs } = model
  const wanted = Math.min(requested ?? greatestChunk, Math.max(points, 1))
  const isOne = batchAxis.kind === 'symbolic' || (batchAxis.kind === 'fixed' && batchAxis.size === 1)
  if (wanted === 1 && isOne) return { chunk: 1, batching: { size: 1, graph, inputs } }
  const batching = await batchingOf(model, example, signal)
  if (batching.size !== 'any') return { chunk: batching.size, batching }
  const limit = model.memoryLimitBytes ?? defaultChunkBytes
  const { plan } = await gradientPlan(
    model,
    target,
    explained,
    example,
    1,
    batching,
    rules,
    signal,
    combination,
  )
  const { arenaBytes, scratchBytes } = plan.describe()
  const elements = Object.values(explained.tensors).reduce((sum, tensor) => sum + tensor.data.length, 0)
  // One more example is its activations, itself as the plan's input and at worst a noisy copy in double; sums over the
  // path, over samples and the result do not grow with the chunk.
  const each = arenaBytes + 12 * elements
  const fixed = scratchBytes + 44 * elements
  const fitting = Math.max(1, Math.floor((limit - fixed) / Math.max(each, 1)))
  return { chunk: Math.min(wanted, fitting), batching }
}
