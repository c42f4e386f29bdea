import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readFileBounded } from '../data/files.js'
import { createTensor, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { parseConfig } from '../frontends/checkpoints/config.js'
import { GraphBuilder, type Value } from '../graph/builder.js'
import { expectModel } from '../model/expectModel.js'
import type { Model } from '../model/model.js'
import {
  describeValue,
  expectKnownKeys,
  expectObject,
  expectOneOf,
  expectSignalAndProgress,
  typeError,
} from '../validate.js'
import { padded, roundedLength } from './decoding.js'

/** What of a text's states becomes its vector: their mean, the first or the last. */
export type Pooling = 'mean' | 'first' | 'last'

const poolings = ['mean', 'first', 'last'] as const

export interface EmbedderOptions {
  /** Default what a sentence-transformers folder says, or `mean`. */
  pooling?: Pooling
  /** Whether vectors have length 1. Default what a sentence-transformers folder says, or true. */
  normalise?: boolean
}

export interface EmbedOptions {
  signal?: AbortSignal
  /** Texts done and in all. */
  onProgress?: (done: number, total: number) => void
}

const tokensTogether = 4096
const states = 'last_hidden_state'
const maximumBytes = 1 << 20

interface Settings {
  readonly pooling: Pooling
  readonly normalise: boolean
}

/** What the modules of a sentence-transformers folder say. */
async function settingsOf(folder: string): Promise<Partial<Settings>> {
  const path = join(folder, '1_Pooling', 'config.json')
  const isThere = async (file: string) => (await stat(file).catch(() => undefined))?.isFile() === true
  if (!(await isThere(path))) return {}
  const read = async (file: string) => new TextDecoder().decode(await readFileBounded(file, maximumBytes))
  const config = parseConfig(await read(path), '1_Pooling/config.json')
  const modes = {
    mean: 'pooling_mode_mean_tokens',
    first: 'pooling_mode_cls_token',
    last: 'pooling_mode_lasttoken',
  }
  const found = poolings.filter(each => config.flag(modes[each], false))
  if (found.length !== 1)
    throw new AscribeError(
      'MODEL_UNSUPPORTED_OP',
      'The checkpoint pools its states in a way that is not supported',
      {
        hint: `Supported: one of ${poolings.join(', ')}.`,
      },
    )
  const modules = join(folder, 'modules.json')
  const normalise = (await isThere(modules)) && (await read(modules)).includes('models.Normalize')
  return { pooling: found[0]!, normalise }
}

/**
 * Vectors of texts: the states of an encoder, pooled over the tokens of each text.
 *
 * @example
 * const embedder = new Embedder(await loadModel('all-MiniLM-L6-v2/'))
 * const [a, b] = await embedder.embed(['a cat', 'a dog'])
 */
export class Embedder {
  readonly #options: EmbedderOptions
  #settings: Promise<Settings> | undefined

  /** @throws AscribeError MODEL_CAPABILITY for models that have no states of texts. */
  constructor(
    readonly model: Model,
    options: EmbedderOptions = {},
  ) {
    expectModel(model)
    expectObject('embedder options', options)
    expectKnownKeys('embedder options', options, ['pooling', 'normalise'])
    if (options.pooling !== undefined) expectOneOf('pooling', options.pooling, poolings)
    if (options.normalise !== undefined && typeof options.normalise !== 'boolean')
      throw typeError('normalise', 'true or false', options.normalise)
    this.#options = options
    const hasStates = model.graph.values.some(
      value => value.kind === 'result' && [value.name, ...(value.aliases ?? [])].includes(states),
    )
    const isEncoder = ['input_ids', 'attention_mask'].every(name =>
      model.inputs.some(input => input.name === name),
    )
    if (!hasStates || !isEncoder)
      throw new AscribeError('MODEL_CAPABILITY', `Model ${model.name} is no encoder of texts`, {
        hint: 'A checkpoint folder of BERT, RoBERTa, DistilBERT, ELECTRA, MPNet or of the encoder of T5 is.',
      })
  }

  /** One vector for each text, or for each list of token ids. */
  async embed(
    texts: readonly (string | readonly number[])[],
    options: EmbedOptions = {},
  ): Promise<Float32Array[]> {
    if (!Array.isArray(texts)) throw typeError('texts', 'an array of texts', texts)
    expectObject('embed options', options)
    expectKnownKeys('embed options', options, ['signal', 'onProgress'])
    expectSignalAndProgress(options)
    const rows: (readonly number[])[] = []
    for (const text of texts) rows.push(await this.#tokens(text, options.signal))
    this.#settings ??= this.#read()
    const settings = await this.#settings
    // Texts of like length side by side, so that little is filled up.
    const order = rows.map((_, at) => at).toSorted((a, b) => rows[a]!.length - rows[b]!.length)
    const found: Float32Array[] = []
    for (let from = 0; from < order.length; ) {
      let to = from + 1
      while (to < order.length && (to + 1 - from) * rows[order[to]!]!.length <= tokensTogether) to++
      const places = order.slice(from, to)
      const vectors = await this.#run(
        places.map(at => rows[at]!),
        settings,
        options.signal,
      )
      for (const [k, at] of places.entries()) found[at] = vectors[k]!
      from = to
      options.onProgress?.(from, order.length)
    }
    return found
  }

  async #read(): Promise<Settings> {
    const { checkpoint } = this.model
    const own = checkpoint ? await settingsOf(checkpoint.path) : {}
    return { pooling: 'mean', normalise: true, ...own, ...this.#options }
  }

  async #tokens(text: string | readonly number[], signal?: AbortSignal): Promise<readonly number[]> {
    const { model } = this
    if (typeof text !== 'string' && !Array.isArray(text)) throw typeError('text', 'a text or token ids', text)
    if (typeof text === 'string' && model.tokenizer === undefined)
      throw new AscribeError('TOKENIZER_REQUIRED', `Model ${model.name} has no tokenizer: give token ids`)
    const ids =
      typeof text === 'string' ? (await model.tokenizer!.encode(text, signal ? { signal } : {})).ids : text
    if (ids.length === 0) throw new AscribeError('INPUT_VALUE', 'A text has no token')
    // A gather would take ids below 0 for places from the end.
    const stranger = ids.find(id => !Number.isSafeInteger(id) || id < 0)
    if (stranger !== undefined)
      throw new AscribeError('INPUT_VALUE', `A text holds ${describeValue(stranger)}, which is no token id`)
    return ids
  }

  async #run(
    rows: readonly (readonly number[])[],
    settings: Settings,
    signal?: AbortSignal,
  ): Promise<Float32Array[]> {
    const { model } = this
    // RoBERTa and its kind count positions by what is no padding, so that the filler must be theirs.
    const padding = model.checkpoint?.config.integer('pad_token_id', 0, 0) ?? 0
    const longest = Math.max(...rows.map(row => row.length))
    const positions =
      (model.checkpoint?.config.optionalInteger('max_position_embeddings') ?? Number.POSITIVE_INFINITY) -
      padding -
      1
    const length = roundedLength(longest) <= positions ? roundedLength(longest) : longest
    const ids = padded(rows, padding, true, length)
    const batch = rows.length
    const given: Record<string, Tensor> = {
      input_ids: ids,
      attention_mask: padded(
        rows.map(row => row.map(() => 1)),
        0,
        true,
        length,
      ),
      token_type_ids: createTensor('i64', [batch, length], new BigInt64Array(batch * length)),
    }
    const inputs = Object.fromEntries(model.inputs.map(({ name }) => [name, given[name]!]))
    const sizes = { batch, tokens: length }
    const [vectors] = await model.runPlan(
      `embed ${JSON.stringify([settings, sizes])}`,
      () => embeddingGraph(model, settings),
      inputs,
      { sizes },
      signal,
    )
    const width = vectors!.shape[1]!
    return rows.map((_, at) => (vectors!.data as Float32Array).slice(at * width, (at + 1) * width))
  }
}

/** The model with its states pooled, [batch, features]. */
function embeddingGraph(model: Model, { pooling, normalise }: Settings) {
  const graph = new GraphBuilder()
  const values = graph.include(model.graph)
  const x = values.get(states)!
  const mask = graph.apply('cast', [values.get('attention_mask')!], { to: 'f32' })
  const sum = (value: Value, axis: number) => graph.apply('sum', [value], { axes: [axis], keepDims: 0 })
  const at = (index: Value) =>
    graph.apply(
      'squeeze',
      [graph.apply('gatherNd', [x, graph.apply('unsqueeze', [index], { axes: [1, 2] })], { batchDims: 1 })],
      { axes: [1] },
    )
  const pooled = {
    mean: () => {
      const weighted = graph.apply('mul', [x, graph.apply('unsqueeze', [mask], { axes: [2] })])
      return graph.apply('div', [sum(weighted, 1), graph.apply('unsqueeze', [sum(mask, 1)], { axes: [1] })])
    },
    first: () => graph.apply('gather', [x, graph.constant('i64', [], BigInt64Array.of(0n))], { axis: 1 }),
    last: () => {
      const length = graph.apply('cast', [sum(mask, 1)], { to: 'i64' })
      return at(graph.apply('sub', [length, graph.constant('i64', [], BigInt64Array.of(1n))]))
    },
  }[pooling]()
  if (!normalise) return graph.build([pooled])
  const squared = graph.apply('sum', [graph.apply('mul', [pooled, pooled])], { axes: [-1], keepDims: 1 })
  return graph.build([graph.apply('div', [pooled, graph.apply('sqrt', [squared])])])
}
