import type { Aggregation } from '../../attribution/aggregate.js'
import { type PredictionName, predictionNames } from '../../graph/predictionTarget.js'
import type { Prompt } from '../../language/generator.js'
import type { Model } from '../../model/model.js'
import {
  expectInteger,
  expectKnownKeys,
  expectNumber,
  expectObject,
  expectOneOf,
  expectSignalAndProgress,
  typeError,
} from '../../validate.js'
import type { AttributionMethod } from '../attributionMethod.js'
import type { AttributeOptions } from '../inputs/gradientMethod.js'
import type { StepScoreName } from './predictionScores.js'

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

const stepScoreNames: readonly StepScoreName[] = [...predictionNames, 'topPSize']

/** @throws AscribeError OPTION_* */
export function checkOptions(options: ExplainGenerationOptions): void {
  expectObject('options', options)
  expectKnownKeys('options', options, optionNames)
  expectSignalAndProgress(options)
  if (options.maximumTokens !== undefined) expectInteger('maximumTokens', options.maximumTokens, 1, 1 << 20)
  if (options.function !== undefined) expectOneOf('function', options.function, predictionNames)
  if (options.topK !== undefined) expectInteger('topK', options.topK, 1)
  if (options.topP !== undefined) expectNumber('topP', options.topP, Number.MIN_VALUE, 1)
  if (options.contrast !== undefined) {
    expectObject('contrast', options.contrast)
    expectKnownKeys('contrast', options.contrast, ['answer', 'prompt'])
  }
  if (options.dropout !== undefined) {
    expectKnownKeys('dropout', expectObject('dropout', options.dropout), ['samples', 'rate', 'seed'])
    const { samples, rate, seed } = options.dropout
    if (samples !== undefined) expectInteger('dropout.samples', samples, 2, 1_000_000)
    if (rate !== undefined) expectNumber('dropout.rate', rate, 0, 0.999)
    if (seed !== undefined) expectInteger('dropout.seed', seed, 0)
  }
  if (options.stepScores !== undefined) {
    if (!Array.isArray(options.stepScores))
      throw typeError('stepScores', 'a list of names', options.stepScores)
    for (const name of options.stepScores) expectOneOf('stepScores', name, stepScoreNames)
  }
  if (options.methodOptions !== undefined) expectObject('methodOptions', options.methodOptions)
  const { steps } = options
  if (steps !== undefined && (!Array.isArray(steps) || steps.length !== 2))
    throw typeError('steps', '[start, end]', steps)
}
