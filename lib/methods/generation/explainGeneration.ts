import type { Aggregation } from '../../attribution/aggregate.js'
import { Attribution } from '../../attribution/attribution.js'
import type { AttributionWarning, Completeness, Json, OutputEntry } from '../../attribution/types.js'
import { createTensor, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { type PredictionName, predictionNames, predictionReads } from '../../graph/predictionTarget.js'
import { Target } from '../../graph/target.js'
import { Generator, type Prompt } from '../../language/generator.js'
import type { Model } from '../../model/model.js'
import {
  expectInteger,
  expectKnownKeys,
  expectNumber,
  expectObject,
  expectOneOf,
  typeError,
} from '../../validate.js'
import { AttentionMethod } from '../attention/attentionMethod.js'
import type { AttributionMethod } from '../attributionMethod.js'
import { type AttributeOptions, GradientMethod } from '../inputs/gradientMethod.js'
import { findMethod } from '../registry.js'
import { causalDecoder } from './causalDecoder.js'
import { type ExplainedSequence, explainedSequence } from './explainedSequence.js'
import { GenerationAttribution } from './generationAttribution.js'
import { type GenerationDetails, generationKey } from './groupSteps.js'
import { type NoisyProbability, noisyProbability } from './mcDropout.js'
import { logitsBehind, type StepDistribution, type StepScoreName, stepScore } from './predictionScores.js'
import { StepMethod } from './stepMethod.js'
import { stepModel } from './stepModel.js'

/** Makes the method for a model whose only output is the explained function of one prediction. */
export type GenerationMethod = string | ((model: Model) => AttributionMethod | Promise<AttributionMethod>)

export interface ExplainGenerationOptions {
  /** What was answered: a text, or the token ids that a model wrote. Default: what the model writes, the most likely token each time. */
  answer?: string | readonly number[]
  /** Tokens that are written where there is no answer. Default 16. */
  maximumTokens?: number
  /** Which tokens of the answer are explained: from `start` to before `end`. Default all. */
  steps?: readonly [start: number, end: number]
  /** The name of a method, or what makes one. Default IntegratedGradients. */
  method?: GenerationMethod
  /** Of a method that is named. */
  methodOptions?: Readonly<Record<string, unknown>>
  /** Which function of each prediction is explained. Default logit. */
  function?: PredictionName
  /** For contrasts: another answer, whose tokens are compared place by place, or another prompt before the same answer, or both. */
  contrast?: { answer?: string | readonly number[]; prompt?: Prompt }
  /** Of klDivergence and topPSize: only the most likely tokens count. */
  topK?: number
  topP?: number
  /** Of mcDropoutProbability: noisy passes (default 5, as Inseq), the rate of dropout in place of config.json's, the seed. */
  dropout?: { samples?: number; rate?: number; seed?: number }
  /** Numbers of each step that are told beside the scores. */
  stepScores?: readonly StepScoreName[]
  /** How the features of a token's embedding become one score. Default `sum`, which keeps signs and completeness; Inseq has `l2`. `none` keeps them. */
  aggregation?: Aggregation
  /** What absence looks like, for methods with a baseline; see {@link AttributeOptions.baseline}. */
  baseline?: AttributeOptions['baseline']
  signal?: AbortSignal
  /** Steps done and in all. */
  onProgress?: (done: number, total: number) => void
  /** Examples of one pass; default as many as fit. */
  chunk?: number
}

const optionNames = [
  'answer',
  'maximumTokens',
  'steps',
  'method',
  'methodOptions',
  'function',
  'contrast',
  'topK',
  'topP',
  'dropout',
  'stepScores',
  'aggregation',
  'baseline',
  'signal',
  'onProgress',
  'chunk',
]

/** Steps that go to a method at once: their scores with all features are held side by side. */
const stepsTogether = 8
const usualTokens = 16
const usualNoisyPasses = 5
const stepScoreNames: readonly StepScoreName[] = [...predictionNames, 'topPSize']

function checkOptions(options: ExplainGenerationOptions): void {
  expectObject('options', options)
  expectKnownKeys('options', options, optionNames)
  if (options.maximumTokens !== undefined) expectInteger('maximumTokens', options.maximumTokens, 1, 1 << 20)
  if (options.function !== undefined) expectOneOf('function', options.function, predictionNames)
  if (options.topK !== undefined) expectInteger('topK', options.topK, 1)
  if (options.topP !== undefined) expectNumber('topP', options.topP, Number.MIN_VALUE, 1)
  if (options.contrast !== undefined) {
    expectObject('contrast', options.contrast)
    expectKnownKeys('contrast', options.contrast, ['answer', 'prompt'])
  }
  if (options.dropout !== undefined) {
    const { samples, rate, seed } = options.dropout
    expectKnownKeys('dropout', expectObject('dropout', options.dropout), ['samples', 'rate', 'seed'])
    if (samples !== undefined) expectInteger('dropout.samples', samples, 2, 1_000_000)
    if (rate !== undefined) expectNumber('dropout.rate', rate, 0, 0.999)
    if (seed !== undefined) expectInteger('dropout.seed', seed, 0)
  }
  if (options.stepScores !== undefined) {
    if (!Array.isArray(options.stepScores))
      throw typeError('stepScores', 'a list of names', options.stepScores)
    for (const name of options.stepScores) expectOneOf('stepScores', name, stepScoreNames)
  }
  const { steps } = options
  if (steps !== undefined && (!Array.isArray(steps) || steps.length !== 2))
    throw typeError('steps', '[start, end]', steps)
}

/** What one step's prediction is compared with. */
interface Contrasts {
  /** Another answer's token for each step. */
  readonly tokens?: readonly number[]
  /** Logits in another context for each step. */
  readonly logits?: readonly Float32Array[]
}

/** Everything that is known of the steps before a method is asked. */
interface Course {
  readonly model: Model
  readonly sequence: ExplainedSequence
  /** Places of the explained tokens among all. */
  readonly positions: readonly number[]
  readonly of: PredictionName
  readonly contrasts: Contrasts
  readonly distributions: readonly StepDistribution[]
  readonly options: ExplainGenerationOptions
}

/**
 * Explains tokens that a causal language model wrote (or might have written): for each of them the scores of all tokens
 * before it, as a map of tokens by tokens. Each step explains a function of the model's prediction in that place, the rest of
 * the answer being as it is. Steps go through the model side by side.
 *
 * @param prompt A text, the messages of a conversation, or token ids.
 * @throws AscribeError MODEL_CAPABILITY for models that do not go on from a text; INPUT_VALUE, INPUT_SHAPE, OPTION_*;
 *   TARGET_INVALID where the function needs a contrast that was not given.
 * @example
 * const map = await explainGeneration(model, 'The capital of France is', { answer: ' Paris', function: 'probability' })
 * console.log(map.toText())
 */
export async function explainGeneration(
  model: Model,
  prompt: Prompt,
  options: ExplainGenerationOptions = {},
): Promise<GenerationAttribution> {
  checkOptions(options)
  causalDecoder(model)
  const { signal } = options
  const answer = options.answer ?? (await written(model, prompt, options))
  const sequence = await explainedSequence(model, prompt, answer, signal)
  const count = sequence.ids.length - sequence.promptTokens
  const [start, end] = options.steps ?? [0, count]
  expectInteger('steps[0]', start, 0, count - 1)
  expectInteger('steps[1]', end, start + 1, count)
  const positions = Array.from({ length: end - start }, (_, at) => sequence.promptTokens + start + at)
  const of = options.function ?? 'logit'
  const contrasts = await contrastsOf(model, prompt, sequence, start, positions, options)
  checkContrasts(of, contrasts)
  for (const name of options.stepScores ?? []) if (name !== 'topPSize') checkContrasts(name, contrasts)
  const rows = await logitsBehind(
    model,
    sequence.ids,
    positions.map(place => place - 1),
    signal,
  )
  const noisy = await noisyOf(model, of, sequence, positions, options)
  const distributions = positions.map(
    (place, at): StepDistribution => ({
      ...(noisy[at] ? { noisy: noisy[at] } : {}),
      logits: rows[at]!,
      token: sequence.ids[place]!,
      contrast: contrasts.tokens?.[at] ?? sequence.ids[place]!,
      reference: contrasts.logits?.[at] ?? rows[at]!,
      topK: options.topK,
      topP: options.topP,
    }),
  )
  const course = { model, sequence, positions, of, contrasts, distributions, options }
  return new GenerationAttribution(await merged(course, await attributed(course)))
}

/** What dropout does to each step's probability, where that is asked for. */
async function noisyOf(
  model: Model,
  of: PredictionName,
  { ids }: ExplainedSequence,
  positions: readonly number[],
  { stepScores = [], dropout = {}, signal }: ExplainGenerationOptions,
): Promise<NoisyProbability[]> {
  const found: NoisyProbability[] = []
  if (of !== 'mcDropoutProbability' && !stepScores.includes('mcDropoutProbability')) return found
  const { samples = usualNoisyPasses, rate, seed = 0 } = dropout
  for (const place of positions)
    found.push(
      await noisyProbability(model, ids.slice(0, place), ids[place]!, { samples, rate, seed }, signal),
    )
  return found
}

async function written(model: Model, prompt: Prompt, options: ExplainGenerationOptions) {
  const { maximumTokens = usualTokens, signal } = options
  const { ids } = await new Generator(model).generate(prompt, {
    temperature: 0,
    maximumTokens,
    ...(signal ? { signal } : {}),
  })
  return ids
}

function checkContrasts(of: PredictionName, { tokens, logits }: Contrasts): void {
  const reads = predictionReads(of)
  const needs = (what: string) => new AscribeError('TARGET_INVALID', `The function ${of} needs ${what}`)
  if (reads === 'contrast' && tokens === undefined && logits === undefined)
    throw needs('a contrast: another answer or another prompt')
  if (reads === 'distributions' && logits === undefined) throw needs('a contrast with another prompt')
}

async function contrastsOf(
  model: Model,
  prompt: Prompt,
  sequence: ExplainedSequence,
  start: number,
  positions: readonly number[],
  { contrast, signal }: ExplainGenerationOptions,
): Promise<Contrasts> {
  if (contrast === undefined) return {}
  const { answer } = contrast
  let tokens: readonly number[] | undefined
  if (answer !== undefined) {
    const other = await explainedSequence(model, prompt, answer, signal)
    const own = other.ids.slice(other.promptTokens)
    if (own.length < start + positions.length)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The contrast has ${own.length} tokens, and the answer is explained up to its token ${start + positions.length}`,
        { hint: 'Explain fewer steps, or write both answers with as many tokens.' },
      )
    tokens = own.slice(start, start + positions.length)
  }
  if (contrast.prompt === undefined) return { ...(tokens ? { tokens } : {}) }
  const elsewhere = await explainedSequence(
    model,
    contrast.prompt,
    sequence.ids.slice(sequence.promptTokens),
    signal,
  )
  const places = positions.map(place => place - sequence.promptTokens + elsewhere.promptTokens - 1)
  return {
    ...(tokens ? { tokens } : {}),
    logits: await logitsBehind(model, elsewhere.ids, places, signal),
  }
}

const integers = (shape: number[], values: readonly number[]): Tensor =>
  createTensor('i64', shape, BigInt64Array.from(values, BigInt))

/** What one step gives the model that is explained. */
function stepInputs({ sequence, positions, of, contrasts, distributions }: Course, at: number) {
  const reads = predictionReads(of)
  const { token, contrast, noisy } = distributions[at]!
  const reference = contrasts.logits?.[at]
  return {
    input_ids: integers([1, sequence.ids.length], sequence.ids),
    row: integers([1], [positions[at]! - 1]),
    ...(reads === 'token' || reads === 'contrast' ? { token: integers([1, 1], [token]) } : {}),
    ...(reads === 'contrast' ? { contrast: integers([1, 1], [contrast]) } : {}),
    ...(of === 'mcDropoutProbability' && noisy
      ? {
          noisy_mean: createTensor('f32', [1], Float32Array.of(noisy.mean)),
          noisy_deviation: createTensor('f32', [1], Float32Array.of(noisy.deviation)),
        }
      : {}),
    ...(reference && (reads === 'contrast' || reads === 'distributions')
      ? { reference: createTensor('f32', [1, reference.length], reference.slice()) }
      : {}),
  }
}

async function methodFor({ model, of, contrasts, options }: Course): Promise<AttributionMethod> {
  const reads = predictionReads(of)
  const hasReference = contrasts.logits !== undefined && (reads === 'contrast' || reads === 'distributions')
  const explained = stepModel(model, { of, hasReference, topK: options.topK, topP: options.topP })
  const { method = 'IntegratedGradients', methodOptions = {} } = options
  if (typeof method === 'function') return method(explained)
  const entry = findMethod(method)
  return (await entry.load())(explained, { ...methodOptions })
}

/** Texts have padding in place of their tokens, where the tokenizer has any; see `explainedValues`. */
function baselineOf({ model, sequence, options }: Course): AttributeOptions['baseline'] {
  const padding = model.tokenizer?.padding
  if (options.baseline !== undefined || padding === undefined) return options.baseline
  const ids = sequence.ids.map((id, at) => (sequence.offsets?.[at] === null ? id : padding))
  return { input_ids: integers([1, ids.length], ids) }
}

/** The scores of all steps, one attribution each. */
async function attributed(course: Course): Promise<Attribution[]> {
  const { positions, options } = course
  const { aggregation = 'sum', signal, chunk, onProgress } = options
  const method = await methodFor(course)
  if (method instanceof StepMethod) return stepByStep(course, method)
  const isGradient = method instanceof GradientMethod
  if (!isGradient && !(method instanceof AttentionMethod))
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `${method.identity().name} does not explain tokens: methods on gradients and attention do`,
    )
  const baseline = isGradient ? baselineOf(course) : undefined
  const results: Attribution[] = []
  for (let from = 0; from < positions.length; from += stepsTogether) {
    const part = positions.slice(from, from + stepsTogether)
    const found = await method.attributeBatch(
      part.map((_, at) => stepInputs(course, from + at)),
      {
        target: Target.regression(),
        ...(baseline === undefined ? {} : { baseline }),
        ...(signal ? { signal } : {}),
        ...(chunk === undefined ? {} : { chunk }),
      },
    )
    results.push(...found.map(each => each.aggregate(aggregation)))
    onProgress?.(results.length, positions.length)
  }
  return results
}

/** Steps of a method that only runs the model, one after the other. */
async function stepByStep(
  { sequence, positions, options }: Course,
  method: StepMethod,
): Promise<Attribution[]> {
  const { signal, chunk, onProgress } = options
  if (options.function !== undefined && options.function !== method.explains)
    throw new AscribeError(
      'TARGET_INVALID',
      `${method.identity().name} explains the ${method.explains} of tokens, and no other function`,
    )
  const results: Attribution[] = []
  for (const position of positions) {
    const each = { ...(signal ? { signal } : {}), ...(chunk === undefined ? {} : { chunk }) }
    results.push(await method.explain(sequence, position, each))
    onProgress?.(results.length, positions.length)
  }
  return results
}

/** Texts of the most likely tokens, for a result of one step. */
async function mostLikely({ model, distributions, options }: Course): Promise<OutputEntry[]> {
  if (distributions.length !== 1) return []
  const { logits } = distributions[0]!
  const order = Array.from(logits as Float32Array, (_, at) => at).sort(
    (a, b) => logits[b]! - logits[a]! || a - b,
  )
  const entries: OutputEntry[] = []
  for (const index of order.slice(0, 5)) {
    const label = await model.tokenizer?.decode([index], { specials: true, signal: options.signal })
    entries.push({
      index,
      ...(label === undefined ? {} : { label }),
      value: logits[index]!,
      probability: stepScore('probability', { ...distributions[0]!, token: index }),
    })
  }
  return entries
}

/** Attributions of steps as one whose targets they are. */
async function merged(course: Course, found: readonly Attribution[]): Promise<Attribution> {
  const { model, sequence, positions, distributions, options } = course
  const [first] = found as [Attribution]
  // Methods that only run the model explain a function of their own.
  const ownKind = first.targets[0]!.kind ?? 'regression'
  const of = ownKind === 'regression' ? course.of : ownKind
  const { units, scores, name } = first.inputs[0]!
  const length = scores.data.length
  const data = new Float32Array(length * found.length)
  for (const [at, each] of found.entries()) data.set(each.scores().data, at * length)
  const { tokens, text, offsets } = sequence
  const features = units.kind === 'tokens' ? units.features : undefined
  const shape = units.kind === 'tokens' ? [tokens.length, ...(features === undefined ? [] : [features])] : []
  if (first.inputs.length !== 1 || shape.join() !== scores.shape.join())
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `${first.method.name} gives scores of shape [${scores.shape.join(', ')}], not one for each of ${tokens.length} tokens`,
    )
  const stepScores = Object.fromEntries(
    (options.stepScores ?? []).map(each => [each, distributions.map(step => stepScore(each, step))]),
  )
  const details: GenerationDetails = {
    promptTokens: sequence.promptTokens,
    ids: sequence.ids,
    positions,
    lengths: positions.map(() => 1),
    stepScores,
  }
  const { contrast } = options
  const asked = {
    function: of,
    aggregation: options.aggregation ?? 'sum',
    ...(options.topK === undefined ? {} : { topK: options.topK }),
    ...(options.topP === undefined ? {} : { topP: options.topP }),
    ...(options.dropout === undefined ? {} : { dropout: { ...options.dropout } }),
    ...(contrast === undefined ? {} : { contrast: JSON.parse(JSON.stringify(contrast)) as Json }),
  }
  const completeness = found.flatMap(({ checks }): readonly Completeness[] => checks.completeness ?? [])
  return new Attribution({
    model: { name: model.name, hash: await model.hash() },
    target: positions.map((place, at) => {
      const label = tokens[place]!
      const value = first.targets[0]!.value === undefined ? undefined : found[at]!.targets[0]!.value
      return {
        description: `${of} of ${JSON.stringify(label)} (token ${sequence.ids[place]})`,
        kind: of,
        output: 'logits',
        index: sequence.ids[place]!,
        label,
        ...(value === undefined ? {} : { value }),
      }
    }),
    output: await mostLikely(course),
    method: {
      ...first.method,
      options: { ...first.method.options, ...asked },
      details: { ...stepDetails(found), [generationKey]: details as unknown as Json },
    },
    checks: completeness.length === found.length ? { completeness } : {},
    warnings: distinct(found.flatMap(({ warnings }) => warnings)),
    cost: {
      forwardPasses: found.reduce((sum, { cost }) => sum + cost.forwardPasses, 1),
      backwardPasses: found.reduce((sum, { cost }) => sum + cost.backwardPasses, 0),
      milliseconds: found.reduce((sum, { cost }) => sum + cost.milliseconds, 0),
      peakBytes: Math.max(...found.map(({ cost }) => cost.peakBytes ?? 0)),
    },
    environment: first.environment,
    inputs: [
      {
        name,
        units: {
          kind: 'tokens',
          tokens,
          ...(features === undefined ? {} : { features }),
          ...(text === undefined || offsets === undefined ? {} : { text, offsets }),
        },
        scores: createTensor('f32', [found.length, ...shape], data),
      },
    ],
  })
}

/** What came out of the runs: once where it is the same for all steps, else step by step. */
function stepDetails(found: readonly Attribution[]): { [name: string]: Json } {
  const all = found.map(({ method }) => method.details ?? {})
  const names = [...new Set(all.flatMap(details => Object.keys(details)))]
  return Object.fromEntries(
    names.map((name): [string, Json] => {
      const values = all.map(details => details[name] ?? null)
      const isShared = values.every(value => JSON.stringify(value) === JSON.stringify(values[0]))
      return [name, isShared ? values[0]! : values]
    }),
  )
}

/** Warnings that several steps share are said once. */
const distinct = (warnings: readonly AttributionWarning[]): AttributionWarning[] => [
  ...new Map(warnings.map(warning => [`${warning.code} ${warning.message}`, warning])).values(),
]
