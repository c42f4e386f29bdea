import { Worker } from 'node:worker_threads'
import { AscribeError } from '../../errors.js'
import {
  describeValue,
  expectInteger,
  expectKnownKeys,
  expectList,
  expectObject,
  expectSignalAndProgress,
  expectString,
  typeError,
} from '../../validate.js'
import { readFileBounded } from '../files.js'
import type { TokenizerFacts } from './createEncoder.js'
import type { Encoding, PairEncoding, Vocabulary } from './encodeWithOffsets.js'
import type { TokenizerRequest } from './thread.js'

export type { Encoding, PairEncoding, Vocabulary } from './encodeWithOffsets.js'

export interface TokenizerOptions {
  /** The longest time that one text may take, in milliseconds. Default 10000; the file itself has at least as long. */
  deadlineMs?: number
}

/** The largest tokenizer.json that is read; those of large language models have some 30 MB. */
const maximumBytes = 256 << 20
/** The longest text that is written as tokens, in UTF-16 units. */
const maximumUnits = 4_000_000
const usualDeadlineMs = 10_000
/** What a tokenizer's thread may hold. */
const maximumHeapMegabytes = 2048

export interface TokenizeOptions {
  /** Tokens that the text itself does not have. */
  specials?: boolean
  signal?: AbortSignal | undefined
}

interface Answer {
  encoding?: Encoding
  pair?: PairEncoding
  vocabulary?: Vocabulary
  text?: string
  facts?: TokenizerFacts
  error?: string
}

/**
 * A tokenizer in a thread of its own: what its patterns cost is the file's doing, so each text has a deadline, and the
 * JavaScript thread is not held up. The thread ends with {@link Tokenizer.dispose}, and keeps no process alive.
 */
export class Tokenizer {
  readonly #source: string | Uint8Array
  readonly #deadlineMs: number
  readonly #name: string
  #bytes: Uint8Array | undefined
  #worker: Worker | undefined
  #facts: TokenizerFacts = {}
  #queue: Promise<unknown> = Promise.resolve()
  #disposed = false

  /** @internal Reads nothing yet; use {@link loadTokenizer}, which finds out whether the file is a tokenizer. */
  constructor(source: string | Uint8Array, deadlineMs = usualDeadlineMs) {
    this.#source = source
    this.#name = typeof source === 'string' ? source : 'of these bytes'
    this.#deadlineMs = deadlineMs
  }

  /** The id that fills texts up to a length; undefined where the tokenizer has none. */
  get padding(): number | undefined {
    return this.#facts.padding
  }

  /**
   * Writes a text as tokens, those that the tokenizer adds at its ends included (`specials: false`: without them).
   * Nothing is cut off.
   *
   * @throws AscribeError DEADLINE_EXCEEDED; TOKENIZER_INVALID; ABORTED; OPTION_RANGE for more than 4,000,000 characters.
   */
  async encode(text: string, options: TokenizeOptions = {}): Promise<Encoding> {
    expectString('text', text)
    if (text.length > maximumUnits)
      throw new AscribeError(
        'OPTION_RANGE',
        `The text has ${text.length} characters, more than ${maximumUnits}`,
      )
    const { encoding } = await this.#ask({ text, specials: options.specials ?? true }, options.signal)
    return encoding!
  }

  /**
   * Writes two texts as the tokens of one input, with those that the tokenizer puts between them and at the ends: ids, and
   * which text each token belongs to as the model has it (0 or 1; 0 throughout for models that do not tell them apart).
   *
   * @throws AscribeError as {@link encode}; TOKENIZER_INVALID where the tokenizer has no form for two texts.
   */
  async encodePair(
    first: string,
    second: string,
    options: Pick<TokenizeOptions, 'signal'> = {},
  ): Promise<PairEncoding> {
    for (const text of [first, second])
      if (expectString('text', text).length > maximumUnits)
        throw new AscribeError('OPTION_RANGE', `A text has more than ${maximumUnits} characters`)
    const { pair } = await this.#ask({ text: first, pair: second }, options.signal)
    return pair!
  }

  /**
   * Writes tokens as a text: special ones are left out (`specials: true`: shown), bytes that are no letter become U+FFFD.
   *
   * @throws AscribeError DEADLINE_EXCEEDED; TOKENIZER_INVALID; ABORTED; OPTION_RANGE for more than 4,000,000 tokens;
   *   INPUT_VALUE for what is no token id.
   */
  async decode(ids: readonly number[], options: TokenizeOptions = {}): Promise<string> {
    if (expectList('ids', ids, 'a list of token ids').length > maximumUnits)
      throw new AscribeError('OPTION_RANGE', `There are ${ids.length} tokens, more than ${maximumUnits}`)
    const stranger = ids.findIndex(id => !Number.isSafeInteger(id) || id < 0)
    if (stranger >= 0) throw new AscribeError('INPUT_VALUE', `${describeValue(ids[stranger])} is no token id`)
    const { text } = await this.#ask({ ids, specials: options.specials ?? false }, options.signal)
    return text!
  }

  /** Every token that there is. */
  async vocabulary(options: Pick<TokenizeOptions, 'signal'> = {}): Promise<Vocabulary> {
    const { vocabulary } = await this.#ask({ vocabulary: true }, options.signal)
    return vocabulary!
  }

  /** One question after the other. */
  async #ask(request: TokenizerRequest, signal?: AbortSignal): Promise<Answer> {
    expectSignalAndProgress({ signal })
    const work = this.#queue.then(async () => {
      await this.#start(signal)
      this.#worker!.postMessage(request)
      return this.#answer(signal)
    })
    this.#queue = work.catch(() => undefined)
    return work
  }

  /** Starts the thread where it does not run, and waits until it has read the file. */
  async #start(signal?: AbortSignal): Promise<void> {
    if (this.#disposed) throw new AscribeError('HANDLE_DISPOSED', `Tokenizer ${this.#name} was disposed`)
    if (this.#worker !== undefined) return
    const source = this.#source
    this.#bytes ??= typeof source === 'string' ? await readFileBounded(source, maximumBytes) : source
    this.#worker = new Worker(new URL('./thread.js', import.meta.url), {
      workerData: this.#bytes,
      resourceLimits: { maxOldGenerationSizeMb: maximumHeapMegabytes },
    })
    // Errors of a thread that is being ended are nobody's.
    this.#worker.on('error', () => undefined)
    this.#worker.unref()
    // A thread takes a while to begin on a busy machine, which is not the file's doing.
    this.#facts = (await this.#answer(signal, Math.max(this.#deadlineMs, usualDeadlineMs))).facts ?? {}
  }

  /** The thread's next answer. What goes wrong ends the thread, so that no later text gets an answer that is not its own. */
  async #answer(signal: AbortSignal | undefined, deadlineMs = this.#deadlineMs): Promise<Answer> {
    const worker = this.#worker!
    const end = (error: AscribeError): AscribeError => {
      if (this.#worker === worker) this.#worker = undefined
      void worker.terminate()
      return error
    }
    return new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(
        () =>
          settle(
            end(
              new AscribeError(
                'DEADLINE_EXCEEDED',
                `Tokenizer ${this.#name} took more than ${deadlineMs} ms`,
              ),
            ),
          ),
        deadlineMs,
      )
      const abort = () => settle(end(new AscribeError('ABORTED', 'The caller aborted the work')))
      const fail = (cause: Error) =>
        settle(
          end(new AscribeError('TOKENIZER_INVALID', `Tokenizer ${this.#name}: ${cause.message}`, { cause })),
        )
      const exited = () => fail(new Error('its thread ended'))
      const answered = (answer: Answer) =>
        answer.error === undefined ? settle(answer) : fail(new Error(answer.error))
      const settle = (result: Answer | AscribeError) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        worker.off('message', answered).off('error', fail).off('exit', exited)
        worker.unref()
        if (result instanceof AscribeError) reject(result)
        else resolve(result)
      }
      // While an answer is awaited the thread keeps the process alive.
      worker.ref()
      worker.on('message', answered).on('error', fail).on('exit', exited)
      if (signal?.aborted) abort()
      else signal?.addEventListener('abort', abort)
    })
  }

  /** Reads the file now, where it was not. @throws AscribeError as {@link loadTokenizer} */
  async load(signal?: AbortSignal): Promise<this> {
    expectSignalAndProgress({ signal })
    const work = this.#queue.then(() => this.#start(signal))
    this.#queue = work.catch(() => undefined)
    await work
    return this
  }

  /** Ends the thread. The tokenizer cannot be used afterwards. */
  dispose(): void {
    this.#disposed = true
    void this.#worker?.terminate()
    this.#worker = undefined
  }
}

/**
 * Loads a tokenizer in the format of Hugging Face's `tokenizer.json`.
 *
 * @param source Path of the file, or its bytes.
 * @throws AscribeError FILE_NOT_FOUND, FILE_CORRUPT, TOKENIZER_INVALID, DEADLINE_EXCEEDED, OPTION_*
 * @example
 * const tokenizer = await loadTokenizer('tokenizer.json')
 * const { ids, tokens, offsets } = await tokenizer.encode('a gem of a film')
 */
export async function loadTokenizer(
  source: string | Uint8Array,
  options: TokenizerOptions = {},
): Promise<Tokenizer> {
  if (typeof source !== 'string' && !(source instanceof Uint8Array))
    throw typeError('source', 'a path or bytes', source)
  expectObject('tokenizer options', options)
  expectKnownKeys('tokenizer options', options, ['deadlineMs'])
  const deadlineMs = expectInteger('deadlineMs', options.deadlineMs ?? usualDeadlineMs, 1, 2 ** 31 - 1)
  const tokenizer = new Tokenizer(source, deadlineMs)
  try {
    return await tokenizer.load()
  } catch (error) {
    tokenizer.dispose()
    throw error
  }
}
