import type { EnsembleRequest, EnsembleResult, NativeTensor, PlanDescription } from '#typings/addon.js'
import { Attribution } from '../../attribution/attribution.js'
import type { AttributionWarning, Completeness, OutputEntry } from '../../attribution/types.js'
import { unitShape } from '../../attribution/units.js'
import type { Image } from '../../data/image.js'
import { type Tensor, validateTensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import type { CompiledTarget } from '../../graph/compileTarget.js'
import { classIndex, Target } from '../../graph/target.js'
import { topClasses } from '../../model/classify.js'
import type { Model, ModelInputs } from '../../model/model.js'
import { type PreparedInput, prepareInput } from '../../model/prepareInput.js'
import { native, settle } from '../../native.js'
import { expectInteger, expectKnownKeys, expectObject } from '../../validate.js'
import { type ExplainedValues, explainedValues } from './explainedValues.js'
import { chooseChunk, classInput, gradientPlan, standInName } from './gradientPlan.js'

/** What a method explains: a picture, the model's only input, or all inputs by name. One example (leading axis 1). */
export type Explained = Image | ModelInputs

/** A baseline in model space: one number for all elements, a tensor, or one of either for each input. */
export type Baseline = number | Tensor | Readonly<Record<string, number | Tensor>>

export interface AttributeOptions {
  /** A class index, a label, a {@link Target}, or several (the scores then have a leading target axis). Default: the top class. */
  target?: Target | number | string | readonly (Target | number | string)[]
  /** Inputs whose scores are wanted. Default: the embeddings of a model of tokens, else every floating-point input. */
  inputs?: readonly string[]
  /**
   * Values inside the model to explain in place of its inputs, by name (`model.layers()` lists them): how the target
   * follows from them. A layer [1, T, features] has its scores by token.
   */
  layer?: string | readonly string[]
  /** Texts of the tokens, for results. Default: their ids. */
  tokens?: readonly string[]
  /**
   * What absence looks like, for methods with a baseline. Default 0 (after preprocessing: for ImageNet models the mean
   * colour). For layers, a baseline of an input of the model (`{ ids: padded }`) is what they hold for that input.
   */
  baseline?: Baseline
  signal?: AbortSignal
  /** Passes done and passes in all. */
  onProgress?: (done: number, total: number) => void
  /** Examples of one pass; default as many as fit the memory bound. */
  chunk?: number
}

/** The numbers of one run that the native loop needs and the method decides. */
export interface Recipe {
  quantity: EnsembleRequest['quantity']
  points: Float64Array
  weights: Float64Array
  samples: number
  statistic: EnsembleRequest['statistic']
  seed: number
  noise?: { sigma: number } | { fractionOfRange: number }
}

/** How a method's identity stands in results. */
export interface MethodIdentity {
  name: string
  options: object
  seed?: number
}

interface Item {
  prepared: PreparedInput
  class?: number
  output: OutputEntry[]
}

/** One target's share of a call. */
interface TargetRun {
  target: Target
  compiled: CompiledTarget
  item: Item
  result: EnsembleResult
  details: Record<string, number> | undefined
  plan: PlanDescription
  explained: ExplainedValues
  chunk: number
}

const attributeOptionNames = [
  'target',
  'inputs',
  'layer',
  'tokens',
  'baseline',
  'signal',
  'onProgress',
  'chunk',
]

function checkAttributeOptions(options: AttributeOptions): void {
  expectKnownKeys('attribute options', options, attributeOptionNames)
  if (options.chunk !== undefined) expectInteger('chunk', options.chunk, 1, 1 << 20)
  const { baseline } = options
  if (baseline === undefined) return
  const each = typeof baseline === 'number' || 'dtype' in baseline ? { baseline } : baseline
  for (const [name, value] of Object.entries(each)) {
    const numbers = typeof value === 'number' ? [value] : validateTensor(value as Tensor, name).data
    if (!(numbers instanceof BigInt64Array) && !numbers.every(Number.isFinite))
      throw new AscribeError('INPUT_VALUE', `The baseline "${name}" holds NaN or infinity`)
  }
}

const filled = (value: number | Tensor | undefined, like: Tensor, name: string): NativeTensor => {
  if (typeof value === 'object') {
    const sameItem = value.shape.slice(1).join() === like.shape.slice(1).join()
    if (!sameItem || value.shape[0] !== 1)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The baseline of "${name}" has shape [${value.shape.join(', ')}], expected [1, ${like.shape.slice(1).join(', ')}]`,
      )
    return value as NativeTensor
  }
  const data = new Float32Array(like.data.length).fill(value ?? 0)
  return { dtype: 'f32', shape: [...like.shape], data }
}

function rangeOf(tensor: Tensor): number {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const value of tensor.data as Float32Array) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return high > low ? high - low : 0
}

/**
 * The shared course of the gradient family: prepare, pick the target, compile one pass, let the native loop run it
 * over points and samples, put the result into an {@link Attribution}. A method gives a {@link Recipe}.
 */
export abstract class GradientMethod {
  constructor(readonly model: Model) {}

  /** What the native loop computes; public so that noise can be put around any method. */
  abstract recipe(): Recipe
  abstract identity(): MethodIdentity
  /** Whether scores add up to f(input) - f(baseline). */
  protected get complete(): boolean {
    return (
      this.recipe().quantity === 'integrated' &&
      this.recipe().statistic === 'mean' &&
      this.recipe().noise === undefined
    )
  }

  /** Scores of one input. */
  async attribute(input: Explained, options: AttributeOptions = {}): Promise<Attribution> {
    expectObject('attribute options', options)
    const targets = Array.isArray(options.target)
      ? (options.target as (Target | number | string)[])
      : [options.target as Target | number | string | undefined]
    if (targets.length === 0) throw new AscribeError('TARGET_INVALID', 'The list of targets is empty')
    checkAttributeOptions(options)
    const prepared = await prepareInput(this.model, input)
    const runs: TargetRun[] = []
    for (const target of targets) runs.push(await this.#explain(prepared, Target.from(target), options))
    return this.#envelope(prepared, runs, Array.isArray(options.target))
  }

  /** Scores of many inputs, one after the other; each is what {@link attribute} gives for it alone. */
  async attributeBatch(inputs: readonly Explained[], options: AttributeOptions = {}): Promise<Attribution[]> {
    const results: Attribution[] = []
    for await (const result of this.stream(inputs, options)) results.push(result)
    return results
  }

  /** The same as an iterator: memory does not grow with the number of inputs. */
  async *stream(
    inputs: Iterable<Explained> | AsyncIterable<Explained>,
    options: AttributeOptions = {},
  ): AsyncGenerator<Attribution> {
    for await (const input of inputs) yield await this.attribute(input, options)
  }

  /** Runs the native loop once; overridden by methods that repeat it (tolerance). */
  protected async ensemble(
    run: (recipe: Recipe) => Promise<EnsembleResult>,
  ): Promise<{ result: EnsembleResult; details?: Record<string, number> }> {
    return { result: await run(this.recipe()) }
  }

  async #item(prepared: PreparedInput, target: Target, signal: AbortSignal | undefined): Promise<Item> {
    const { description, options } = target
    const name = options.output ?? this.model.outputs[0]?.name
    if (name === undefined) throw new AscribeError('TARGET_REQUIRED', 'The model has no output')
    const { outputs } = await this.model.run(prepared.tensors, {
      outputs: [name],
      ...(signal ? { signal } : {}),
    })
    const output = outputs[name]!
    const isScores = output.data instanceof Float32Array && output.shape.slice(2).every(size => size === 1)
    const classes = isScores ? topClasses(output.data, this.model.labels) : []
    if (description.kind !== 'top' && description.kind !== 'class') return { prepared, output: classes }
    const count = output.data.length
    if (output.shape.slice(2).some(size => size !== 1) || output.shape.length < 2)
      throw new AscribeError(
        'TARGET_REQUIRED',
        `Output "${name}" has shape [${output.shape.join(', ')}], which is not one score per class`,
        {
          hint: 'Give a Target: regression, token, box, mask or an expression.',
        },
      )
    const index =
      description.kind === 'top' ? classes[0]?.index : classIndex(description.of, this.model.labels)
    if (index === undefined || index >= count)
      throw new AscribeError('TARGET_INVALID', `Class ${index} is outside the ${count} outputs of "${name}"`)
    return { prepared, class: index, output: classes }
  }

  async #explain(prepared: PreparedInput, target: Target, options: AttributeOptions): Promise<TargetRun> {
    const { signal } = options
    const explained = await explainedValues(this.model, prepared, options)
    const item = await this.#item(prepared, target, signal)
    const first = this.recipe()
    let chunk = await chooseChunk(
      this.model,
      target,
      explained,
      prepared.tensors,
      first.points.length * first.samples,
      options.chunk,
      signal,
    )
    for (;;) {
      try {
        return await this.#explainInChunks(chunk, prepared, target, explained, item, options)
      } catch (error) {
        // The choice is an estimate; the bound itself is kept by the allocator, before any work has been done.
        const tooLarge = error instanceof AscribeError && error.code === 'OUT_OF_MEMORY_BUDGET'
        if (!tooLarge || chunk === 1 || this.model.batchAxis.kind === 'fixed') throw error
        chunk = Math.floor(chunk / 2)
      }
    }
  }

  async #explainInChunks(
    chunk: number,
    prepared: PreparedInput,
    target: Target,
    explained: ExplainedValues,
    item: Item,
    options: AttributeOptions,
  ): Promise<TargetRun> {
    const { signal } = options
    const nameOf = (name: string) => (explained.areLayers ? standInName(name) : name)
    const { plan, target: compiled } = await gradientPlan(
      this.model,
      target,
      explained,
      prepared.tensors,
      chunk,
      signal,
    )
    // Now: the model may be disposed of while the job runs.
    const described = plan.describe()
    const tensors = prepared.tensors as Record<string, NativeTensor>
    const contents = explained.tensors as Record<string, NativeTensor>
    const inputs = Object.fromEntries(explained.names.map(name => [nameOf(name), contents[name]!]))
    const extras: Record<string, NativeTensor> = Object.fromEntries(
      Object.entries(tensors).filter(([name]) => explained.areLayers || !explained.names.includes(name)),
    )
    if (compiled.readsClass)
      extras[classInput] = { dtype: 'i64', shape: [1, 1], data: BigInt64Array.of(BigInt(item.class ?? 0)) }
    const run = (recipe: Recipe) => {
      const integrated = recipe.quantity === 'integrated'
      const sigma =
        recipe.noise &&
        Object.fromEntries(
          explained.names.map(name => [
            nameOf(name),
            Float64Array.of(
              'sigma' in recipe.noise!
                ? recipe.noise.sigma
                : recipe.noise!.fractionOfRange * rangeOf(explained.tensors[name]!),
            ),
          ]),
        )
      const request: EnsembleRequest = {
        inputs,
        ...(Object.keys(extras).length > 0 ? { extras } : {}),
        ...(integrated
          ? {
              baselines: Object.fromEntries(
                explained.names.map(name => [
                  nameOf(name),
                  filled(explained.baselines[name], explained.tensors[name]!, name),
                ]),
              ),
            }
          : {}),
        points: recipe.points,
        weights: recipe.weights,
        quantity: recipe.quantity,
        samples: recipe.samples,
        ...(sigma ? { sigma } : {}),
        statistic: recipe.statistic,
        seed: BigInt(recipe.seed),
        chunk,
      }
      return settle(
        () =>
          plan.ensemble(request, {
            guard: true,
            ...(options.onProgress ? { onProgress: options.onProgress } : {}),
            ...(this.model.memoryLimitBytes === undefined
              ? {}
              : { memoryLimitBytes: this.model.memoryLimitBytes }),
          }),
        signal,
      )
    }
    const { result, details } = await this.ensemble(run)
    if (![...result.objective, ...(result.baselineObjective ?? [])].every(Number.isFinite))
      throw new AscribeError(
        'NOT_FINITE',
        `The target "${compiled.valueName}" is NaN or infinite at the input or the baseline`,
        {
          hint: 'Weights of the model may hold NaN: `ascribe inspect` and `model.run` show where.',
        },
      )
    return { target, compiled, item, result, details, plan: described, explained, chunk }
  }

  #describe(target: Target, run: TargetRun) {
    const { item, compiled, result } = run
    const label = item.class === undefined ? undefined : this.model.labels?.[item.class]
    const score = target.options.score ?? 'logit'
    const what =
      item.class === undefined
        ? `${target.description.kind} of ${compiled.valueName}`
        : `${score} of ${label === undefined ? `class ${item.class}` : `"${label}" (class ${item.class})`}`
    return {
      description: compiled.lookedBehind ? `${what}, before the final ${compiled.lookedBehind}` : what,
      kind: target.description.kind,
      output: compiled.valueName,
      value: result.objective[0]!,
      ...(item.class === undefined ? {} : { index: item.class }),
      ...(label === undefined ? {} : { label }),
    }
  }

  async #envelope(
    prepared: PreparedInput,
    runs: readonly TargetRun[],
    severalTargets: boolean,
  ): Promise<Attribution> {
    const engine = native().engine()
    const warnings: AttributionWarning[] = []
    const completeness: Completeness[] = []
    for (const { result, compiled, plan } of runs) {
      const silent = Object.values(result.attributions).every(tensor =>
        (tensor.data as Float32Array).every(value => value === 0),
      )
      if (silent)
        warnings.push({
          code: 'TARGET_SATURATED',
          message: `The gradient is zero everywhere: "${compiled.valueName}" is flat at this input (a final ReLU at 0, or a saturated function). Explain ${compiled.before === undefined ? 'the value before it' : `"${compiled.before}", the value before it`}.`,
        })
      for (const name of plan.unconnected)
        warnings.push({
          code: 'NOT_CONNECTED',
          message: `The target does not depend on "${name}"; its scores are zeros.`,
        })
      if (this.complete && result.baselineObjective) {
        const difference = result.objective[0]! - result.baselineObjective[0]!
        const delta = result.sums[0]! - difference
        completeness.push({
          delta,
          difference,
          relative: difference === 0 ? null : Math.abs(delta / difference),
        })
      }
    }
    const identity = this.identity()
    const details = runs[0]?.details
    const { explained } = runs[0]!
    const total = (pick: (result: EnsembleResult) => number) =>
      runs.reduce((sum, run) => sum + pick(run.result), 0)
    return new Attribution({
      model: { name: this.model.name, hash: await this.model.hash() },
      preprocessing: prepared.preprocessing ?? null,
      target: severalTargets
        ? runs.map(run => this.#describe(run.target, run))
        : this.#describe(runs[0]!.target, runs[0]!),
      output: runs[0]!.item.output,
      method: {
        name: identity.name,
        options: identity.options,
        ...(identity.seed === undefined ? {} : { seed: identity.seed }),
        ...(details ? { details } : {}),
      },
      checks: completeness.length === runs.length ? { completeness } : {},
      warnings,
      cost: {
        forwardPasses: total(r => r.forwardPasses),
        backwardPasses: total(r => r.backwardPasses),
        milliseconds: total(r => r.milliseconds),
        peakBytes: Math.max(...runs.map(run => run.result.peakBytes)),
      },
      environment: {
        device: runs[0]!.plan.device,
        isa: engine.isa,
        threads: engine.threadsPerLane,
        chunk: Math.max(...runs.map(run => run.chunk)),
        precision: 'f32',
        versions: {
          ascribe: engine.version,
          ...Object.fromEntries(
            engine.backends.flatMap(b => (b.available && b.version ? [[b.name, b.version]] : [])),
          ),
        },
      },
      inputs: explained.names.map(name => {
        const planned = explained.areLayers ? standInName(name) : name
        const units = explained.units[name]!
        const tensors = runs.map(run => run.result.attributions[planned] as Tensor<'f32'>)
        const data = new Float32Array(tensors.reduce((sum, tensor) => sum + tensor.data.length, 0))
        for (const [i, tensor] of tensors.entries()) data.set(tensor.data, i * tensor.data.length)
        return {
          name,
          units,
          scores: {
            dtype: 'f32' as const,
            shape: severalTargets ? [runs.length, ...unitShape(units)] : unitShape(units),
            data,
          },
          ...(prepared.picture && prepared.pictureInput === name ? { picture: prepared.picture } : {}),
        }
      }),
    })
  }
}
