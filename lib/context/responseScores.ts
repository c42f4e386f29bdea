import { AscribeError } from '../errors.js'
import { type Coalition, coalitionOf, membersOf } from '../games/coalition.js'
import { type CoalitionEvaluator, CoalitionGame, type Request } from '../games/coalitionGame.js'
import { generating } from '../language/decoding.js'
import type { TextRows } from '../language/textRows/planPacked.js'
import { textStates } from '../language/textRows/textStates.js'
import { tokenValues } from '../language/textRows/tokenValues.js'
import type { Model } from '../model/model.js'
import { expectList, expectSignalAndProgress, typeError } from '../validate.js'
import { ContextPrompt } from './contextPrompt.js'
import { responseRows } from './responseRows.js'

const greatestBatch = 64
/** What a probability of 0 counts in a sum of logarithms, as TracLLM has it. */
const impossible = -1000

/** log σ(x), the logarithm of a probability from its log-odds. */
export function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))
}

/** The response's log-probability in nats from its tokens' log-odds; -1000 where it is impossible. */
export function logProbabilityOf(logOdds: ArrayLike<number>): number {
  let sum = 0
  for (let at = 0; at < logOdds.length; at++) sum += logSigmoid(logOdds[at]!)
  return sum === Number.NEGATIVE_INFINITY ? impossible : sum
}

/** log P - log(1 - P) of tokens together, from the log-odds of each; finite also where doubles round P to 0 or 1. */
export function jointLogOdds(logOdds: ArrayLike<number>): number {
  const log = logProbabilityOf(logOdds)
  return log - Math.log(Math.max(-Math.expm1(log), Number.MIN_VALUE))
}

/**
 * How likely a response is under a prompt that keeps only some texts of its context: one teacher-forced pass for each
 * set, in which only the rows that predict the response go through the product with the vocabulary. Sets that are asked for
 * together share what their prompts begin with: it is read once. A value is the
 * response's tokens' log-odds, log(p / (1 - p)), one for each token: the logit less the logarithm of the sum of all
 * others', exact where p is near 1 and a logarithm of p would not be. Sets that were asked for are remembered, whatever
 * is read of them.
 *
 * @example
 * const scores = new ResponseScores(await ContextPrompt.create(model, { context, question, response }))
 * const game = scores.game() // players are texts, values the response's log-probability
 * const [all, none] = await game.valueBatch([fullCoalition(n), emptyCoalition(n)])
 */
export class ResponseScores {
  readonly #known: CoalitionGame
  #tokens = 0

  /** @throws AscribeError INPUT_VALUE for a prompt without a response; OPTION_TYPE */
  constructor(readonly prompt: ContextPrompt) {
    if (!(prompt instanceof ContextPrompt)) throw typeError('prompt', 'a ContextPrompt', prompt)
    const evaluator: CoalitionEvaluator = {
      batch: greatestBatch,
      width: prompt.answered().ids.length,
      evaluate: (requests, signal) => this.#evaluate(requests, signal),
    }
    this.#known = new CoalitionGame({ players: prompt.texts.length, evaluator })
  }

  /** Passes so far: sets that were not known. */
  get evaluations(): number {
    return this.#known.cost.evaluations
  }

  /** Tokens that went through the model for them; beginnings that sets share count once. */
  get tokens(): number {
    return this.#tokens
  }

  /** Log-odds of the response's tokens, one vector for each set of texts. */
  async logOdds(kept: readonly Coalition[], signal?: AbortSignal): Promise<readonly Float64Array[]> {
    expectSignalAndProgress({ signal })
    for (const [at, set] of expectList('kept', kept).entries())
      if (!(set instanceof Uint32Array)) throw typeError(`kept[${at}]`, 'a set of texts', set)
    return this.#known.valueBatch(kept, { signal })
  }

  /** The response's log-probability with these texts only, in nats. */
  async logProbability(kept: Iterable<number>, signal?: AbortSignal): Promise<number> {
    const [odds] = await this.logOdds([coalitionOf(this.prompt.texts.length, kept)], signal)
    return logProbabilityOf(odds!)
  }

  /**
   * The game of the texts. Games of one response share what is known.
   *
   * @param value What a set is worth, from its log-odds. Default the sum of log-probabilities.
   */
  game(value: (logOdds: Float64Array) => number = logProbabilityOf): CoalitionGame {
    if (typeof value !== 'function') throw typeError('value', 'a function', value)
    return new CoalitionGame({
      players: this.prompt.texts.length,
      evaluator: {
        batch: greatestBatch,
        width: 1,
        evaluate: async (requests, signal) => {
          const found = await this.logOdds(
            requests.map(({ coalition }) => coalition),
            signal,
          )
          return found.map(odds => Float64Array.of(value(odds)))
        },
      },
    })
  }

  async #evaluate(requests: readonly Request[], signal?: AbortSignal): Promise<readonly Float64Array[]> {
    const { prompt } = this
    const { decoder } = generating(prompt.model)
    const response = prompt.response.ids
    const texts: TextRows[] = []
    for (const { coalition } of requests) {
      const { ids } = await prompt.tokens(membersOf(coalition), signal)
      if (ids.length === 0)
        throw new AscribeError('INPUT_VALUE', 'Without its texts the prompt has no token', {
          hint: 'Put a template around the context.',
        })
      const text = responseRows(prompt.model, ids, response)
      if (text.ids.length > decoder.contextLength)
        throw new AscribeError(
          'INPUT_SHAPE',
          `A prompt and the response are ${text.ids.length} tokens, and model ${prompt.model.name} reads ${decoder.contextLength} in all`,
        )
      texts.push(text)
    }
    const { odds, tokens } = await logOddsOf(prompt.model, texts, response, signal)
    this.#tokens += tokens
    return odds
  }
}

/**
 * Log-odds of the tokens that the rows of each text predict, and how many tokens went through the model for them.
 *
 * @param masks Of each text's tokens (where an encoder reads some, of these), 1 for those that may be read. Default: all may.
 */
export async function logOddsOf(
  model: Model,
  texts: readonly TextRows[],
  response: readonly number[],
  signal?: AbortSignal,
  masks?: readonly (readonly number[])[],
): Promise<{ odds: Float64Array[]; tokens: number }> {
  const { states, tokens } = await textStates(model, texts, { signal, ...(masks ? { masks } : {}) })
  const targets = texts.flatMap(() => response)
  const { values } = await tokenValues(model, states, targets, 'logOdds', signal)
  const count = response.length
  return {
    odds: texts.map((_, at) => Float64Array.from(values.subarray(at * count, (at + 1) * count))),
    tokens,
  }
}
