import type { Attribution } from '../../attribution/attribution.js'
import { AscribeError } from '../../errors.js'
import { type PredictionName, predictionReads } from '../../graph/predictionTarget.js'
import { Target } from '../../graph/target.js'
import { generating } from '../../language/decoding.js'
import { Generator, type Prompt } from '../../language/generator.js'
import type { Model } from '../../model/model.js'
import { expectInteger, typeError } from '../../validate.js'
import { AttentionMethod } from '../attention/attentionMethod.js'
import type { AttributionMethod } from '../attributionMethod.js'
import { GradientMethod } from '../inputs/gradientMethod.js'
import { findMethod } from '../registry.js'
import { type ExplainedSequence, explainedSequence } from './explainedSequence.js'
import { GenerationAttribution } from './generationAttribution.js'
import { checkContrasts, contrastsOf } from './generationContrasts.js'
import { baselineOf, type Course, stepInputs } from './generationCourse.js'
import { checkOptions, type ExplainGenerationOptions } from './generationOptions.js'
import { type NoisyProbability, noisyProbability } from './mcDropout.js'
import { merged } from './mergeSteps.js'
import { logitsBehind, type StepDistribution } from './predictionScores.js'
import { StepMethod } from './stepMethod.js'
import { stepModel } from './stepModel.js'

/** Steps that go to a method at once: their scores with all features are held side by side. */
const stepsTogether = 8
const usualTokens = 16
const usualNoisyPasses = 5

/**
 * Explains tokens that a language model wrote (or might have written): for each of them the scores of all tokens
 * before it, as a map of tokens by tokens; of a model that reads one text and writes another, also those of the text that it
 * read. Each step explains a function of the model's prediction in that place, the rest of
 * the answer being as it is. Steps go through the model side by side.
 *
 * @param prompt A text, the messages of a conversation, or token ids.
 * @throws AscribeError MODEL_CAPABILITY for models that write no text; INPUT_VALUE, INPUT_SHAPE, OPTION_*;
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
  generating(model)
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
    sequence,
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
  { ids, sourceTokens }: ExplainedSequence,
  positions: readonly number[],
  { stepScores = [], dropout = {}, signal }: ExplainGenerationOptions,
): Promise<NoisyProbability[]> {
  const found: NoisyProbability[] = []
  if (of !== 'mcDropoutProbability' && !stepScores.includes('mcDropoutProbability')) return found
  const { samples = usualNoisyPasses, rate, seed = 0 } = dropout
  for (const place of positions) {
    const read = { ids: ids.slice(0, place), sourceTokens }
    found.push(await noisyProbability(model, read, ids[place]!, { samples, rate, seed }, signal))
  }
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

async function methodFor({ model, of, contrasts, options }: Course): Promise<AttributionMethod> {
  const reads = predictionReads(of)
  const hasReference = contrasts.logits !== undefined && (reads === 'contrast' || reads === 'distributions')
  const explained = stepModel(model, { of, hasReference, topK: options.topK, topP: options.topP })
  const { method = 'IntegratedGradients', methodOptions = {} } = options
  if (typeof method === 'function') {
    const made = await method(explained)
    if (typeof made?.attribute !== 'function') throw typeError('what method makes', 'a method', made)
    return made
  }
  const entry = findMethod(method)
  return (await entry.load())(explained, { ...methodOptions })
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
