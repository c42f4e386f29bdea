import type { WrittenText } from '../data/tokenizer/continuation.js'
import { AscribeError } from '../errors.js'
import type { GenerationDefaults } from '../frontends/checkpoints/generationConfig.js'
import { type Given, resolveOptions } from '../methods/options.js'
import type { Model } from '../model/model.js'
import {
  expectInteger,
  expectKnownKeys,
  expectObject,
  expectSignalAndProgress,
  expectString,
  typeError,
} from '../validate.js'
import { type ChatMessage, chatPrompt } from './chatPrompt.js'
import { Decoding, generating } from './decoding.js'
import { headWeightsOf } from './headWeights.js'
import { Sampler, type Sampling, samplingOptions } from './sampling.js'
import { type Decode, TextStream } from './textStream.js'

/** A text, the messages of a conversation (which go through the checkpoint's chat template), or token ids. */
export type Prompt = string | readonly ChatMessage[] | readonly number[]

export interface GenerateOptions extends Given<typeof samplingOptions> {
  /** Tokens to write at most. Default what generation_config.json says, or 256. */
  maximumTokens?: number
  /** Texts at which writing ends; they are not part of the result. */
  stop?: readonly string[]
  /** Of the random draws. Default 0. */
  seed?: number
  /** Which draws of the seed: texts of one seed with unlike numbers are unlike. Default 0; in a batch the place of the prompt. */
  item?: number
  signal?: AbortSignal
  /** Tokens written, and those that may be. */
  onProgress?: (done: number, total: number) => void
  /** Is shown where the model looked as it wrote each token: see {@link StreamedTrace}. */
  attention?: AttentionObserver
}

/** Sees attention while a text is written. */
export interface AttentionObserver {
  /** One for each head of each layer, in order: what the sum over heads weighs them with. Default the mean of all. */
  readonly weights?: Float32Array
  /**
   * @param row The weighted sum over heads of where the token looked that the new one was written behind: one number for
   *   each token of the prompt and the text so far.
   * @param text Which of the prompts.
   */
  take(row: Float32Array, text: number): void
}

/** Why a text ended: the model ended it, a stop string came, or as many tokens were written as may be. */
export type FinishReason = 'end' | 'stop' | 'length'

/** A text that a model wrote. */
export interface Generation {
  /** Absent for models without a tokenizer. */
  readonly text?: string
  /** All tokens that were drawn, the one that ended the text and those of a stop string among them. */
  readonly ids: readonly number[]
  /** Of each token, given what stands before it: logarithms of the model's own probabilities, whatever the sampling. */
  readonly logProbabilities: readonly number[]
  readonly promptIds: readonly number[]
  readonly finish: FinishReason
  /** What it was written with, defaults of the checkpoint filled in. */
  readonly options: Sampling & {
    readonly maximumTokens: number
    readonly stop: readonly string[]
    readonly seed: number
    readonly item: number
  }
}

/** One step of a text that is being written. */
export interface GenerationPiece {
  /** Text that is settled now; may be empty. */
  readonly text: string
  readonly id: number
  readonly logProbability: number
  /** With the last piece. */
  readonly finish?: FinishReason
}

const optionNames = [
  ...Object.keys(samplingOptions),
  'maximumTokens',
  'stop',
  'seed',
  'item',
  'signal',
  'onProgress',
  'attention',
]

/** Texts that are written side by side; more are written one such group after the other. */
const together = 8
const usualTokens = 256
const mostTokens = 1 << 20

interface Settings {
  readonly sampling: Sampling
  readonly stop: readonly string[]
  readonly maximumTokens: number
  readonly seed: number
  readonly item: number
  readonly signal: AbortSignal | undefined
}

function settingsOf(defaults: GenerationDefaults, options: GenerateOptions): Settings {
  expectObject('generate options', options)
  expectKnownKeys('generate options', options, optionNames)
  expectSignalAndProgress(options)
  const {
    maximumTokens,
    stop = [],
    seed = 0,
    item = 0,
    signal,
    onProgress: _,
    attention: __,
    ...given
  } = options
  const { endTokens: ___, maximumTokens: usual, ...own } = defaults
  // What sets a temperature by itself says that the file's other limits are not meant either.
  const base = given.temperature === 0 ? {} : own
  if (!Array.isArray(stop)) throw typeError('stop', 'an array of texts', stop)
  for (const each of stop as readonly unknown[])
    if (expectString('stop', each) === '') throw new AscribeError('OPTION_RANGE', 'A stop string is empty')
  return {
    sampling: resolveOptions(samplingOptions, { ...base, ...given }),
    stop,
    maximumTokens: expectInteger('maximumTokens', maximumTokens ?? usual ?? usualTokens, 1, mostTokens),
    seed: expectInteger('seed', seed),
    item: expectInteger('item', item, 0),
    signal,
  }
}

/** One text that is being written. */
class Writing {
  readonly ids: number[] = []
  readonly logProbabilities: number[] = []
  text = ''
  finish: FinishReason | undefined
  readonly #sampler: Sampler
  readonly #stream: TextStream | undefined

  constructor(
    readonly promptIds: readonly number[],
    /** What is written goes on from: the prompt, or the beginning of an encoder-decoder's text. */
    readonly begin: readonly number[],
    private readonly settings: Settings,
    private readonly endTokens: readonly number[],
    readonly room: number,
    private readonly item: number,
    decode: Decode | undefined,
  ) {
    this.#sampler = new Sampler(settings.sampling, settings.seed, item)
    this.#stream = decode && new TextStream(decode, begin, settings.stop)
  }

  async take(logits: Float32Array): Promise<GenerationPiece> {
    const { id, logProbability } = this.#sampler.next(logits, [...this.begin, ...this.ids])
    this.ids.push(id)
    this.logProbabilities.push(logProbability)
    const isEnd = this.endTokens.includes(id)
    let text = isEnd ? '' : ((await this.#stream?.push(id)) ?? '')
    if (isEnd) this.finish = 'end'
    else if (this.#stream?.stopped) this.finish = 'stop'
    else if (this.ids.length >= this.room) this.finish = 'length'
    if (this.finish === 'end' || this.finish === 'length') text += (await this.#stream?.end()) ?? ''
    this.text += text
    return { text, id, logProbability, ...(this.finish ? { finish: this.finish } : {}) }
  }

  result(): Generation {
    const { ids, logProbabilities, promptIds, finish } = this
    const { sampling, maximumTokens, stop, seed } = this.settings
    return {
      ...(this.#stream ? { text: this.text } : {}),
      ids,
      logProbabilities,
      promptIds,
      finish: finish!,
      options: { ...sampling, maximumTokens, stop, seed, item: this.item },
    }
  }
}

/**
 * Writes texts with a language model: prompts go through the model once, and every further token by itself, over a cache
 * of keys and values. Several texts are written side by side.
 *
 * Where options say nothing, generation_config.json does; without it the most likely token is taken each time. Draws are
 * keyed by seed and item, so that a text does not depend on others beside it (but for the rounding of their batch).
 *
 * @example
 * const generator = new Generator(await loadModel('Llama-3.2-1B-Instruct/'))
 * const { text } = await generator.generate([{ role: 'user', content: 'Who wrote Emma?' }], { maximumTokens: 64 })
 * for await (const { text } of generator.stream('Once upon a time')) process.stdout.write(text)
 */
export class Generator {
  /** @throws AscribeError MODEL_CAPABILITY for models that do not generate. */
  constructor(readonly model: Model) {
    generating(model)
  }

  /** Writes one text. */
  async generate(prompt: Prompt, options: GenerateOptions = {}): Promise<Generation> {
    const [writing] = await this.#open([prompt], options)
    for await (const _ of this.#write([writing!], options));
    return writing!.result()
  }

  /** Writes a text for each prompt; the draws of each are those of its place, counted from `item`. */
  async generateBatch(prompts: readonly Prompt[], options: GenerateOptions = {}): Promise<Generation[]> {
    if (!Array.isArray(prompts)) throw typeError('prompts', 'an array of prompts', prompts)
    expectObject('generate options', options)
    const first = expectInteger('item', options.item ?? 0, 0)
    const found: Generation[] = []
    for (let from = 0; from < prompts.length; from += together) {
      const part = prompts.slice(from, from + together) as Prompt[]
      const item = first + from
      const writings = await this.#open(part, { ...options, item })
      for await (const _ of this.#write(writings, options));
      found.push(...writings.map(writing => writing.result()))
    }
    return found
  }

  /** Writes one text and gives it piece by piece. Leaving the loop ends the work. */
  async *stream(prompt: Prompt, options: GenerateOptions = {}): AsyncGenerator<GenerationPiece> {
    const [writing] = await this.#open([prompt], options)
    for await (const { piece } of this.#write([writing!], options)) yield piece
  }

  async #open(prompts: readonly Prompt[], options: GenerateOptions): Promise<Writing[]> {
    const { checkpoint, decoder } = generating(this.model)
    const settings = settingsOf(checkpoint.generation!, options)
    const { tokenizer } = this.model
    if (tokenizer === undefined && settings.stop.length > 0)
      throw new AscribeError(
        'TOKENIZER_REQUIRED',
        `Model ${this.model.name} has no tokenizer, which stop strings need`,
      )
    const decode =
      tokenizer && ((ids: readonly number[]) => tokenizer.decode(ids, { signal: settings.signal }))
    const writings: Writing[] = []
    for (const [at, prompt] of prompts.entries()) {
      const promptIds = await promptTokens(this.model, prompt, settings.signal)
      const begin = decoder.encode === undefined ? promptIds : [decoder.startToken!]
      const room = Math.min(settings.maximumTokens, decoder.contextLength - begin.length)
      if (room < 1)
        throw new AscribeError(
          'INPUT_SHAPE',
          `The prompt has ${begin.length} tokens, and model ${this.model.name} reads ${decoder.contextLength} in all`,
        )
      const { endTokens } = checkpoint.generation!
      writings.push(new Writing(promptIds, begin, settings, endTokens, room, settings.item + at, decode))
    }
    return writings
  }

  async *#write(
    writings: readonly Writing[],
    { signal, onProgress, attention }: GenerateOptions,
  ): AsyncGenerator<{ at: number; piece: GenerationPiece }> {
    const { decoder } = generating(this.model)
    const lengths = writings.map(({ begin }) => begin.length)
    const room = Math.max(...writings.map(each => each.room))
    const sources = decoder.encode === undefined ? undefined : writings.map(({ promptIds }) => promptIds)
    const observed = attention === undefined ? undefined : observedWeights(this.model, attention)
    const options = { sources, observed, signal }
    const decoding = await Decoding.open(this.model, lengths, Math.max(...lengths) + room, options)
    try {
      let rows = writings.map(({ begin }) => begin)
      for (let done = 0; writings.some(({ finish }) => finish === undefined); ) {
        const logits = await decoding.feed(rows, signal)
        for (const [at, writing] of writings.entries())
          if (writing.finish === undefined) {
            attention?.take(decoding.attention(at), at)
            yield { at, piece: await writing.take(logits[at]!) }
          }
        onProgress?.(++done, room)
        // Texts that have ended are kept in step.
        rows = writings.map(({ ids }) => ids.slice(-1))
      }
    } finally {
      decoding.dispose()
    }
  }
}

/** @throws AscribeError MODEL_CAPABILITY for encoder-decoders; OPTION_TYPE, INPUT_SHAPE */
function observedWeights(model: Model, observer: AttentionObserver): Float32Array {
  expectObject('attention', observer)
  if (typeof observer.take !== 'function') throw typeError('attention.take', 'a function', observer.take)
  return headWeightsOf(model, observer.weights)
}

/** A prompt as tokens; its text is known where it was not given as tokens. */
export interface WrittenPrompt {
  readonly ids: readonly number[]
  readonly written?: WrittenText
}

/** The tokens of a prompt, or of what else `what` says. @throws AscribeError TOKENIZER_REQUIRED, INPUT_VALUE */
export async function promptTokens(
  model: Model,
  prompt: Prompt,
  signal?: AbortSignal,
  what = 'prompt',
): Promise<readonly number[]> {
  return (await writtenPrompt(model, prompt, signal, what)).ids
}

/** The same, with the text that it was written of. */
export async function writtenPrompt(
  model: Model,
  prompt: Prompt,
  signal?: AbortSignal,
  what = 'prompt',
): Promise<WrittenPrompt> {
  const found = await tokensOf(model, prompt, signal)
  if (found.ids.length === 0) throw new AscribeError('INPUT_VALUE', `The ${what} has no token`)
  const { vocabulary } = generating(model).decoder
  const stranger = found.ids.find(id => !Number.isSafeInteger(id) || id < 0 || id >= vocabulary)
  if (stranger !== undefined)
    throw new AscribeError(
      'INPUT_VALUE',
      `The ${what} holds the token ${String(stranger)}, and the model has ${vocabulary}`,
    )
  return found
}

async function tokensOf(model: Model, prompt: Prompt, signal?: AbortSignal): Promise<WrittenPrompt> {
  if (typeof prompt !== 'string' && !Array.isArray(prompt))
    throw typeError('prompt', 'a text, messages or token ids', prompt)
  if (typeof prompt !== 'string' && typeof prompt[0] !== 'object') return { ids: prompt as readonly number[] }
  const { tokenizer } = model
  if (tokenizer === undefined)
    throw new AscribeError(
      'TOKENIZER_REQUIRED',
      `Model ${model.name} has no tokenizer: give token ids, or option \`tokenizer\` of loadModel`,
    )
  const isText = typeof prompt === 'string'
  const text = isText ? prompt : await chatPrompt(model, prompt as readonly ChatMessage[], signal)
  // A chat template writes the tokens at its ends itself.
  const { ids } = await tokenizer.encode(text, { specials: isText, ...(signal ? { signal } : {}) })
  return { ids, written: { text, ids, specials: isText } }
}
