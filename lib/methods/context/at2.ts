import { ContextAttribution } from '../../context/contextAttribution.js'
import type { ContextPrompt, ContextRequest } from '../../context/contextPrompt.js'
import { AscribeError } from '../../errors.js'
import { headWeightsOf } from '../../language/headWeights.js'
import type { Model } from '../../model/model.js'
import { expectObject, expectSignalAndProgress, typeError } from '../../validate.js'
import { engineEnvironment } from '../engineEnvironment.js'
import { type Given, resolveOptions } from '../options.js'
import {
  scoreSamples,
  type TraceSample,
  type TraceScores,
  tokenScores,
  warningsOf,
} from './attentionTrace.js'
import type { TraceOptions } from './attnTrace.js'
import { headFeatures } from './headFeatures.js'
import { type TrainedWeights, type TrainingTarget, trainHeadWeights } from './headWeightTraining.js'
import { openPrompt, openTrace } from './openTrace.js'
import { readContext } from './readContext.js'

export const at2Options = {
  topK: { kind: 'integer', default: 5, minimum: 1, description: 'Texts that are listed first.' },
} as const

/** Sums over the tokens of each text, and means over the rows, of attention that is weighed already. */
export function sourceSums(sample: TraceSample, rows: number): TraceScores {
  const { scores: means, ...found } = scoreSamples(
    sample.kept.length,
    [sample],
    Number.MAX_SAFE_INTEGER,
    0,
    rows,
  )
  return { ...found, scores: means.map((mean, at) => mean * sample.lengths[at]!) }
}

export interface At2Options extends Given<typeof at2Options> {
  /** One weight for each head of each layer, in order ({@link At2.fit}); default uniform: mean attention. */
  headWeights?: ArrayLike<number>
}

export const at2FitOptions = {
  masks: {
    kind: 'integer',
    default: 32,
    minimum: 2,
    maximum: 100_000,
    description: 'Random masks of the context of each example.',
  },
  keep: {
    kind: 'number',
    default: 0.5,
    minimum: 0,
    exclusive: true,
    maximum: 1,
    description: 'Probability that a mask keeps a token of the context.',
  },
  steps: {
    kind: 'integer',
    default: 1000,
    minimum: 1,
    description: 'Steps of Adam; the rate falls to 0 over them.',
  },
  batch: {
    kind: 'integer',
    default: 512,
    minimum: 1,
    description: 'Examples of a step, one sentence of each.',
  },
  learningRate: {
    kind: 'number',
    default: 1e-3,
    minimum: 0,
    exclusive: true,
    description: 'Rate of the first step.',
  },
  clip: {
    kind: 'number',
    default: 1,
    minimum: 0,
    exclusive: true,
    description: 'Norm that gradients are clipped to.',
  },
  seed: { kind: 'integer', default: 0, description: 'Seed of masks and batches.' },
} as const

export interface At2FitOptions extends Given<typeof at2FitOptions> {
  signal?: AbortSignal
  /** Examples read, then steps done, of both together. */
  onProgress?: (done: number, total: number) => void
}

/**
 * Which texts of a context a response came from, by attention whose heads have learnt weights (Cohen-Wang, Chuang and
 * Madry, "Learning to Attribute with Attention", arXiv 2504.13752): a text's score is the sum over its tokens, and the
 * mean over the response's, of the weighted attention of all heads. With uniform weights it is the mean attention; {@link
 * At2.fit} learns weights from what masking the context does to responses. One forward pass, no subsets.
 *
 * @example
 * const { weights } = await At2.fit(model, examples)
 * const found = await new At2(model, { headWeights: weights }).attribute({ context, question, response })
 */
export class At2 {
  readonly options
  readonly #weights: Float32Array
  readonly #isMean: boolean

  /** @throws AscribeError MODEL_CAPABILITY; INPUT_SHAPE where there is not one weight for each head; OPTION_* */
  constructor(
    readonly model: Model,
    options: At2Options = {},
  ) {
    expectObject('options', options)
    const { headWeights, ...given } = options
    this.options = resolveOptions(at2Options, given)
    this.#isMean = headWeights === undefined
    this.#weights = headWeightsOf(model, headWeights)
  }

  /** Scores of the texts; below 0 where weights are. @throws AscribeError as {@link ContextPrompt.create} */
  async attribute(
    given: ContextRequest | ContextPrompt,
    options: TraceOptions = {},
  ): Promise<ContextAttribution> {
    const { model } = this
    const { prompt, span } = await openTrace(model, given, options)
    const began = performance.now()
    const every = [...prompt.texts.keys()]
    const { signal } = options
    const { samples, tokens } = await readContext(prompt, span, [every], { weights: this.#weights, signal })
    options.onProgress?.(1, 1)
    const { scores, ...found } = sourceSums(samples[0]!, span.end - span.start)
    return new ContextAttribution({
      model: { name: model.name, hash: await model.hash() },
      method: {
        name: 'At2',
        options: { ...this.options, ...(this.#isMean ? {} : { headWeights: Array.from(this.#weights) }) },
      },
      unit: this.#isMean ? 'attention' : 'weighted attention',
      texts: prompt.texts,
      response: prompt.response,
      responseSpan: span,
      scores,
      tokens: tokenScores(found.tokens, at => prompt.textTokens(at)),
      warnings: [
        ...prompt.warnings.map(message => ({ code: 'TEXTS_DROPPED', message })),
        ...warningsOf({ ...found, scores }, { q: undefined, isMean: this.#isMean }),
      ],
      cost: { forwardPasses: 1, tokens, milliseconds: performance.now() - began },
      environment: engineEnvironment(model.device, 1, model.precision),
    })
  }

  /**
   * Learns weights of the model's heads from responses: every sentence of each is predicted under random masks of its
   * context's tokens. Features are kept in f32 (the authors' code stores f16).
   *
   * @param examples Prompts with their responses; the authors take 4,000.
   * @throws AscribeError INPUT_VALUE where there is none; ABORTED; as {@link ContextPrompt.create}.
   */
  static async fit(
    model: Model,
    examples: Iterable<ContextRequest | ContextPrompt> | AsyncIterable<ContextRequest | ContextPrompt>,
    options: At2FitOptions = {},
  ): Promise<TrainedWeights> {
    expectObject('options', options)
    const { signal, onProgress, ...given } = options
    expectSignalAndProgress(options)
    const { masks, keep, ...training } = resolveOptions(at2FitOptions, given)
    const heads = headWeightsOf(model).length
    const each = examples as Partial<Iterable<unknown> & AsyncIterable<unknown>> | undefined | null
    if (typeof (each?.[Symbol.iterator] ?? each?.[Symbol.asyncIterator]) !== 'function')
      throw typeError('examples', 'a list of contexts with responses', examples)
    const found: TrainingTarget[][] = []
    for await (const each of examples) {
      const prompt = await openPrompt(model, each, signal)
      found.push(
        await headFeatures(prompt, { masks, keep, seed: training.seed, example: found.length, signal }),
      )
      onProgress?.(found.length, found.length + training.steps)
    }
    if (found.length === 0) throw new AscribeError('INPUT_VALUE', 'There are no examples to learn from')
    return trainHeadWeights(found, heads, {
      ...training,
      signal,
      onProgress: onProgress && ((done, total) => onProgress(found.length + done, found.length + total)),
    })
  }
}
