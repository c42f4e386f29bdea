import type { EnsembleRequest, EnsembleResult, NativePlan, NativeTensor } from '#typings/addon.js'
import type { Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { classInput } from '../../graph/compileTarget.js'
import type { RuleSet } from '../../graph/ruleSet.js'
import { classIndex, type Target } from '../../graph/target.js'
import { type Batching, runExample } from '../../model/batching.js'
import { topClasses } from '../../model/classify.js'
import type { Model } from '../../model/model.js'
import { concatenate, stack } from '../../model/stack.js'
import { settle } from '../../native.js'
import type { ExplainedValues } from './explainedValues.js'
import type { AttributeOptions } from './gradientMethod.js'
import { baselineName, type Combination, chooseChunk, gradientPlan, standInName } from './gradientPlan.js'
import type { Choice, Example, TargetRun } from './gradientResult.js'

/** The numbers of one run that the native loop needs and the method decides. */
export interface Recipe {
  quantity: EnsembleRequest['quantity']
  points: Float64Array
  weights: Float64Array
  samples: number
  statistic: EnsembleRequest['statistic']
  seed: number
  noise?: { sigma: number } | { fractionOfRange: number }
  /** Another rule set than the true derivative. */
  rules?: RuleSet
  /** What is made of a value and its gradient, inside the plan. */
  combination?: Combination
}

/** Runs the native loop, perhaps more than once (tolerance). */
export type Ensemble = (
  run: (recipe: Recipe) => Promise<EnsembleResult>,
) => Promise<{ result: EnsembleResult; details?: Record<string, number> }>

/** A baseline as a tensor like the value that it belongs to. */
export const filled = (value: number | Tensor | undefined, like: Tensor, name: string): Tensor => {
  if (typeof value === 'object') {
    const sameItem = value.shape.slice(1).join() === like.shape.slice(1).join()
    if (!sameItem || value.shape[0] !== 1)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The baseline of "${name}" has shape [${value.shape.join(', ')}], expected [1, ${like.shape.slice(1).join(', ')}]`,
      )
    return value
  }
  const data = new Float32Array(like.data.length).fill(value ?? 0)
  return { dtype: 'f32', shape: [...like.shape], data }
}

/** One baseline where all examples have the same, else one for each. */
function baselineOf(explained: readonly ExplainedValues[], name: string): Tensor {
  const [first] = explained as [ExplainedValues]
  const isShared = explained.every(each => each.baselines[name] === first.baselines[name])
  const used = isShared ? [first] : explained
  return concatenate(used.map(each => filled(each.baselines[name], each.tensors[name]!, name)))
}

/** A baseline for every example, also where all have the same. */
function baselineRows(examples: readonly Example[], name: string): NativeTensor {
  const rows = examples.map(({ explained }) => {
    const like = explained.tensors[name]!
    const baseline = filled(explained.baselines[name], like, name)
    if (baseline.dtype === like.dtype) return baseline
    const data = new (like.data.constructor as Float64ArrayConstructor)(baseline.data.length)
    data.set(baseline.data as Float32Array)
    return { dtype: like.dtype, shape: baseline.shape, data } as Tensor
  })
  return concatenate(rows) as NativeTensor
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

/** The class that the target picks, and the model's output as results show it. */
export async function choose(
  model: Model,
  example: Pick<Example, 'prepared'>,
  target: Target,
  signal: AbortSignal | undefined,
): Promise<Choice> {
  const { description, options } = target
  const name = options.output ?? model.outputs[0]?.name
  if (name === undefined) throw new AscribeError('TARGET_REQUIRED', 'The model has no output')
  const output = (await runExample(model, example.prepared.tensors, [name], signal))[name]!
  const isScores = output.data instanceof Float32Array && output.shape.slice(2).every(size => size === 1)
  const classes = isScores ? topClasses(output.data, model.labels) : []
  if (description.kind !== 'top' && description.kind !== 'class') return { output: classes }
  const count = output.data.length
  if (output.shape.slice(2).some(size => size !== 1) || output.shape.length < 2)
    throw new AscribeError(
      'TARGET_REQUIRED',
      `Output "${name}" has shape [${output.shape.join(', ')}], which is not one score per class`,
      {
        hint: 'Give a Target: regression, token, box, mask or an expression.',
      },
    )
  const index = description.kind === 'top' ? classes[0]?.index : classIndex(description.of, model.labels)
  if (index === undefined || index >= count)
    throw new AscribeError('TARGET_INVALID', `Class ${index} is outside the ${count} outputs of "${name}"`)
  return { class: index, output: classes }
}

/** What the native loop reads, but for the numbers of the recipe. */
function ensembleInputs(
  examples: readonly Example[],
  choices: readonly Choice[],
  readsClass: boolean,
  compares: boolean,
): Pick<EnsembleRequest, 'inputs' | 'extras'> {
  const [{ explained }] = examples as [Example]
  const nameOf = (name: string) => (explained.areLayers ? standInName(name) : name)
  const contents = stack(examples.map(example => example.explained.tensors))
  const given = stack(examples.map(example => example.prepared.tensors))
  const extras: Record<string, NativeTensor> = Object.fromEntries(
    Object.entries(given as Record<string, NativeTensor>).filter(
      ([name]) => explained.areLayers || !explained.names.includes(name),
    ),
  )
  if (compares) for (const name of explained.names) extras[baselineName(name)] = baselineRows(examples, name)
  if (readsClass)
    extras[classInput] = {
      dtype: 'i64',
      shape: [choices.length, 1],
      data: BigInt64Array.from(choices, choice => BigInt(choice.class ?? 0)),
    }
  return {
    inputs: Object.fromEntries(explained.names.map(name => [nameOf(name), contents[name] as NativeTensor])),
    ...(Object.keys(extras).length > 0 ? { extras } : {}),
  }
}

function ensembleRequest(
  recipe: Recipe,
  examples: readonly Example[],
  tensors: Pick<EnsembleRequest, 'inputs' | 'extras'>,
  chunk: number,
): EnsembleRequest {
  const [{ explained }] = examples as [Example]
  const nameOf = (name: string) => (explained.areLayers ? standInName(name) : name)
  const byName = <T>(make: (name: string) => T): Record<string, T> =>
    Object.fromEntries(explained.names.map(name => [nameOf(name), make(name)]))
  const { noise } = recipe
  return {
    ...tensors,
    ...(recipe.quantity === 'integrated'
      ? {
          baselines: byName(
            name =>
              baselineOf(
                examples.map(example => example.explained),
                name,
              ) as NativeTensor,
          ),
        }
      : {}),
    points: recipe.points,
    weights: recipe.weights,
    quantity: recipe.quantity,
    samples: recipe.samples,
    ...(noise
      ? {
          sigma: byName(name =>
            Float64Array.from(examples, example =>
              'sigma' in noise
                ? noise.sigma
                : noise.fractionOfRange * rangeOf(example.explained.tensors[name]!),
            ),
          ),
        }
      : {}),
    statistic: recipe.statistic,
    seed: BigInt(recipe.seed),
    // Each example's noise is what it is alone.
    itemKeys: new BigInt64Array(examples.length),
    chunk,
  }
}

interface Course {
  model: Model
  target: Target
  examples: readonly Example[]
  choices: readonly Choice[]
  options: AttributeOptions
  ensemble: Ensemble
  rules: RuleSet | undefined
  combination: Combination | undefined
}

async function explainInChunks(course: Course, chunk: number, batching: Batching): Promise<TargetRun> {
  const { model, target, examples, choices, options } = course
  const { signal, onProgress } = options
  const [first] = examples as [Example]
  const { plan, target: compiled } = await gradientPlan(
    model,
    target,
    first.explained,
    first.prepared.tensors,
    chunk,
    batching,
    course.rules,
    signal,
    course.combination,
  )
  // Now: the model may be disposed of while the job runs.
  const described = plan.describe()
  const tensors = ensembleInputs(examples, choices, compiled.readsClass, course.rules?.compares ?? false)
  const { result, details } = await course.ensemble(recipe =>
    runNative(plan, ensembleRequest(recipe, examples, tensors, chunk), model, signal, onProgress),
  )
  if (![...result.objective, ...(result.baselineObjective ?? [])].every(Number.isFinite))
    throw new AscribeError(
      'NOT_FINITE',
      `The target "${compiled.valueName}" is NaN or infinite at the input or the baseline`,
      {
        hint: 'Weights of the model may hold NaN: `ascribe inspect` and `model.run` show where.',
      },
    )
  return {
    target,
    compiled,
    choices,
    result,
    details,
    plan: described,
    chunk,
    batching,
    rules: course.rules,
  }
}

function runNative(
  plan: NativePlan,
  request: EnsembleRequest,
  model: Model,
  signal: AbortSignal | undefined,
  onProgress: AttributeOptions['onProgress'],
): Promise<EnsembleResult> {
  return settle(
    () =>
      plan.ensemble(request, {
        guard: true,
        ...(onProgress ? { onProgress } : {}),
        ...(model.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: model.memoryLimitBytes }),
      }),
    signal,
  )
}

/** Whether two examples can go through the native loop side by side. */
export const areAlike = (a: Example, b: Example): boolean => {
  const shapes = ({ prepared, explained }: Example) =>
    JSON.stringify(
      [prepared.tensors, explained.tensors].map(tensors =>
        Object.entries(tensors).map(([name, { dtype, shape }]) => [name, dtype, shape]),
      ),
    )
  return shapes(a) === shapes(b)
}

/** Explains one target for examples that are alike. */
export async function explainTogether(
  model: Model,
  examples: readonly Example[],
  target: Target,
  recipe: Recipe,
  ensemble: Ensemble,
  options: AttributeOptions,
): Promise<TargetRun> {
  const { signal } = options
  const choices: Choice[] = []
  for (const example of examples) choices.push(await choose(model, example, target, signal))
  const [first] = examples as [Example]
  const course = {
    model,
    target,
    examples,
    choices,
    options,
    ensemble,
    rules: recipe.rules,
    combination: recipe.combination,
  }
  let { chunk, batching } = await chooseChunk(
    model,
    target,
    first.explained,
    first.prepared.tensors,
    recipe.points.length * recipe.samples * examples.length,
    options.chunk,
    recipe.rules,
    signal,
    recipe.combination,
  )
  for (;;) {
    try {
      return await explainInChunks(course, chunk, batching)
    } catch (error) {
      // The choice is an estimate; the bound itself is kept by the allocator, before any work has been done.
      const tooLarge = error instanceof AscribeError && error.code === 'OUT_OF_MEMORY_BUDGET'
      if (!tooLarge || chunk === 1 || batching.size !== 'any') throw error
      chunk = Math.floor(chunk / 2)
    }
  }
}
