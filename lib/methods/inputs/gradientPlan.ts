import type { GraphDescription, NativePlan, PlanDescription } from '#typings/addon.js'
import type { Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { GraphBuilder, type Value } from '../../graph/builder.js'
import { type CompiledTarget, compileTarget, isOfForm } from '../../graph/compileTarget.js'
import { nodesFor, onlyNeeded } from '../../graph/onlyNeeded.js'
import type { Target } from '../../graph/target.js'
import { targetKey } from '../../graph/targetKey.js'
import { type Batching, batchingOf } from '../../model/batching.js'
import { bindSizes } from '../../model/bindSizes.js'
import { isOnProcessor } from '../../model/isOnProcessor.js'
import type { Model } from '../../model/model.js'
import { cachedExamples } from '../../model/passRows.js'
import { describePlan } from '../../native.js'
import { declaresScores, outputName } from './choice.js'
import type { ExplainedValues } from './explainedValues.js'
import type { ExplainedParts, PassParts } from './pass.js'
import { endName, piecewiseOutputs } from './piecewiseLinear.js'
import type { Recipe } from './recipe.js'

/** Name of the plan's input that takes the place of a value inside the model. */
export const standInName = (layer: string): string => `ascribe.layer.${layer}`

/** What an explained value is called in plans. */
export const plannedName =
  ({ areLayers }: Pick<ExplainedValues, 'areLayers'>) =>
  (name: string): string =>
    areLayers ? standInName(name) : name

/** Name of the plan's input that holds the baseline of a value, where the rules compare with one. */
export const baselineName = (name: string): string => `ascribe.baseline.${name}`

/** Name of the plan's input of what a pass reads beside what is explained. */
const extraName = (name: string): string => `ascribe.extra.${name}`

/** Name of the plan's input [chunk, width] with the numbers of each point. */
export const positionName = 'ascribe.position'

/** Name of the plan's input [chunk, 2 + explained values] by which it draws noisy samples. */
export const noiseName = 'ascribe.noise'

/** What goes into the plan: of a recipe, and whether the class at the top of each example is picked there. */
export interface Planned extends Pick<Recipe, 'rules' | 'pass' | 'walk' | 'precision'> {
  readonly picksTop?: boolean
}

/** Whether the plan has the baselines of what is explained among its inputs. */
export const readsBaselines = ({ rules, pass, walk }: Planned): boolean =>
  rules?.compares === true || pass?.readsBaselines === true || walk?.kind === 'pieces'

/** What a recipe's plan reads beside what is explained and the model's other inputs. */
const ownExtras = ({ pass, walk }: Planned, { names, tensors }: ExplainedValues): Record<string, Tensor> =>
  walk?.kind === 'pieces'
    ? Object.fromEntries(names.map((name, at) => [endName(at), tensors[name]!]))
    : { ...pass?.extras }

/** The same by their names in the plan. */
export const passExtras = (planned: Planned, explained: ExplainedValues): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(ownExtras(planned, explained)).map(([name, tensor]) => [extraName(name), tensor]),
  )

/** What results say of a target. */
export type NamedTarget = Omit<CompiledTarget, 'objective' | 'scores'>

/** A compiled forward and backward pass of `chunk` examples. */
export interface GradientPlan {
  plan: NativePlan
  description: PlanDescription
  target: NamedTarget
  /** Behind the objective the plan gives the output that the target is about: one score per class. */
  givesOutput: boolean
  /** Examples of one pass. */
  chunk: number
}

/** What one pass may hold unless the model or the call says otherwise, and how many examples: more fill no kernel better. */
const passOnProcessor = { bytes: 256 << 20, examples: 32 }
/** A GPU waits for the host between passes, and has no caches that a small pass would stay in. */
const passOnGpu = { bytes: 2 ** 31, examples: 64 }

/** Puts together what the plan of one pass computes. */
class PassGraph {
  readonly builder = new GraphBuilder()
  readonly compiled: CompiledTarget
  readonly outputs: Value[]
  /** The model's output, where it is one score per class and no pass of its own. */
  readonly output: Value | undefined
  readonly #values: ReadonlyMap<string, Value>
  readonly #seen: readonly Value[]
  readonly #given: ReadonlyMap<string, Value>
  #copies = 0

  constructor(
    private readonly model: Model,
    target: Target,
    private readonly explained: ExplainedValues,
    private readonly batching: Batching,
    private readonly planned: Planned,
  ) {
    const { builder } = this
    const { pass, walk } = planned
    const rows = pass?.isShared ? 1 : 'ascribe.examples'
    const inputs = explained.names.map(name =>
      explained.areLayers
        ? this.#input(standInName(name), explained.tensors[name]!, rows)
        : this.#declared(name),
    )
    const baselines = readsBaselines(planned)
      ? explained.names.map(name => this.#input(baselineName(name), explained.tensors[name]!, rows))
      : []
    const positions = pass?.positions
    const extras = ownExtras(planned, explained)
    const parts: PassParts = {
      builder,
      explained,
      values: inputs,
      baselines,
      position:
        positions && builder.input(positionName, 'f32', ['ascribe.examples', positions.atInput.length]),
      noise: pass?.drawsNoise
        ? builder.input(noiseName, 'i64', ['ascribe.examples', 2 + explained.names.length])
        : undefined,
      extra: name => builder.find(extraName(name)) ?? this.#input(extraName(name), extras[name]!),
    }
    this.#seen = pass?.seen?.(parts) ?? inputs
    this.#given = new Map(explained.names.map((name, at) => [name, this.#seen[at]!]))
    this.#values = this.#include('', this.#given)
    const outputs = new Map(
      model.outputs.flatMap(({ name }) => {
        const value = model.output(this.#values, name)
        return value ? [[name, value] as const] : []
      }),
    )
    const { picksTop } = planned
    this.compiled = compileTarget(builder, outputs, target, model.labels, this.#values, picksTop)
    const whole: ExplainedParts = {
      ...parts,
      seen: this.#seen,
      objective: this.compiled.objective,
      inner: name => this.#inner(this.#values, name),
      gradients: of => this.#gradients(of, baselines),
      weightedGradients: (of, weights, made) => this.#weightedGradients(of, weights, inputs, made),
      innerFor: (name, values) => {
        const given = new Map(explained.names.map((each, at) => [each, values[at]!]))
        return this.#inner(this.#include(`ascribe.copy.${this.#copies++}.`, given), name)
      },
    }
    const withCotangentAxis = (value: Value) => builder.apply('unsqueeze', [value], { axes: [0] })
    this.outputs = pass
      ? pass.outputs(whole).map(({ value }) => withCotangentAxis(value))
      : walk?.kind === 'pieces'
        ? piecewiseOutputs(whole).map(withCotangentAxis)
        : this.#vjp(this.#seen, baselines)
    const name = outputName(model, target)
    const output = declaresScores(model, name) ? outputs.get(name!) : undefined
    const own = output
      ? nodesFor(builder.build([...this.outputs, this.compiled.objective]), output.index)
      : []
    this.output = own.every(({ op }) => isOfForm(op)) ? output : undefined
  }

  get description(): NamedTarget {
    const { objective: _, scores: __, ...rest } = this.compiled
    return rest
  }
  build(givesOutput: boolean): GraphDescription {
    const given = givesOutput && this.output ? [this.output] : []
    return onlyNeeded(this.builder.build([...this.outputs, this.compiled.objective, ...given]))
  }

  #input(name: string, { dtype, shape }: Tensor, rows: number | string = 'ascribe.examples'): Value {
    return this.builder.input(name, dtype, [rows, ...shape.slice(1)])
  }
  #declared(name: string): Value {
    const { graph } = this.batching
    const declared = graph.inputs.map(index => graph.values[index]).find(value => value?.name === name)
    if (declared?.kind !== 'input')
      throw new AscribeError('INPUT_MISSING', `The model has no input called "${name}"`)
    const shape = this.planned.pass?.isShared ? [1, ...declared.shape.slice(1)] : [...declared.shape]
    return this.builder.input(name, declared.dtype, shape)
  }

  /** The model, with these values in the place of what is explained; what else it reads is what it reads elsewhere. */
  #include(prefix: string, given: ReadonlyMap<string, Value>): Map<string, Value> {
    const { areLayers } = this.explained
    const shared =
      prefix === ''
        ? []
        : this.model.inputs.flatMap(({ name }) => {
            const value = this.#values.get(name)
            return value ? [[name, value] as const] : []
          })
    return this.builder.include(this.batching.graph, {
      prefix,
      sharesParameters: true,
      inputs: { ...Object.fromEntries(shared), ...(areLayers ? {} : Object.fromEntries(given)) },
      ...(areLayers
        ? { replace: Object.fromEntries([...given].map(([name, value]) => [name, () => value])) }
        : {}),
    })
  }

  #inner(values: ReadonlyMap<string, Value>, name: string): Value {
    const found = values.get(name) ?? this.model.output(values, name)
    if (found) return found
    throw new AscribeError('LAYER_NOT_FOUND', `The model has no layer called "${name}"`, {
      hint: 'model.layers() lists them.',
    })
  }

  #vjp(of: readonly Value[], baselines: readonly Value[]): Value[] {
    const { builder, compiled } = this
    const { rules } = this.planned
    const seed = rules?.startsFromValue
      ? builder.apply('unsqueeze', [compiled.objective], { axes: [0] })
      : builder.apply(
          'expandLike',
          [builder.constant('f32', [1, 1], Float32Array.of(1)), compiled.objective],
          { leading: 1 },
        )
    return builder.vjp(
      [compiled.objective],
      [seed],
      [...of],
      rules === undefined ? {} : { rules: rules.name, ...rules.options },
      rules?.compares ? [...baselines] : [],
    )
  }
  #weightedGradients(
    of: readonly Value[],
    weights: Value,
    rows: readonly Value[],
    made: (gradient: Value, at: number) => Value = gradient => gradient,
  ): Value[] {
    const { builder, compiled } = this
    const seed = builder.apply('unsqueeze', [weights], { axes: [0] })
    return builder.vjp([compiled.objective], [seed], [...of]).map((gradient, at) => {
      const sum = builder.apply('sumTo', [made(gradient, at), rows[at]!], { leading: 1 })
      return builder.apply('squeeze', [sum], { axes: [0] })
    })
  }
  #gradients(of: readonly Value[], baselines: readonly Value[]): Value[] {
    return this.#vjp(of, baselines).map(gradient => this.builder.apply('squeeze', [gradient], { axes: [0] }))
  }
}

/** What stays as it is while the rows of passes move along the path of one example, or are drawn around it. */
const steadyInputs = (builder: GraphBuilder): string[] =>
  builder.inputs.flatMap(({ name }) =>
    name === undefined || name === positionName || name === noiseName ? [] : [name],
  )

/** What a plan that the model keeps does. */
type Known = Omit<GradientPlan, 'plan' | 'chunk'>
const known = new WeakMap<NativePlan, Known>()

/** Compiles the pass for a chunk size; the model keeps plans by size. */
export async function gradientPlan(
  model: Model,
  target: Target,
  explained: ExplainedValues,
  example: Readonly<Record<string, Tensor>>,
  chunk: number,
  batching: Batching,
  planned: Planned = {},
  signal?: AbortSignal,
): Promise<GradientPlan> {
  const chunked = Object.entries(example).map(([name, tensor]): [string, Tensor] => [
    name,
    { ...tensor, shape: [chunk, ...tensor.shape.slice(1)] },
  ])
  const sizes = bindSizes(batching.inputs, Object.fromEntries(chunked))
  sizes['ascribe.examples'] = chunk
  const shapes = explained.names.map(name => explained.tensors[name]!.shape.slice(1))
  const where = `${batching.graph === model.graph ? '' : 'free '}${JSON.stringify([explained.names, explained.areLayers, shapes, sizes])} ${targetKey(target)}`
  const compiled = async (planned: Planned, givesOutput: boolean): Promise<GradientPlan> => {
    const { rules, pass, walk, precision, picksTop } = planned
    const extras = Object.entries(pass?.extras ?? {}).map(([name, { shape }]) => [name, shape])
    const variant = [
      rules ?? '',
      pass?.name ?? '',
      pass?.positions?.atInput.length ?? 0,
      extras,
      walk?.kind ?? '',
      precision ?? 'f32',
      picksTop ?? false,
      givesOutput,
    ]
    let made: PassGraph | undefined
    const make = () => (made ??= new PassGraph(model, target, explained, batching, planned))
    const plan = await model.plan(
      `gradient ${JSON.stringify(variant)} ${where}`,
      () => make().build(givesOutput),
      () => ({
        sizes,
        ...(precision ? { precision } : {}),
        ...(pass?.isShared ? { steady: steadyInputs(make().builder) } : {}),
      }),
      signal,
    )
    let details = known.get(plan)
    if (details === undefined) {
      const { description: target, output } = make()
      details = {
        description: describePlan(plan),
        target,
        givesOutput: givesOutput && output !== undefined,
      }
      known.set(plan, details)
    }
    return { plan, chunk, ...details }
  }
  const found = await compiled(planned, true)
  // Declared shapes are the file's word.
  const isAsDeclared = !found.givesOutput || found.description.outputs.at(-1)!.shape[0] === chunk
  return isAsDeclared ? found : compiled({ ...planned, picksTop: false }, false)
}

/** Models with more packed weights than this are not packed once more for outputs in batches. */
const lightWeights = 96 << 20

/**
 * The chunk that should fit the memory bound and costs least, judged by what one example takes, and how the model takes
 * that many: of `points` evaluations in all. A batch that cannot be freed dictates the chunk.
 */
export async function chooseChunk(
  model: Model,
  target: Target,
  explained: ExplainedValues,
  example: Readonly<Record<string, Tensor>>,
  points: number,
  requested: number | undefined,
  planned: Planned = {},
  signal?: AbortSignal,
): Promise<{ chunk: number; batching: Batching; isLight?: boolean }> {
  const { batchAxis, graph, inputs } = model
  const most = isOnProcessor(model) ? passOnProcessor : passOnGpu
  const wanted = Math.min(requested ?? most.examples, Math.max(points, 1))
  const isOne = batchAxis.kind === 'symbolic' || (batchAxis.kind === 'fixed' && batchAxis.size === 1)
  if (wanted === 1 && isOne) return { chunk: 1, batching: { size: 1, graph, inputs } }
  const batching = await batchingOf(model, example, signal)
  if (batching.size !== 'any') return { chunk: batching.size, batching }
  const limit = model.memoryLimitBytes ?? most.bytes
  const planOf = async (examples: number) =>
    (await gradientPlan(model, target, explained, example, examples, batching, planned, signal)).description
  const { arenaBytes, scratchBytes, weightBytes, device } = await planOf(1)
  const elements = Object.values(explained.tensors).reduce((sum, tensor) => sum + tensor.data.length, 0)
  // One more example is its activations, itself as the plan's input and at worst a noisy copy in double; sums over the
  // path, over samples and the result do not grow with the chunk.
  const each = arenaBytes + 12 * elements
  const fixed = scratchBytes + 44 * elements
  const room = typeof model.recompute === 'number' ? model.recompute : Number.POSITIVE_INFINITY
  let fitting = Math.max(1, Math.floor(Math.min((limit - fixed) / Math.max(each, 1), room / arenaBytes)))
  if (fitting < wanted && planned.pass?.isShared) {
    // The ends of a shared path and what is computed of them once lie in the arena of one example and do not grow either,
    // nor is a point an input.
    const grown = (await planOf(2)).arenaBytes - arenaBytes
    const left = Math.min(limit - fixed, room) - arenaBytes
    fitting = 1 + Math.max(0, Math.floor(left / Math.max(grown, 1)))
  }
  const allowed = Math.min(wanted, fitting)
  const best =
    requested === undefined && device === 'cpu' ? cachedExamples(each, weightBytes, allowed) : allowed
  // Every pass costs the same however few of its rows are new, so the last one is to be as full as the others.
  const chunk = requested === undefined ? Math.ceil(points / Math.ceil(points / best)) : best
  return { chunk, batching, isLight: weightBytes <= lightWeights }
}
