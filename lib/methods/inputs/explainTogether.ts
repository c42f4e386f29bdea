import type { EnsembleRequest, EnsembleResult, NativePlan, NativeTensor } from '#typings/addon.js'
import type { Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { classInput } from '../../graph/compileTarget.js'
import type { Target } from '../../graph/target.js'
import type { Batching } from '../../model/batching.js'
import { isOnProcessor } from '../../model/isOnProcessor.js'
import type { Model } from '../../model/model.js'
import { concatenate, rowsOf, stack } from '../../model/stack.js'
import { settle } from '../../native.js'
import {
  choose,
  chooseTogether,
  chosenFrom,
  declaresScores,
  givenClass,
  isOfClass,
  outputName,
} from './choice.js'
import type { ExplainedValues } from './explainedValues.js'
import type { AttributeOptions } from './gradientMethod.js'
import {
  baselineName,
  chooseChunk,
  gradientPlan,
  noiseName,
  passExtras,
  plannedName,
  positionName,
  readsBaselines,
} from './gradientPlan.js'
import type { Choice, Example, TargetRun } from './gradientResult.js'
import { noisySamples } from './noisySamples.js'
import { reachName } from './piecewiseLinear.js'
import { type Ensemble, looksOnce, type Recipe } from './recipe.js'
import { straightPath, takesStraightPath } from './straightPath.js'

/** A baseline as a tensor like the value that it belongs to; `several`: its leading axis may hold more than one. */
export const filled = (
  value: number | Tensor | undefined,
  like: Tensor,
  name: string,
  several = false,
): Tensor => {
  if (typeof value === 'object') {
    const sameItem = value.shape.slice(1).join() === like.shape.slice(1).join()
    const rows = value.shape[0] ?? 0
    if (!sameItem || rows < 1 || (rows > 1 && !several))
      throw new AscribeError(
        'INPUT_SHAPE',
        `The baseline of "${name}" has shape [${value.shape.join(', ')}], expected [${several ? 'baselines' : 1}, ${like.shape.slice(1).join(', ')}]`,
      )
    return value
  }
  const data = new Float32Array(like.data.length).fill(value ?? 0)
  return { dtype: 'f32', shape: [...like.shape], data }
}

/** One baseline where all examples have the same, else one for each; several for methods that draw from them. */
function baselineOf(explained: readonly ExplainedValues[], name: string, several: boolean): Tensor {
  const [first] = explained as [ExplainedValues]
  const isShared = explained.every(each => each.baselines[name] === first.baselines[name])
  const used = isShared ? [first] : explained
  const tensors = used.map(each => filled(each.baselines[name], each.tensors[name]!, name, several))
  // Numbers that stand for a tensor are f32, whatever others are.
  const isMixed = tensors.some(({ dtype }) => dtype !== tensors[0]!.dtype)
  if (!isMixed) return concatenate(tensors)
  return concatenate(
    tensors.map(({ shape, data }) => ({
      dtype: 'f64',
      shape,
      data: Float64Array.from(data as Float32Array),
    })),
  )
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

/** What the native loop reads, but for the numbers of the recipe. */
function ensembleInputs(
  examples: readonly Example[],
  classes: readonly number[] | undefined,
  recipe: Recipe,
): Pick<EnsembleRequest, 'inputs' | 'extras' | 'paired'> {
  const [{ explained }] = examples as [Example]
  const nameOf = plannedName(explained)
  const contents = stack(examples.map(example => example.explained.tensors))
  const extras: Record<string, NativeTensor> = {}
  for (const name of Object.keys(examples[0]!.prepared.tensors))
    if (explained.areLayers || !explained.names.includes(name))
      extras[name] = concatenate(examples.map(({ prepared }) => prepared.tensors[name]!)) as NativeTensor
  const own = passExtras(recipe, explained)
  for (const [name, tensor] of Object.entries(own)) extras[name] = tensor as NativeTensor
  if (classes)
    extras[classInput] = {
      dtype: 'i64',
      shape: [classes.length, 1],
      data: BigInt64Array.from(classes, BigInt),
    }
  return {
    inputs: Object.fromEntries(explained.names.map(name => [nameOf(name), contents[name] as NativeTensor])),
    ...(Object.keys(extras).length > 0 ? { extras } : {}),
    ...(readsBaselines(recipe)
      ? { paired: Object.fromEntries(explained.names.map(name => [baselineName(name), nameOf(name)])) }
      : {}),
  }
}

function baselinesFor(recipe: Recipe, examples: readonly Example[]): Record<string, NativeTensor> {
  const explained = examples.map(example => example.explained)
  const nameOf = plannedName(explained[0]!)
  return Object.fromEntries(
    explained[0]!.names.map(name => [
      nameOf(name),
      baselineOf(explained, name, recipe.draws !== undefined) as NativeTensor,
    ]),
  )
}

function ensembleRequest(
  recipe: Recipe,
  examples: readonly Example[],
  tensors: Pick<EnsembleRequest, 'inputs' | 'extras' | 'paired'>,
  chunk: number,
): EnsembleRequest {
  const [{ explained }] = examples as [Example]
  const nameOf = plannedName(explained)
  const { noise, pass, walk } = recipe
  const isOnPath = !pass?.positions && recipe.points.some(point => point !== 1)
  const isDifference = ['integrated', 'importantDirection'].includes(recipe.quantity)
  const hasBaselines = isOnPath || isDifference || readsBaselines(recipe)
  const baselines = hasBaselines ? baselinesFor(recipe, examples) : undefined
  const draws = recipe.draws?.(Math.max(...Object.values(baselines ?? {}).map(({ shape }) => shape[0]!)))
  const positions = pass?.positions
  const own = pass?.outputNames ?? explained.names.map(nameOf)
  return {
    ...tensors,
    ...(baselines ? { baselines } : {}),
    points: recipe.points,
    weights: recipe.weights,
    ...(draws ? { sampleBaselines: draws.baselines } : {}),
    ...(draws?.points ? { samplePoints: draws.points } : {}),
    ...(positions
      ? {
          positions: {
            name: positionName,
            values: positions.values,
            atInput: Float64Array.from(positions.atInput),
            ...(positions.atBaseline ? { atBaseline: Float64Array.from(positions.atBaseline) } : {}),
          },
        }
      : {}),
    ...(pass?.isShared ? { shared: true } : {}),
    ...(pass?.drawsNoise ? { noise: noiseName } : {}),
    ...(pass || walk ? { outputs: walk?.kind === 'pieces' ? [...own, reachName] : [...own] } : {}),
    // A walk multiplies by its moves itself.
    quantity: walk ? 'gradient' : recipe.quantity,
    samples: draws?.baselines.length ?? recipe.samples,
    ...(noise
      ? {
          sigma: Object.fromEntries(
            explained.names.map(name => [
              nameOf(name),
              Float64Array.from(examples, example =>
                'sigma' in noise
                  ? noise.sigma
                  : noise.fractionOfRange * rangeOf(example.explained.tensors[name]!),
              ),
            ]),
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
  /** Undefined where the pass that explains them tells. */
  choices: readonly Choice[] | undefined
  /** Examples whose outputs are computed at once where the pass does not tell them. */
  together: number
  options: AttributeOptions
  ensemble: Ensemble
  recipe: Recipe
  /** A recipe as the plan runs it. */
  planned: (recipe: Recipe) => Recipe
  picksTop: boolean
}

async function explainInChunks(course: Course, chunk: number, batching: Batching): Promise<TargetRun> {
  const { model, target, examples, options, picksTop } = course
  const planned = course.planned(course.recipe)
  const { signal, onProgress } = options
  const [first] = examples as [Example]
  const {
    plan,
    description,
    target: compiled,
    givesOutput,
  } = await gradientPlan(
    model,
    target,
    first.explained,
    first.prepared.tensors,
    chunk,
    batching,
    { ...planned, picksTop },
    signal,
  )
  const before =
    course.choices ??
    (givesOutput ? undefined : await chooseTogether(model, examples, target, course.together, signal))
  const shape = givesOutput ? description.outputs.at(-1)!.shape : undefined
  const classOf = (at: number) => before?.[at]?.class ?? givenClass(model, target, shape) ?? 0
  const classes = compiled.readsClass ? examples.map((_, at) => classOf(at)) : undefined
  const tensors = ensembleInputs(examples, classes, planned)
  const { result, details } = await course.ensemble(given => {
    const recipe = course.planned(given)
    const request = { ...ensembleRequest(recipe, examples, tensors, chunk), keepsOutput: givesOutput }
    return runNative(plan, recipe, request, model, signal, onProgress)
  })
  if (![...result.objective, ...(result.baselineObjective ?? [])].every(Number.isFinite))
    throw new AscribeError(
      'NOT_FINITE',
      `The target "${compiled.valueName}" is NaN or infinite at the input or the baseline`,
      {
        hint: 'Weights of the model may hold NaN: `ascribe inspect` and `model.run` show where.',
      },
    )
  if (!result.sums.every(Number.isFinite))
    throw new AscribeError(
      'NOT_FINITE',
      'The scores hold NaN or infinity: numbers on the way were too large for the precision of the model',
      { hint: 'Noise or baselines may be far from what the model was made for.' },
    )
  const told = (at: number) =>
    chosenFrom(rowsOf(result.output as Tensor, at, 1), compiled.valueName, model, target)
  return {
    target,
    compiled,
    choices: before ?? examples.map((_, at) => told(at)),
    result,
    details,
    plan: description,
    chunk,
    batching,
    rules: planned.rules,
    pass: planned.pass,
  }
}

async function runNative(
  plan: NativePlan,
  recipe: Recipe,
  request: EnsembleRequest,
  model: Model,
  signal: AbortSignal | undefined,
  onProgress: AttributeOptions['onProgress'],
): Promise<EnsembleResult> {
  const { pass } = recipe
  const walk =
    recipe.walk?.kind === 'pieces'
      ? { ...recipe.walk, segments: Math.min(recipe.walk.segments, request.chunk) }
      : recipe.walk
  const options = {
    guard: true,
    ...(onProgress ? { onProgress } : {}),
    ...(model.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: model.memoryLimitBytes }),
  }
  const result = await settle(
    () => (walk ? plan.walk({ ...request, walk }, options) : plan.ensemble(request, options)),
    signal,
  )
  const { forward = 1, backward = 1 } = pass?.cost ?? {}
  return {
    ...result,
    forwardPasses: forward * result.forwardPasses,
    backwardPasses: backward * result.backwardPasses,
  }
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

/** Rows that an ensemble runs: its points, and the ends of the path where they are not among them. */
function evaluationsOf({ points, samples, quantity, walk }: Recipe, examples: number): number {
  if (walk?.kind === 'pieces') return walk.segments
  const atInput = samples === 1 && points.includes(1)
  const atBaseline = quantity !== 'integrated' || (samples === 1 && points.includes(0))
  return points.length * samples * examples + (atInput ? 0 : examples) + (atBaseline ? 0 : 1)
}

/**
 * Explains one target for examples that are alike.
 *
 * @param known What the target picks of each, where that is known and nobody looks at the model's output.
 */
export async function explainTogether(
  model: Model,
  examples: readonly Example[],
  target: Target,
  recipe: Recipe,
  ensemble: Ensemble,
  options: AttributeOptions,
  known?: readonly Choice[],
): Promise<TargetRun> {
  const { signal } = options
  const [first] = examples as [Example]
  const isTop = target.description.kind === 'top'
  const areScores = declaresScores(model, outputName(model, target))
  const picksTop = isTop && areScores === true && looksOnce(recipe) && isOnProcessor(model)
  const isTold = areScores === true && (picksTop || !isTop)
  let choices = known
  // Of an output that is no scores results show nothing.
  if (areScores === false && !isOfClass(target)) choices ??= examples.map(() => ({ output: [] }))
  // Targets that do not fit are said before anything is compiled.
  if (isTold) givenClass(model, target)
  else if (examples.length === 1) choices ??= [await choose(model, first, target, signal)]
  const isSingle = takesStraightPath(model, first)
  // On the processor samples are drawn straight into what the plan reads, and nothing has to be sent.
  const inPlan = (given: Recipe) =>
    (isSingle ? straightPath(given) : undefined) ??
    (isSingle && !isOnProcessor(model) ? noisySamples(given) : undefined)
  const isShared = inPlan(recipe) !== undefined
  const planned = (given: Recipe) => (isShared ? (inPlan(given) ?? given) : given)
  // A shared pass holds one example's points or samples.
  const evaluations = evaluationsOf(recipe, isShared ? 1 : examples.length)
  let { chunk, batching, isLight } = await chooseChunk(
    model,
    target,
    first.explained,
    first.prepared.tensors,
    evaluations,
    options.chunk,
    { ...planned(recipe), picksTop },
    signal,
  )
  const isTogether = isLight && batching.size === 'any' && batching.graph === model.graph
  const together = isTogether ? chunk : 1
  if (!isTold) choices ??= await chooseTogether(model, examples, target, together, signal)
  const course = { model, target, examples, choices, together, options, ensemble, recipe, planned, picksTop }
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
