import type { GraphDescription, NativeSession } from '#typings/addon.js'
import { createTensor, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { decodingGraph, encodingGraph } from '../frontends/checkpoints/decodingGraph.js'
import type { CausalDecoder } from '../frontends/checkpoints/family.js'
import type { Checkpoint } from '../frontends/checkpoints/loadCheckpoint.js'
import { expectModel } from '../model/expectModel.js'
import type { Model } from '../model/model.js'
import { call, native } from '../native.js'

/**
 * Tokens of a prompt that go through the model at once: many, because weights are read anew for every piece; few at its
 * end, where a piece is filled up.
 */
const [wide, chunk] = [256, 64]

/** The checkpoint of a model that generates. @throws AscribeError MODEL_CAPABILITY; OPTION_TYPE */
export function generating(model: Model): { checkpoint: Checkpoint; decoder: CausalDecoder } {
  const { checkpoint } = expectModel(model)
  if (checkpoint?.decoder === undefined)
    throw new AscribeError('MODEL_CAPABILITY', `Model ${model.name} does not generate text`, {
      hint: 'A checkpoint folder of a causal or encoder-decoder language model does.',
    })
  return { checkpoint, decoder: checkpoint.decoder }
}

/** Whole numbers as a tensor. */
export const integers = (shape: number[], values: readonly number[]): Tensor =>
  createTensor('i64', shape, BigInt64Array.from(values, BigInt))

/** Lengths are rounded up so that few plans serve all texts. */
export const roundedLength = (length: number): number => (length <= 32 ? 32 : Math.ceil(length / 64) * 64)

/** Rows of ids as one tensor of at least `least` columns, filled up at their front (or end) with `padding`. */
export function padded(
  rows: readonly (readonly number[])[],
  padding: number,
  atEnd: boolean,
  least = 0,
): Tensor {
  const length = Math.max(least, ...rows.map(row => row.length))
  const filled = rows.map(row => {
    const rest = Array.from({ length: length - row.length }, () => padding)
    return atEnd ? [...row, ...rest] : [...rest, ...row]
  })
  return integers([rows.length, length], filled.flat())
}

/** Room for so many tokens in few sizes, so that plans are shared. */
export function capacityFor(tokens: number): number {
  const least = Math.max(chunk, Math.ceil(tokens / chunk) * chunk)
  return least > 4096 ? Math.ceil(least / 1024) * 1024 : 2 ** Math.ceil(Math.log2(least))
}

export interface DecodingOptions {
  /** What an encoder reads, one text for each sequence. */
  readonly sources?: readonly (readonly number[])[] | undefined
  /** Weights of all heads of all layers, where it is wanted what the last token of each step looks at. */
  readonly observed?: Float32Array | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Caches of keys and values for the plans of a graph.
 *
 * @param sizes Of the symbols in the shapes of its states.
 * @throws AscribeError OUT_OF_MEMORY_BUDGET where they alone pass the model's bound.
 */
export function openCaches(
  model: Model,
  graph: GraphDescription,
  sizes: Readonly<Record<string, number>>,
  what: string,
): NativeSession {
  const sizeOf = (dim: number | string) => (typeof dim === 'number' ? dim : sizes[dim]!)
  const bytes = graph.values.reduce(
    (sum, value) =>
      value.kind === 'state'
        ? sum + 4 * value.shape.reduce<number>((product, dim) => product * sizeOf(dim), 1)
        : sum,
    0,
  )
  const limit = model.memoryLimitBytes
  if (limit !== undefined && bytes > limit)
    throw new AscribeError(
      'OUT_OF_MEMORY_BUDGET',
      `The caches of ${what} take ${bytes} bytes, and ${limit} are allowed`,
    )
  return call(() =>
    native()
      .createGraph(graph)
      .session({ ...sizes }, { device: model.device }),
  )
}

/** Tokens of a prompt that go through the model at once. */
interface Piece {
  readonly from: number
  readonly taken: number
  /** What they are filled up to. */
  readonly width: number
  /** Tokens of the longest sequence, once all of the prompt is read. */
  readonly total: number
  readonly observed: Float32Array | undefined
}

/** Sequences that go on together, with their caches. One call at a time. */
export class Decoding {
  #slots = 0
  #attention: Float32Array | undefined
  readonly #starts: Tensor
  readonly #places: Tensor

  private constructor(
    private readonly model: Model,
    private readonly session: NativeSession,
    private readonly batch: number,
    private readonly capacity: number,
    private readonly starts: readonly number[],
    private readonly source: Readonly<Record<string, Tensor>>,
    private readonly observed: Float32Array | undefined,
  ) {
    this.#starts = integers([batch], starts)
    this.#places = integers(
      [capacity],
      Array.from({ length: capacity }, (_, at) => at),
    )
  }

  /**
   * Opens caches for sequences of the given lengths with room for `tokens` slots.
   *
   * @throws AscribeError OUT_OF_MEMORY_BUDGET where the caches alone pass the model's bound.
   */
  static async open(
    model: Model,
    lengths: readonly number[],
    tokens: number,
    { sources, observed, signal }: DecodingOptions = {},
  ): Promise<Decoding> {
    const { decoder, checkpoint } = generating(model)
    const capacity = capacityFor(tokens)
    const graph = decodingGraph(decoder, checkpoint.weights)
    const sizes = { B: lengths.length, C: capacity }
    const source = sources === undefined ? {} : await encoded(model, sources, signal)
    const session = openCaches(model, graph, sizes, `${lengths.length} sequences of ${capacity} tokens`)
    const longest = Math.max(...lengths)
    return new Decoding(
      model,
      session,
      lengths.length,
      capacity,
      lengths.map(length => longest - length),
      source,
      observed,
    )
  }

  /**
   * Goes on by prompts, of which shorter ones begin later, and then by one token for each sequence.
   *
   * @returns logits of what comes next, one row of the vocabulary for each sequence.
   */
  async feed(rows: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array[]> {
    const ids = padded(rows, 0, false)
    const count = ids.shape[1]!
    if (this.#slots + count > this.capacity)
      throw new AscribeError('OPTION_RANGE', `The caches have room for ${this.capacity} tokens`)
    const total = this.#slots + count
    let logits: Float32Array | undefined
    for (let from = 0, taken = 0; from < count; from += taken) {
      const piece = count - from > wide - chunk ? wide : chunk
      taken = Math.min(piece, count - from)
      // One plan for single tokens, two for all else; what a piece is filled up with lies behind, where it is written over.
      const width = count === 1 ? 1 : Math.min(piece, this.capacity - this.#slots)
      // What tokens before the last one look at is not asked for.
      const observed = from + taken === count ? this.observed : undefined
      logits = await this.#run(ids, { from, taken, width, total, observed }, signal)
      this.#slots += taken
    }
    const vocabulary = logits!.length / this.batch
    return rows.map((_, at) => logits!.subarray(at * vocabulary, (at + 1) * vocabulary))
  }

  /**
   * What the last token of a sequence that was fed looked at: the weighted sum over heads, one number for each of the
   * sequence's tokens, itself among them; where an encoder has read a text, for each of that text's tokens.
   */
  attention(sequence: number): Float32Array {
    const read = this.source.source_kept
    if (read !== undefined) {
      const width = read.shape[1]!
      const row = this.#attention!.subarray(sequence * width, (sequence + 1) * width)
      return row.filter((_, at) => read.data[sequence * width + at] === 1n)
    }
    const first = sequence * this.capacity
    return this.#attention!.slice(first + this.starts[sequence]!, first + this.#slots)
  }

  async #run(
    ids: Tensor,
    { from, taken, width, total, observed }: Piece,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    const { decoder, checkpoint } = generating(this.model)
    const { batch, capacity } = this
    const count = ids.shape[1]!
    const part = new BigInt64Array(batch * width)
    for (let row = 0; row < batch; row++)
      part.set(
        (ids.data as BigInt64Array).subarray(row * count + from, row * count + from + taken),
        row * width,
      )
    const sourceLength = this.source.source_kept?.shape[1]
    const sizes = {
      B: batch,
      T: width,
      C: capacity,
      ...(sourceLength === undefined ? {} : { S: sourceLength }),
    }
    if (observed !== undefined) Object.assign(sizes, { W: observed.length })
    const [logits, attention] = await this.model.runPlan(
      `decode ${JSON.stringify(sizes)}`,
      () => decodingGraph(decoder, checkpoint.weights, observed && (width === 1 ? 'only' : 'last')),
      {
        input_ids: createTensor('i64', [batch, width], part),
        slots: integers(
          [width],
          Array.from({ length: width }, (_, at) => this.#slots + at),
        ),
        places: this.#places,
        starts: this.#starts,
        length: integers([1], [total]),
        row: integers([], [taken - 1]),
        ...(observed ? { weights: createTensor('f32', [observed.length], observed) } : {}),
        ...this.source,
      },
      { sizes },
      signal,
      this.session,
    )
    this.#attention = attention?.data as Float32Array | undefined
    return logits!.data as Float32Array
  }

  dispose(): void {
    this.session.dispose()
  }
}

/**
 * Texts for an encoder, and what of them counts.
 *
 * @param shown Of each text's tokens, 1 for those that may be read. Default: all may.
 */
export function paddedSources(
  sources: readonly (readonly number[])[],
  shown: readonly (readonly number[])[] = sources.map(row => row.map(() => 1)),
): { ids: Tensor; kept: Tensor } {
  const length = roundedLength(Math.max(...sources.map(row => row.length)))
  return { ids: padded(sources, 0, true, length), kept: padded(shown, 0, true, length) }
}

/** What an encoder makes of texts, filled up to one length. */
async function encoded(
  model: Model,
  sources: readonly (readonly number[])[],
  signal?: AbortSignal,
): Promise<Record<string, Tensor>> {
  const { decoder, checkpoint } = generating(model)
  const { ids, kept } = paddedSources(sources)
  const [batch, length] = ids.shape
  const sizes = { B: batch!, S: length! }
  const graph = encodingGraph(decoder, checkpoint.weights)
  const parts = await model.runPlan(
    `encode ${JSON.stringify(sizes)}`,
    () => graph,
    { input_ids: ids, attention_mask: kept },
    { sizes },
    signal,
  )
  const named = graph.outputs.map((index, at) => [graph.values[index]!.name!, parts[at]!])
  return { ...Object.fromEntries(named), source_kept: kept }
}
