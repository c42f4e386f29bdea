import type { Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { rowsOf, stack } from '../../model/stack.js'
import { expectInteger, expectKnownKeys, expectObject, expectString } from '../../validate.js'
import { AnswerCache, type Outputs } from './answerCache.js'
import { BlackBox, type BlackBoxOptions } from './blackBox.js'
import { type HttpFormat, openInference } from './openInference.js'
import { checkedAddress, parseAnswer, Requester, type RequesterOptions, requesterNames } from './requester.js'

export interface HttpOptions extends BlackBoxOptions, RequesterOptions {
  /** How tensors travel. Default {@link openInference}. */
  format?: HttpFormat
  /** A folder in which answers are kept, readable by its owner alone. Default: none are. */
  cache?: string
  /** Part of what kept answers are found by: change it when the model behind the address changes. */
  cacheVersion?: string
}

const httpNames = [...requesterNames, 'format', 'cache', 'cacheVersion'] as const

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

class HttpClient {
  readonly address: URL
  readonly #format: HttpFormat
  readonly #requester: Requester
  readonly #cache: AnswerCache | undefined

  constructor(address: URL, options: HttpOptions) {
    this.address = address
    this.#format = options.format ?? openInference
    expectKnownKeys('format', this.#format, ['encode', 'decode'])
    this.#requester = new Requester(options)
    if (options.cache !== undefined) {
      expectString('cache', options.cache)
      const context = JSON.stringify([address.href, options.outputs ?? [], options.cacheVersion ?? ''])
      this.#cache = new AnswerCache(options.cache, context, this.#requester.maximumBytes)
    }
  }

  get concurrency(): number {
    return this.#requester.concurrency
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
      await Promise.all(parts.map(rows => this.#requester.queue(() => ask(rows), ending)))
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
    return this.#requester.request(this.address, body, text => this.#decode(text, outputs, rows), signal)
  }

  #decode(text: string, outputs: readonly string[], rows: number): Outputs {
    const answer = parseAnswer(text, this.address.origin)
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
