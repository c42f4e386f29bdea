import type { NativePlan } from '#typings/addon.js'
import type { Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { GraphBuilder } from '../../graph/builder.js'
import { type CompiledTarget, classInput, compileTarget } from '../../graph/compileTarget.js'
import type { Target } from '../../graph/target.js'
import { bindSizes } from '../../model/bindSizes.js'
import type { Model } from '../../model/model.js'

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

/**
 * Inputs whose gradient is taken: the named ones, or every floating-point input.
 *
 * @throws AscribeError INPUT_DTYPE for token ids and other integers, which have no gradient
 */
export function explainedInputs(model: Model, names: readonly string[] | undefined): string[] {
  const floating = (dtype: string | undefined) => dtype === 'f32' || dtype === 'f64'
  const chosen = names ?? model.inputs.filter(input => floating(input.dtype)).map(input => input.name)
  for (const name of chosen) {
    const input = model.inputs.find(candidate => candidate.name === name)
    if (input === undefined)
      throw new AscribeError('INPUT_MISSING', `The model has no input called "${name}"`)
    if (!floating(input.dtype))
      throw new AscribeError(
        'INPUT_DTYPE',
        `Input "${name}" holds ${input.dtype} numbers, which have no gradient`,
        {
          hint: 'Token ids are explained at the embedding layer.',
        },
      )
  }
  if (chosen.length === 0)
    throw new AscribeError(
      'INPUT_DTYPE',
      `The model has no floating-point input (${model.inputs.map(i => `${i.name}: ${i.dtype}`).join(', ')})`,
      {
        hint: 'Token ids are explained at the embedding layer.',
      },
    )
  return [...chosen]
}

/** A key for targets: expressions are told apart by identity. */
const expressionKeys = new WeakMap<object, number>()
let expressions = 0
function targetKey(target: Target): string {
  const { description } = target
  if (description.kind === 'top' || description.kind === 'class')
    return `class ${JSON.stringify(target.options)}`
  if (description.kind === 'expression' || description.kind === 'mask') {
    const key = expressionKeys.get(target) ?? ++expressions
    expressionKeys.set(target, key)
    return `${description.kind} ${key}`
  }
  return JSON.stringify([description, target.options])
}

/** Compiles the pass for a chunk size; the model keeps plans by size. */
export async function gradientPlan(
  model: Model,
  target: Target,
  explained: readonly string[],
  example: Readonly<Record<string, Tensor>>,
  chunk: number,
  signal?: AbortSignal,
): Promise<GradientPlan> {
  const sizes = bindSizes(model.inputs, example)
  for (const input of model.inputs) {
    const first = input.shape?.[0]
    if (typeof first === 'string') sizes[first] = chunk
  }
  sizes['ascribe.examples'] = chunk
  const builder = new GraphBuilder()
  const values = builder.include(model.graph)
  const outputs = new Map(
    model.outputs.flatMap(({ name }) =>
      model.output(values, name) ? [[name, model.output(values, name)!]] : [],
    ),
  )
  const compiled = compileTarget(builder, outputs, target, model.labels)
  const one = builder.constant('f32', [1, 1], Float32Array.of(1))
  const seed = builder.apply('expandLike', [one, compiled.objective], { leading: 1 })
  const wanted = explained.map(name => values.get(name)!)
  const gradients = builder.vjp([compiled.objective], [seed], wanted)
  const key = `gradient ${explained.join('\u0000')} ${targetKey(target)} ${JSON.stringify(sizes)}`
  const plan = await model.plan(
    key,
    () => builder.build([...gradients, compiled.objective]),
    { sizes },
    signal,
  )
  return { plan, target: compiled, chunk }
}

/** The chunk that fits the memory bound, judged by the arena of one example. Fixed batches dictate theirs. */
export async function chooseChunk(
  model: Model,
  target: Target,
  explained: readonly string[],
  example: Readonly<Record<string, Tensor>>,
  points: number,
  requested: number | undefined,
  signal?: AbortSignal,
): Promise<number> {
  const axis = model.batchAxis
  if (axis.kind === 'fixed') return axis.size
  if (axis.kind === 'none')
    throw new AscribeError(
      'MODEL_CAPABILITY',
      'The inputs share no batch axis, so path points cannot be stacked',
      {
        hint: 'Export the model with one symbolic (or one equal, fixed) leading dimension on every input.',
      },
    )
  const limit = model.memoryLimitBytes ?? defaultChunkBytes
  const { plan } = await gradientPlan(model, target, explained, example, 1, signal)
  const { arenaBytes } = plan.describe()
  const fitting = Math.max(1, Math.floor(limit / Math.max(arenaBytes, 1)))
  return Math.min(requested ?? greatestChunk, fitting, Math.max(points, 1))
}

export { classInput }
