import { AscribeError } from '../../errors.js'
import { checkPairs } from '../entailment.js'
import type { EntailmentPair, EntailmentScore, TextEntailment } from '../services.js'
import { expectEndpoint, type LanguageEndpoint } from './endpoint.js'
import { inTurn } from './inTurn.js'
import { RemoteGenerator, type RemoteToken } from './remoteGenerator.js'

const instruction =
  'You are told a premise and a hypothesis. Is everything that the hypothesis says supported by the premise alone? Answer with one word: yes or no.'

/** How many alternatives of the first word are asked for. */
const alternatives = 10

const wordOf = (text: string): 'yes' | 'no' | undefined => {
  const word = /^\W*(yes|no)\b/i.exec(text)?.[1]?.toLowerCase()
  return word === 'yes' || word === 'no' ? word : undefined
}

/**
 * Judges whether hypotheses follow by asking a chat model for a yes or a no: where the endpoint gives log-probabilities,
 * yes against no in the first word's place; else 1 or 0.
 */
export class RemoteEntailment implements TextEntailment {
  readonly #generator: RemoteGenerator

  constructor(readonly endpoint: LanguageEndpoint) {
    expectEndpoint(endpoint)
    this.#generator = new RemoteGenerator(endpoint)
  }

  /** @throws AscribeError REMOTE_FAILED where the answer is neither yes nor no; BUDGET_SPENT, REPLAY_MISSING, ABORTED. */
  async judge(
    pairs: readonly EntailmentPair[],
    options: { signal?: AbortSignal } = {},
  ): Promise<EntailmentScore[]> {
    checkPairs(pairs, options)
    return inTurn(pairs, this.endpoint.concurrency, pair => this.#judgeOne(pair, options.signal))
  }

  async #judgeOne({ premise, hypothesis }: EntailmentPair, signal?: AbortSignal): Promise<EntailmentScore> {
    const { text, tokens } = await this.#generator.generate(
      [
        { role: 'system', content: instruction },
        { role: 'user', content: `Premise:\n${premise}\n\nHypothesis:\n${hypothesis}` },
      ],
      { maximumTokens: 8, logProbabilities: alternatives, ...(signal ? { signal } : {}) },
    )
    const graded = shareOfYes(tokens)
    if (graded !== undefined) return { entailment: graded }
    const word = wordOf(text)
    if (word === undefined)
      throw new AscribeError(
        'REMOTE_FAILED',
        `${this.endpoint.model} answers neither yes nor no: ${JSON.stringify(text.slice(0, 60))}`,
      )
    return { entailment: word === 'yes' ? 1 : 0 }
  }
}

/** Yes against no in the place of the first word; undefined where neither is among the alternatives. */
function shareOfYes(tokens: readonly RemoteToken[] | undefined): number | undefined {
  const first = tokens?.find(({ token }) => token.trim() !== '')
  if (first === undefined || first.top.length === 0) return undefined
  const sums = { yes: 0, no: 0 }
  for (const { token, logProbability } of first.top) {
    const word = wordOf(token)
    if (word !== undefined) sums[word] += Math.exp(logProbability)
  }
  const total = sums.yes + sums.no
  return total > 0 ? sums.yes / total : undefined
}
