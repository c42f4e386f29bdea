import type { AttributionWarning, Json } from '../../attribution/types.js'
import { AnswerSimilarity } from '../../context/answerSimilarity.js'
import { ContextAttribution } from '../../context/contextAttribution.js'
import { ContextPrompt, type ContextRequest } from '../../context/contextPrompt.js'
import { logProbabilityOf, ResponseScores } from '../../context/responseScores.js'
import { AscribeError } from '../../errors.js'
import type { CoalitionGame } from '../../games/coalitionGame.js'
import { type CoalitionPlayer, play } from '../../games/play.js'
import type { SamplerResult } from '../../games/samplers/samplerResult.js'
import type { Model } from '../../model/model.js'
import { expectKnownKeys, expectObject, expectSignalAndProgress } from '../../validate.js'
import { engineEnvironment } from '../engineEnvironment.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import type { TraceOptions } from './attnTrace.js'
import { checkedSpan } from './span.js'
import { checkAnswersOf, checkedSubject, generatorIdentity, modelOf, type PerturbedModel } from './subject.js'

export type { PerturbedModel } from './subject.js'

/** What is traced: a request, a prompt that was made of one, or scores of one that others have asked before. */
export type TracedContext = ContextRequest | ContextPrompt | ResponseScores | AnswerSimilarity

/** What was found out about a game of texts. */
export interface FoundScores extends SamplerResult {
  /** Of a search: the texts that it kept to the end, which alone have scores. */
  readonly kept?: readonly number[]
  /** What else a reader may want to know of the run. */
  readonly details?: { readonly [name: string]: Json }
}

/** Plays the game of a context's texts. */
export type PlayContext = <Result>(
  player: CoalitionPlayer<Result>,
  value?: (logOdds: Float64Array) => number,
) => Promise<Result>

/**
 * Methods that leave texts of the context out and look at how likely the response is then. Forward passes alone; sets of
 * texts that were asked for are remembered, also between methods that are given the same {@link ResponseScores}.
 */
export abstract class PerturbedContext {
  readonly #subject: PerturbedModel

  /** @throws AscribeError MODEL_CAPABILITY for models that do not predict tokens one by one. */
  constructor(subject: PerturbedModel) {
    this.#subject = checkedSubject(subject)
  }

  /** @throws AscribeError MODEL_CAPABILITY for a method that was made for a generator. */
  get model(): Model {
    return modelOf(this.#subject, ', which says no probabilities')
  }

  /** How it stands in results: its name, every option, its seed. */
  abstract identity(): MethodIdentity
  /** What a score is, for people. */
  protected abstract readonly unit: string
  /** Scores of the texts of a game. @param tokens Tokens of the response that are traced. */
  protected abstract score(texts: number, tokens: number, play: PlayContext): Promise<FoundScores>

  /**
   * Scores of one context's texts.
   *
   * @throws AscribeError INPUT_VALUE for an empty response or no texts; INPUT_SHAPE where the prompt is longer than the
   *   model reads; NOT_FINITE where the model gives no numbers; OPTION_*; ABORTED.
   */
  async attribute(traced: TracedContext, options: TraceOptions = {}): Promise<ContextAttribution> {
    expectObject('trace options', options)
    expectKnownKeys('trace options', options, ['span', 'signal', 'onProgress'])
    expectSignalAndProgress(options)
    const { signal, onProgress } = options
    const started = performance.now()
    if (traced instanceof AnswerSimilarity) return this.#attributeAnswers(traced, options, started)
    const scores = await this.#scoresOf(traced, signal)
    const { prompt } = scores
    const { start, end } = checkedSpan(options.span, prompt.response.ids.length)
    const before = { evaluations: scores.evaluations, tokens: scores.tokens }
    const games = new Map<(logOdds: Float64Array) => number, CoalitionGame>()
    const playOne: PlayContext = async (player, value = logProbabilityOf) => {
      let game = games.get(value)
      if (game === undefined) {
        game = scores.game(odds => value(odds.subarray(start, end)))
        games.set(value, game)
      }
      return (await play(game, player, { signal, onProgress })).result
    }
    const found = await this.score(prompt.texts.length, end - start, playOne)
    const identity = this.identity()
    const { model } = this
    return new ContextAttribution({
      model: { name: model.name, hash: await model.hash() },
      method: {
        name: identity.name,
        options: identity.options as { [option: string]: Json },
        ...(identity.seed === undefined ? {} : { seed: identity.seed }),
        details: detailsOf(found),
      },
      unit: this.unit,
      texts: prompt.texts,
      response: prompt.response,
      responseSpan: { start, end },
      scores: Array.from(found.scores),
      ...errorsOf(found),
      ...(found.kept === undefined ? {} : { kept: found.kept }),
      warnings: warningsOf(prompt.warnings, found),
      cost: {
        forwardPasses: scores.evaluations - before.evaluations,
        tokens: scores.tokens - before.tokens,
        milliseconds: performance.now() - started,
      },
      environment: engineEnvironment(model.device, scores.game().evaluator.batch, model.precision),
    })
  }

  /** Scores of texts by how much answers are alike. */
  async #attributeAnswers(
    similarity: AnswerSimilarity,
    { span, signal, onProgress }: TraceOptions,
    started: number,
  ): Promise<ContextAttribution> {
    checkAnswersOf(similarity, this.#subject)
    if (span !== undefined)
      throw new AscribeError('OPTION_RANGE', 'Answers are compared as a whole: there is no span of them')
    const { texts, response, generator } = similarity
    const before = similarity.evaluations
    const found = await this.score(
      texts.length,
      1,
      async player => (await play(similarity.game(), player, { signal, onProgress })).result,
    )
    const { name, options, seed } = this.identity()
    return new ContextAttribution({
      model: generatorIdentity(generator),
      method: {
        name,
        options: options as { [option: string]: Json },
        ...(seed === undefined ? {} : { seed }),
        details: detailsOf(found),
      },
      unit: 'BLEU',
      texts,
      response: { ids: [], text: response },
      scores: Array.from(found.scores),
      ...errorsOf(found),
      ...(found.kept === undefined ? {} : { kept: found.kept }),
      warnings: warningsOf([], found),
      cost: {
        forwardPasses: similarity.evaluations - before,
        tokens: 0,
        milliseconds: performance.now() - started,
      },
    })
  }

  async #scoresOf(
    traced: ContextRequest | ContextPrompt | ResponseScores,
    signal: AbortSignal | undefined,
  ): Promise<ResponseScores> {
    const scores =
      traced instanceof ResponseScores
        ? traced
        : new ResponseScores(
            traced instanceof ContextPrompt ? traced : await ContextPrompt.create(this.model, traced, signal),
          )
    if (scores.prompt.model !== this.model)
      throw new AscribeError('OPTION_RANGE', 'The prompt is for another model than the method')
    return scores
  }
}

function detailsOf({ samples, full, empty, intercept, details }: FoundScores): { [name: string]: Json } {
  return {
    samples,
    ...(full === undefined ? {} : { valueOfAll: full }),
    ...(empty === undefined ? {} : { valueOfNone: empty }),
    ...(intercept === undefined ? {} : { intercept }),
    ...details,
  }
}

/** Errors of scores, where they are known. */
const errorsOf = ({ errors }: FoundScores) =>
  errors ? { standardErrors: Array.from(errors, error => (Number.isFinite(error) ? error : null)) } : {}

function warningsOf(dropped: readonly string[], { scores, warnings }: FoundScores): AttributionWarning[] {
  const found: AttributionWarning[] = dropped.map(message => ({ code: 'TEXTS_DROPPED', message }))
  found.push(...warnings)
  const areAlike = scores.length > 1 && scores.every(score => score === scores[0])
  if (areAlike && !warnings.some(({ code }) => code === 'CONSTANT_SCORES'))
    found.push({
      code: 'SCORES_DEGENERATE',
      message: 'All texts have the same score: the ranking is their order',
    })
  return found
}
