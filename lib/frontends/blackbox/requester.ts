import { setTimeout as sleep } from 'node:timers/promises'
import PQueue from 'p-queue'
import pRetry from 'p-retry'
import { AscribeError } from '../../errors.js'
import { expectInteger, expectNumber, expectObject, expectString } from '../../validate.js'
import { postForEvents } from './eventStream.js'
import { type PostOptions, post } from './post.js'
import { RequestError } from './requestError.js'

export interface RequesterOptions {
  /** Sent with every request, for example `{ authorization: 'Bearer …' }`. They are in no result and no file. */
  headers?: Readonly<Record<string, string>>
  /** Requests under way at once. Default 4. */
  concurrency?: number
  /** Requests started in any second. Default: no limit. */
  requestsPerSecond?: number
  /** Times a request is tried again after a timeout, a lost connection, or a status that says to. Default 3. */
  retries?: number
  /** Pause before the first retry, doubled for each one after it, unless the server says how long. Default 500. */
  backoffMs?: number
  /** For one request, its answer included. Default 30,000. */
  timeoutMs?: number
  /** Longer answers are refused. Default 16 MiB. */
  maximumResponseBytes?: number
}

/** The properties of {@link RequesterOptions}. */
export const requesterNames = [
  'headers',
  'concurrency',
  'requestsPerSecond',
  'retries',
  'backoffMs',
  'timeoutMs',
  'maximumResponseBytes',
] as const

/** An address of http or https without credentials in it. @throws AscribeError OPTION_RANGE */
export function checkedAddress(address: string | URL): URL {
  let url: URL
  try {
    url = new URL(address)
  } catch (cause) {
    throw new AscribeError('OPTION_RANGE', 'The address is no URL', { cause })
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new AscribeError(
      'OPTION_RANGE',
      `The address begins with ${url.protocol}, expected http: or https:`,
    )
  if (url.username !== '' || url.password !== '')
    throw new AscribeError('OPTION_RANGE', 'The address holds credentials', {
      hint: 'Give them as a header: addresses end up in logs and error messages.',
    })
  return url
}

/** Posts JSON to one server: so many requests at once, at a rate, tried again where that may help, bounded in all. */
export class Requester {
  readonly concurrency: number
  readonly maximumBytes: number
  readonly #headers: Readonly<Record<string, string>>
  readonly #queue: PQueue
  readonly #retries: number
  readonly #backoffMs: number
  readonly #timeoutMs: number

  constructor(options: RequesterOptions) {
    this.#headers = options.headers ?? {}
    for (const [name, value] of Object.entries(expectObject('headers', this.#headers)))
      expectString(`headers.${name}`, value)
    this.concurrency = expectInteger('concurrency', options.concurrency ?? 4, 1, 256)
    this.#retries = expectInteger('retries', options.retries ?? 3, 0, 100)
    this.#backoffMs = expectNumber('backoffMs', options.backoffMs ?? 500, 0, 3_600_000)
    this.#timeoutMs = expectInteger('timeoutMs', options.timeoutMs ?? 30_000, 1, 3_600_000)
    this.maximumBytes = expectInteger(
      'maximumResponseBytes',
      options.maximumResponseBytes ?? 1 << 24,
      1,
      2 ** 29,
    )
    const { requestsPerSecond } = options
    if (requestsPerSecond !== undefined) expectNumber('requestsPerSecond', requestsPerSecond, 1e-3, 1e6)
    // Below one request a second, one in a longer time.
    const limit =
      requestsPerSecond === undefined
        ? {}
        : requestsPerSecond >= 1
          ? { interval: 1000, intervalCap: Math.floor(requestsPerSecond) }
          : { interval: 1000 / requestsPerSecond, intervalCap: 1 }
    this.#queue = new PQueue({ concurrency: this.concurrency, ...limit })
  }

  /** Work that counts as one request under way. */
  async queue<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    try {
      return (await this.#queue.add(work, signal ? { signal } : {})) as T
    } catch (error) {
      if (signal?.aborted && !(error instanceof AscribeError))
        throw new AscribeError('ABORTED', 'The work was aborted', { cause: signal.reason })
      throw error
    }
  }

  /**
   * Waits for a place among the requests under way.
   *
   * @returns what gives the place back.
   */
  async enter(signal: AbortSignal | undefined): Promise<() => void> {
    let leave = () => {}
    const left = new Promise<void>(resolve => {
      leave = resolve
    })
    await new Promise<void>((resolve, reject) => {
      const inside = () => {
        resolve()
        return left
      }
      this.queue(inside, signal).catch(reject)
    })
    return leave
  }

  /**
   * Posts until an answer comes that `read` takes.
   *
   * @param read Throws AscribeError for an answer that cannot be used, which ends the work.
   * @throws AscribeError REMOTE_FAILED, ABORTED
   */
  async request<T>(url: URL, body: string, read: (text: string) => T, signal?: AbortSignal): Promise<T> {
    return this.#tried(url, async () => read(await post(url, body, this.#options(signal))), signal)
  }

  /**
   * Posts until a stream of events begins, and gives their data as they come. What ends a stream that has begun is not tried
   * again.
   *
   * @throws AscribeError REMOTE_FAILED, ABORTED
   */
  async *events(url: URL, body: string, signal?: AbortSignal): AsyncGenerator<string> {
    const events = await this.#tried(url, () => postForEvents(url, body, this.#options(signal)), signal)
    try {
      yield* events
    } catch (cause) {
      if (!(cause instanceof RequestError)) throw cause
      throw new AscribeError('REMOTE_FAILED', `${url.origin}: ${cause.message}`, { cause })
    }
  }

  #options(signal: AbortSignal | undefined): PostOptions {
    return { headers: this.#headers, timeoutMs: this.#timeoutMs, maximumBytes: this.maximumBytes, signal }
  }

  async #tried<T>(url: URL, once: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    try {
      return await pRetry(once, {
        retries: this.#retries,
        minTimeout: this.#backoffMs,
        factor: 2,
        ...(signal ? { signal } : {}),
        shouldRetry: ({ error }) => error instanceof RequestError && error.isTransient,
        onFailedAttempt: async ({ error, retriesLeft }) => {
          if (error instanceof RequestError && error.isTransient && retriesLeft > 0 && error.waitMs)
            await sleep(error.waitMs, undefined, signal ? { signal } : {})
        },
      })
    } catch (cause) {
      if (signal?.aborted) throw new AscribeError('ABORTED', 'The work was aborted', { cause: signal.reason })
      if (!(cause instanceof RequestError)) throw cause
      throw new AscribeError('REMOTE_FAILED', `${url.origin}: ${cause.message}`, { cause })
    }
  }
}

/** The JSON of an answer. @throws AscribeError REMOTE_FAILED */
export function parseAnswer(text: string, origin: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AscribeError('REMOTE_FAILED', `${origin} answers with something that is no JSON`, { cause })
  }
}
