import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { AscribeError } from '../../errors.js'
import {
  checkedAddress,
  parseAnswer,
  Requester,
  type RequesterOptions,
  requesterNames,
} from '../../frontends/blackbox/requester.js'
import { abortable } from '../../model/abortable.js'
import { expectKnownKeys, expectObject, expectOneOf, expectString, typeError } from '../../validate.js'
import { Answer } from './answer.js'
import { type AnswerUsage, Budget, type BudgetOptions, type Prices, type Usage } from './budget.js'
import { Recording, type RecordingMode, recordingModes } from './recording.js'

export interface EndpointOptions extends RequesterOptions {
  /** The model's name at the endpoint; sent with every request. */
  model: string
  /** What may be asked for in all; beyond it requests are BUDGET_SPENT. Default: no limit. */
  budget?: BudgetOptions
  /** For a budget of cost, and the cost in {@link LanguageEndpoint.usage}. */
  prices?: Prices
  /** A file (JSON lines, mode 0600) in which requests and answers are kept and found again. Default: none. */
  recording?: string
  /** Default `auto`: what the recording holds is not asked for again. */
  recordingMode?: RecordingMode
}

const optionNames = [...requesterNames, 'model', 'budget', 'prices', 'recording', 'recordingMode']

/** What one request brought. */
export interface EndpointAnswer {
  readonly answer: Answer
  readonly usage?: AnswerUsage
  /** It came from a recording. */
  readonly isReplayed: boolean
}

/**
 * An endpoint that speaks the protocol of OpenAI (servers of many kinds do), for `RemoteGenerator`, `RemoteScorer`,
 * `RemoteEmbedder` and `RemoteEntailment`, which share its budget, its recording and its limits on requests. Redirects are
 * not followed; credentials go in headers, and are in no file, result or message.
 *
 * @example
 * const endpoint = new LanguageEndpoint('https://host/v1', { model: 'llama-3', headers: { authorization }, budget: { tokens: 100_000 } })
 */
export class LanguageEndpoint {
  /** Where requests go: `chat/completions` and the like are put behind it. */
  readonly address: URL
  readonly model: string
  readonly #requester: Requester
  readonly #budget: Budget
  readonly #recording: Recording | undefined

  /** @throws AscribeError OPTION_* */
  constructor(address: string | URL, options: EndpointOptions) {
    expectObject('endpoint options', options)
    expectKnownKeys('endpoint options', options, optionNames)
    this.address = checkedAddress(address)
    this.model = expectString('model', options.model)
    this.#requester = new Requester(options)
    this.#budget = new Budget(options.budget, options.prices)
    if (options.recording !== undefined) {
      const mode = expectOneOf('recordingMode', options.recordingMode ?? 'auto', recordingModes)
      this.#recording = new Recording(expectString('recording', options.recording), mode)
    } else if (options.recordingMode !== undefined)
      throw new AscribeError('OPTION_RANGE', '`recordingMode` needs a `recording`')
  }

  /** Requests under way at once. */
  get concurrency(): number {
    return this.#requester.concurrency
  }

  /** What was asked so far. */
  get usage(): Usage {
    return this.#budget.usage
  }

  /**
   * One request.
   *
   * @param greatestAnswer Tokens that the answer may have.
   * @throws AscribeError REMOTE_FAILED, BUDGET_SPENT, REPLAY_MISSING, ABORTED
   */
  async ask(
    path: string,
    request: Readonly<Record<string, unknown>>,
    greatestAnswer: number,
    signal?: AbortSignal,
  ): Promise<EndpointAnswer> {
    const url = this.#url(path)
    const body = { model: this.model, ...request }
    const ask = () => this.#post(url, body, greatestAnswer, signal)
    const { answer: value, isReplayed } =
      this.#recording === undefined
        ? { answer: await ask(), isReplayed: false }
        : await this.#recording.answer(url.href, body, ask)
    const answer = new Answer(value, url.origin)
    const usage = usageOf(answer)
    return { answer, isReplayed, ...(usage ? { usage } : {}) }
  }

  /**
   * One request whose answer comes as a stream of events; what each holds, as it comes. A recording keeps the stream once it
   * is whole. Who stops early ends the request.
   *
   * @throws AscribeError as {@link ask}
   */
  async *stream(
    path: string,
    request: Readonly<Record<string, unknown>>,
    greatestAnswer: number,
    signal?: AbortSignal,
  ): AsyncGenerator<{ answer: Answer; isReplayed: boolean }> {
    const url = this.#url(path)
    const body = { model: this.model, ...request, stream: true, stream_options: { include_usage: true } }
    const stop = new AbortController()
    const own = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
    const live = new PassThrough({ objectMode: true })
    const ask = async () => {
      const all: object[] = []
      for await (const value of this.#events(url, body, greatestAnswer, own)) {
        all.push(value)
        if (!live.write(value)) await abortable(() => once(live, 'drain'), own)
      }
      return all
    }
    let isReplayed = false
    const run = async () => {
      if (this.#recording === undefined) return ask()
      const { answer, isReplayed: isKept } = await this.#recording.answer(url.href, body, ask)
      if (!isKept) return
      isReplayed = true
      for (const each of new Answer(answer, url.origin).list()) live.write(each.object())
    }
    const running = run().then(
      () => live.end(),
      (error: Error) => live.destroy(error),
    )
    try {
      for await (const value of live) yield { answer: new Answer(value, url.origin), isReplayed }
    } finally {
      stop.abort()
      await running
    }
  }

  #url(path: string): URL {
    const { origin, pathname, search } = this.address
    return new URL(`${pathname.replace(/\/+$/, '')}/${path}${search}`, origin)
  }

  /** The events of one request, which counts as under way until the last one. */
  async *#events(
    url: URL,
    body: object,
    greatestAnswer: number,
    signal: AbortSignal,
  ): AsyncGenerator<object> {
    const leave = await this.#requester.enter(signal)
    try {
      const settle = this.#budget.take(greatestAnswer)
      let used: AnswerUsage | undefined
      let count = 0
      let isWhole = false
      try {
        for await (const data of this.#requester.events(url, JSON.stringify(body), signal)) {
          if (data === '[DONE]') {
            isWhole = true
            break
          }
          const answer = new Answer(parseAnswer(data, url.origin), url.origin)
          used = usageOf(answer) ?? used
          count++
          yield answer.object()
        }
        if (!isWhole) throw new AscribeError('REMOTE_FAILED', `${url.origin}: its stream ended in the middle`)
        if (used === undefined && this.#budget.needsUsage) throw missingUsage(url)
      } finally {
        // Where nobody said, each event is a token of the answer at least.
        settle(used ?? { promptTokens: 0, answerTokens: count })
      }
    } finally {
      leave()
    }
  }

  async #post(url: URL, body: object, greatestAnswer: number, signal?: AbortSignal): Promise<unknown> {
    return this.#requester.queue(async () => {
      const settle = this.#budget.take(greatestAnswer)
      let used: AnswerUsage | undefined
      try {
        const read = (text: string) => parseAnswer(text, url.origin)
        const value = await this.#requester.request(url, JSON.stringify(body), read, signal)
        used = usageOf(new Answer(value, url.origin))
        if (used === undefined && this.#budget.needsUsage) throw missingUsage(url)
        return value
      } finally {
        settle(used)
      }
    }, signal)
  }
}

const missingUsage = (url: URL) =>
  new AscribeError(
    'REMOTE_FAILED',
    `${url.origin} does not say how many tokens an answer took, which its budget needs`,
  )

/** Tokens that an answer took, where it says so. */
function usageOf(answer: Answer): AnswerUsage | undefined {
  const usage = answer.optional('usage')
  if (usage === undefined) return undefined
  const promptTokens = usage.count('prompt_tokens')
  const total = usage.optional('total_tokens') ? usage.count('total_tokens') : promptTokens
  const answerTokens = usage.optional('completion_tokens')
    ? usage.count('completion_tokens')
    : Math.max(0, total - promptTokens)
  return { promptTokens, answerTokens }
}

/** Refuses what is no endpoint, an address for example. @throws AscribeError OPTION_TYPE */
export function expectEndpoint(endpoint: LanguageEndpoint): void {
  if (!(endpoint instanceof LanguageEndpoint)) throw typeError('endpoint', 'a LanguageEndpoint', endpoint)
}
