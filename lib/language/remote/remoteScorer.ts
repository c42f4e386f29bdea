import { AscribeError } from '../../errors.js'
import { expectKnownKeys, expectObject, expectSignalAndProgress, expectString } from '../../validate.js'
import type { TextScorer } from '../services.js'
import { expectEndpoint, type LanguageEndpoint } from './endpoint.js'

/** How likely a text is, by an endpoint. */
export interface RemoteScore {
  /** The sum over its tokens, in nats. */
  readonly logProbability: number
  readonly tokens: readonly string[]
  /** Of each token, given everything before it. */
  readonly logProbabilities: readonly number[]
  readonly isReplayed: boolean
}

/** Characters as the protocol counts them: code points. */
const codePoints = (text: string): number => {
  let count = 0
  for (const _ of text) count++
  return count
}

/**
 * Log-probabilities of given texts by an endpoint's `completions` with `echo`, which servers of open models have and others
 * do not. The text is scored where it stands behind what is given: a token that reaches over the border is REMOTE_FAILED,
 * since its probability is no probability of the text.
 */
export class RemoteScorer implements TextScorer {
  constructor(readonly endpoint: LanguageEndpoint) {
    expectEndpoint(endpoint)
  }

  /** @throws AscribeError REMOTE_FAILED, BUDGET_SPENT, REPLAY_MISSING, ABORTED; INPUT_VALUE for empty texts. */
  async score(
    request: { readonly text: string; readonly given: string },
    options: { signal?: AbortSignal } = {},
  ): Promise<RemoteScore> {
    expectObject('request', request)
    expectKnownKeys('request', request, ['text', 'given'])
    expectKnownKeys('score options', options, ['signal'])
    expectSignalAndProgress(options)
    const text = expectString('text', request.text)
    const given = expectString('given', request.given)
    // The first token of all has no probability: nothing stands before it.
    if (text === '' || given === '')
      throw new AscribeError('INPUT_VALUE', `The text${text === '' ? '' : ' that is given'} is empty`)
    const { answer, isReplayed } = await this.endpoint.ask(
      'completions',
      { prompt: given + text, max_tokens: 0, echo: true, logprobs: 1, temperature: 0 },
      0,
      options.signal,
    )
    const [choice] = answer.part('choices').list(1)
    const found = choice!.part('logprobs')
    const tokens = found.part('tokens').list()
    const offsets = found.part('text_offset').list(tokens.length)
    const values = found.part('token_logprobs').list(tokens.length)
    const border = codePoints(given)
    const end = border + codePoints(text)
    const own: number[] = []
    let last = 0
    for (const [at, offset] of offsets.entries()) {
      const start = offset.number()
      if (start < last || start > end) throw offset.failed(`a place from ${last} to ${end}`)
      last = start
      if (start >= border && start < end) own.push(at)
    }
    if (own.length === 0 || offsets[own[0]!]!.value !== border)
      throw new AscribeError(
        'REMOTE_FAILED',
        `No token of ${this.endpoint.model} begins where the text does, so that the text has no probability of its own`,
        { hint: 'Move white space between what is given and the text.' },
      )
    const logProbabilities = own.map(at => values[at]!.logProbability())
    return {
      logProbability: logProbabilities.reduce((sum, each) => sum + each, 0),
      tokens: own.map(at => tokens[at]!.text()),
      logProbabilities,
      isReplayed,
    }
  }
}
