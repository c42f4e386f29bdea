import {
  expectInteger,
  expectKnownKeys,
  expectObject,
  expectSignalAndProgress,
  expectStrings,
} from '../../validate.js'
import type { EmbedOptions } from '../embedder.js'
import type { TextEmbedder } from '../services.js'
import { expectEndpoint, type LanguageEndpoint } from './endpoint.js'
import { inTurn } from './inTurn.js'

export interface RemoteEmbedderOptions {
  /** Texts of one request. Default 64. */
  batch?: number
}

/** Longer vectors are taken for damage. */
const greatestWidth = 1 << 20

/** Vectors of texts by an endpoint's `embeddings`, as the endpoint scales them. */
export class RemoteEmbedder implements TextEmbedder {
  readonly #batch: number

  constructor(
    readonly endpoint: LanguageEndpoint,
    options: RemoteEmbedderOptions = {},
  ) {
    expectEndpoint(endpoint)
    expectObject('embedder options', options)
    expectKnownKeys('embedder options', options, ['batch'])
    this.#batch = expectInteger('batch', options.batch ?? 64, 1, 4096)
  }

  /**
   * One vector for each text.
   *
   * @throws AscribeError REMOTE_FAILED where vectors are missing, of unequal lengths or not finite; BUDGET_SPENT, REPLAY_MISSING, ABORTED.
   */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    expectStrings('texts', texts)
    expectObject('embed options', options)
    expectKnownKeys('embed options', options, ['signal', 'onProgress'])
    expectSignalAndProgress(options)
    const starts: number[] = []
    for (let at = 0; at < texts.length; at += this.#batch) starts.push(at)
    let done = 0
    const parts = await inTurn(starts, this.endpoint.concurrency, async from => {
      const part = texts.slice(from, from + this.#batch)
      const found = await this.#ask(part, options.signal)
      done += part.length
      options.onProgress?.(done, texts.length)
      return found
    })
    const found = parts.flat()
    for (const each of found)
      if (each.vector.length !== found[0]!.vector.length)
        throw each.answer.failed(`${found[0]!.vector.length} numbers, as the others`)
    return found.map(({ vector }) => vector)
  }

  async #ask(texts: readonly string[], signal: AbortSignal | undefined) {
    const request = { input: texts, encoding_format: 'float' }
    const { answer } = await this.endpoint.ask('embeddings', request, 0, signal)
    const data = answer.part('data').list(texts.length)
    const found = new Array<{ vector: Float32Array; answer: (typeof data)[number] }>(texts.length)
    for (const [at, each] of data.entries()) {
      const index = each.optional('index') ? each.count('index') : at
      const embedding = each.part('embedding')
      const numbers = embedding.list()
      if (numbers.length === 0 || numbers.length > greatestWidth) throw embedding.failed('a list of numbers')
      if (index >= texts.length || found[index] !== undefined)
        throw each.part('index').failed('one place for each text')
      found[index] = {
        vector: Float32Array.from(numbers, number => number.number()),
        answer: embedding,
      }
    }
    return found
  }
}
