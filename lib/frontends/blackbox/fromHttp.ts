import { setTimeout as sleep } from 'node:timers/promises'
import PQueue from 'p-queue'
import pRetry from 'p-retry'
import type { Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { rowsOf, stack } from '../../model/stack.js'
import { expectInteger, expectKnownKeys, expectNumber, expectObject, expectString } from '../../validate.js'
import { AnswerCache, type Outputs } from './answerCache.js'
import { BlackBox, type BlackBoxOptions } from './blackBox.js'
import { type HttpFormat, openInference } from './openInference.js'
import { post, RequestError } from './post.js'

export interface HttpOptions extends BlackBoxOptions {
  /** Sent with every request, for example `{ authorization: 'Bearer …' }`. They are in no result and no cache. */
  headers?: Readonly<Record<string, string>>
  /** How tensors travel. Default {@link openInference}. */
  format?: HttpFormat
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
  /** A folder in which answers are kept, readable by its owner alone. Default: none are. */
  cache?: string
  /** Part of what kept answers are found by: change it when the model behind the address changes. */
  cacheVersion?: string
}

const httpNames = [
  'headers',
  'format',
  'concurrency',
  'requestsPerSecond',
  'retries',
  'backoffMs',
  'timeoutMs',
  'maximumResponseBytes',
  'cache',
  'cacheVersion',
] as const

/**
 * Explains a model behind an HTTP endpoint. A batch is split into requests of `batch` examples, of which several are
 * under way at once; answers are checked before they count. Redirects are not followed.
 *
 * @param address Where batches are posted, http or https, for example `http://host:8000/v2/models/cats/infer`.
 * @throws AscribeError `OPTION_*` for the options; runs end with `REMOTE_FAILED` where the endpoint fails for good.
 * @example fromHttp('https://host/v2/models/cats/infer', { headers: { authorization }, cache: 'answers' })
 */
export function fromHttp(address: string | URL, options: HttpOptions = {}): BlackBox {
  expectObject('options', options)
  const boxOptions = Object.fromEntries(
    Object.entries(options).filter(([name]) => !(httpNames as readonly string[]).includes(name)),
  ) as BlackBoxOptions
  const client = new HttpClient(checkedAddress(address), options)
  const batch = expectInteger('batch', options.batch ?? 32, 1, 1 << 16)
  const outputs = options.outputs ?? ['output']
  return new BlackBox({
    name: client.address.host,
    ...boxOptions,
    // As many examples as the requests under way hold.
    batch: batch * client.concurrency,
    run: (inputs, { signal }) => client.run(inputs, outputs, batch, signal),
  })
}

function checkedAddress(address: string | URL): URL {
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

class HttpClient {
  readonly address: URL
  readonly concurrency: number
  readonly #options: HttpOptions
  readonly #format: HttpFormat
  readonly #queue: PQueue
  readonly #retries: number
  readonly #backoffMs: number
  readonly #timeoutMs: number
  readonly #maximumBytes: number
  readonly #cache: AnswerCache | undefined

  constructor(address: URL, options: HttpOptions) {
    this.address = address
    this.#options = options
    for (const [name, value] of Object.entries(options.headers ?? {})) expectString(`headers.${name}`, value)
    this.#format = options.format ?? openInference
    expectKnownKeys('format', this.#format, ['encode', 'decode'])
    this.concurrency = expectInteger('concurrency', options.concurrency ?? 4, 1, 256)
    this.#retries = expectInteger('retries', options.retries ?? 3, 0, 100)
    this.#backoffMs = expectNumber('backoffMs', options.backoffMs ?? 500, 0, 3_600_000)
    this.#timeoutMs = expectInteger('timeoutMs', options.timeoutMs ?? 30_000, 1, 3_600_000)
    this.#maximumBytes = expectInteger(
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
    if (options.cache !== undefined) {
      expectString('cache', options.cache)
      const context = JSON.stringify([address.href, options.outputs ?? [], options.cacheVersion ?? ''])
      this.#cache = new AnswerCache(options.cache, context, this.#maximumBytes)
    }
  }

  async run(
    inputs: Readonly<Record<string, Tensor>>,
    outputs: readonly string[],
    batch: number,
    signal: AbortSignal | undefined,
  ): Promise<Outputs> {
    const count = Object.values(inputs)[0]!.shape[0]!
    const examples = Array.from({ length: count }, (_, row) => rowOfAll(inputs, row))
    const keys = examples.map(example => this.#cache?.keyOf(example))
    const answers = await Promise.all(
      keys.map(key => (key === undefined ? undefined : this.#cache!.get(key))),
    )
    const missing = answers.flatMap((answer, row) => (answer === undefined ? [row] : []))
    const parts: number[][] = []
    for (let at = 0; at < missing.length; at += batch) parts.push(missing.slice(at, at + batch))
    // One part that fails for good ends the others.
    const stop = new AbortController()
    const ending = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
    const ask = async (rows: readonly number[]) => {
      const given = stack(rows.map(row => examples[row]!))
      const made = await this.#ask(given, outputs, rows.length, ending)
      for (const [at, row] of rows.entries()) {
        answers[row] = rowOfAll(made, at)
        await this.#cache?.put(keys[row]!, answers[row])
      }
    }
    try {
      await Promise.all(parts.map(rows => this.#queue.add(() => ask(rows), { signal: ending })))
    } catch (error) {
      stop.abort()
      if (signal?.aborted) throw new AscribeError('ABORTED', 'The work was aborted', { cause: signal.reason })
      throw error
    }
    const kinds = new Set(answers.map(answer => kindOf(answer as Outputs)))
    if (kinds.size > 1)
      throw new AscribeError(
        'REMOTE_FAILED',
        `${this.address.origin} gave outputs of different shapes for examples of one batch`,
      )
    return stack(answers as Outputs[])
  }

  async #ask(
    given: Readonly<Record<string, Tensor>>,
    outputs: readonly string[],
    rows: number,
    signal: AbortSignal,
  ): Promise<Outputs> {
    const body = JSON.stringify(this.#format.encode(given, outputs))
    const request = async () => {
      const text = await post(this.address, body, {
        headers: this.#options.headers ?? {},
        timeoutMs: this.#timeoutMs,
        maximumBytes: this.#maximumBytes,
        signal,
      })
      return this.#decode(text, outputs, rows)
    }
    try {
      return await pRetry(request, {
        retries: this.#retries,
        minTimeout: this.#backoffMs,
        factor: 2,
        signal,
        shouldRetry: ({ error }) => error instanceof RequestError && error.isTransient,
        onFailedAttempt: async ({ error, retriesLeft }) => {
          if (error instanceof RequestError && error.isTransient && retriesLeft > 0 && error.waitMs)
            await sleep(error.waitMs, undefined, { signal })
        },
      })
    } catch (cause) {
      if (!(cause instanceof RequestError)) throw cause
      throw new AscribeError('REMOTE_FAILED', `${this.address.origin}: ${cause.message}`, { cause })
    }
  }

  #decode(text: string, outputs: readonly string[], rows: number): Outputs {
    let answer: unknown
    try {
      answer = JSON.parse(text)
    } catch (cause) {
      throw new AscribeError(
        'REMOTE_FAILED',
        `${this.address.origin} answers with something that is no JSON`,
        { cause },
      )
    }
    const made = this.#format.decode(answer)
    return Object.fromEntries(
      outputs.map(name => {
        const tensor = Object.hasOwn(made, name) ? made[name] : undefined
        if (tensor === undefined)
          throw new AscribeError('REMOTE_FAILED', `${this.address.origin} gave no output "${name}"`)
        if (tensor.shape[0] !== rows)
          throw new AscribeError(
            'REMOTE_FAILED',
            `${this.address.origin} gave output "${name}" of shape [${tensor.shape.join(', ')}] for ${rows} examples`,
          )
        if (!(tensor.data instanceof BigInt64Array) && !tensor.data.every(Number.isFinite))
          throw new AscribeError('REMOTE_FAILED', `${this.address.origin} gave NaN or infinity in "${name}"`)
        return [name, tensor]
      }),
    )
  }
}

const kindOf = (outputs: Outputs): string =>
  JSON.stringify(Object.entries(outputs).map(([name, { dtype, shape }]) => [name, dtype, shape]))

const rowOfAll = (tensors: Outputs, row: number): Outputs =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, rowsOf(tensor, row, 1)]))
