import { createTensor, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { generating, padded, paddedSources } from '../language/decoding.js'
import { tracingGraphOf } from '../language/headWeights.js'
import { planPacked, type TextRows } from '../language/textRows/planPacked.js'
import { runPacked, type TakeRow } from '../language/textRows/runPacked.js'
import { keepsCaches } from '../language/textRows/textStates.js'
import type { Model } from '../model/model.js'

/** Tokens that go through the model at once, filled up ones too. */
const tokensTogether = 4096

/** Lengths in few sizes, so that few plans serve texts of like length: at most a thirty-second is filled up. */
export function plannedLength(length: number, limit: number): number {
  const step = Math.max(16, 2 ** (Math.floor(Math.log2(Math.max(1, length))) - 5))
  return Math.min(limit, Math.ceil(length / step) * step)
}

/** Groups of texts of like length that go through the model side by side, by their places. */
export function groupsByLength(lengths: readonly number[]): number[][] {
  const order = lengths.map((_, at) => at).toSorted((a, b) => lengths[a]! - lengths[b]! || a - b)
  const groups: number[][] = []
  for (const at of order) {
    const group = groups.at(-1)
    // What would be filled up costs as much as tokens do.
    const fits =
      group !== undefined &&
      (group.length + 1) * lengths[at]! <= tokensTogether &&
      lengths[group[0]!]! >= 0.75 * lengths[at]!
    if (fits) group.push(at)
    else groups.push([at])
  }
  return groups
}

/**
 * Attention of chosen rows, summed over all heads of all layers with their weights, while queries and keys are there:
 * neither matrices nor states of layers are kept. Where an encoder reads a part, rows look at what it read.
 *
 * @param weights One for each head of each layer, in order.
 * @param take Is given the rows of each text as they come, [rows, length of the text, or of what its encoder reads].
 * @returns tokens that went through the model; a beginning that texts share counts once.
 */
export async function traceRows(
  model: Model,
  texts: readonly TextRows[],
  weights: Float32Array,
  take: (at: number, rows: Float32Array, stride: number) => void,
  signal?: AbortSignal,
): Promise<number> {
  const { decoder } = generating(model)
  for (const { ids } of texts)
    if (ids.length > decoder.contextLength)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The prompt and the response are ${ids.length} tokens, and model ${model.name} reads ${decoder.contextLength} in all`,
      )
  // Over a cache a token costs an eighth more than in one long run: sharing must save as much.
  const all = texts.reduce((sum, { endRow }) => sum + endRow, 0)
  const isShared = keepsCaches(model) && planPacked(texts, all).tokens < 0.88 * all
  return (isShared ? packedRows : wholeRows)(model, texts, weights, take, signal)
}

/** The same of texts that are each read by themselves. */
export async function wholeRows(
  model: Model,
  texts: readonly TextRows[],
  weights: Float32Array,
  take: (at: number, rows: Float32Array, stride: number) => void,
  signal?: AbortSignal,
): Promise<number> {
  const { decoder } = generating(model)
  const graph = tracingGraphOf(model)
  for (const group of groupsByLength(texts.map(lengthOf))) {
    const rows = group.map(at => texts[at]!)
    const longest = Math.max(...rows.map(({ ids }) => ids.length))
    const length = plannedLength(longest, decoder.contextLength)
    const count = rows[0]!.endRow - rows[0]!.firstRow
    const { inputs, width, ...read } = sourceInputs(rows, length)
    const sizes = { B: group.length, T: length, R: count, W: weights.length, ...read.sizes }
    const places = rows.flatMap(({ firstRow }) =>
      Array.from({ length: count }, (_, k) => BigInt(firstRow + k)),
    )
    const [found] = await model.runPlan(
      `trace ${JSON.stringify(sizes)}`,
      () => graph.graph,
      {
        // Filled up behind their ends, where causal attention does not look.
        input_ids: padded(
          rows.map(({ ids }) => ids),
          0,
          true,
          length,
        ),
        rows: createTensor('i64', [group.length, count], BigInt64Array.from(places)),
        weights: createTensor('f32', [weights.length], weights),
        ...inputs,
      },
      { sizes },
      signal,
    )
    const all = found!.data as Float32Array
    for (const [k, at] of group.entries())
      take(at, all.subarray(k * count * width, (k + 1) * count * width), width)
  }
  return texts.reduce((sum, { ids, source = [] }) => sum + ids.length + source.length, 0)
}

/** Tokens of the longer side of a text. */
const lengthOf = ({ ids, source = [] }: TextRows): number => Math.max(ids.length, source.length)

/**
 * What an encoder reads of texts, filled up to one length, which rows then look at.
 *
 * @param own The texts' own length, which rows look at where there is no encoder.
 */
function sourceInputs(
  texts: readonly TextRows[],
  own: number,
): { inputs: Record<string, Tensor>; sizes: { S?: number }; width: number } {
  const sources = texts.flatMap(({ source }) => (source === undefined ? [] : [source]))
  if (sources.length === 0) return { inputs: {}, sizes: {}, width: own }
  const { ids, kept } = paddedSources(sources)
  const width = ids.shape[1]!
  return { inputs: { source_ids: ids, attention_mask: kept }, sizes: { S: width }, width }
}

/** Rows of texts that are read together, each given once its last row is there. */
function packedRows(
  model: Model,
  texts: readonly TextRows[],
  weights: Float32Array,
  take: (at: number, rows: Float32Array, stride: number) => void,
  signal?: AbortSignal,
): Promise<number> {
  const open = new Map<number, { rows: Float32Array; left: number }>()
  const collect: TakeRow = ({ text, position }, values, slots) => {
    const { ids, firstRow, endRow } = texts[text]!
    const count = endRow - firstRow
    const own = open.get(text) ?? { rows: new Float32Array(count * ids.length), left: count }
    open.set(text, own)
    let at = (position - firstRow) * ids.length
    for (const { start, end } of slots) {
      own.rows.set(values.subarray(start, end), at)
      at += end - start
    }
    if (--own.left > 0) return
    open.delete(text)
    take(text, own.rows, ids.length)
  }
  return runPacked(model, texts, weights, collect, signal)
}

/**
 * Attention of chosen rows head by head: one array for each layer, [heads, rows, tokens]. For texts of which every head
 * is wanted; memory is that of all heads' rows.
 */
export async function headRows(
  model: Model,
  text: TextRows,
  signal?: AbortSignal,
): Promise<{ layers: Float32Array[]; stride: number }> {
  const { decoder } = generating(model)
  const { ids, firstRow, endRow } = text
  const length = plannedLength(ids.length, decoder.contextLength)
  const count = endRow - firstRow
  const { inputs, width, ...read } = sourceInputs([text], length)
  const sizes = { B: 1, T: length, R: count, ...read.sizes }
  const places = BigInt64Array.from({ length: count }, (_, k) => BigInt(firstRow + k))
  const found = await model.runPlan(
    `trace apart ${JSON.stringify(sizes)}`,
    () => tracingGraphOf(model, 'apart').graph,
    { input_ids: padded([ids], 0, true, length), rows: createTensor('i64', [1, count], places), ...inputs },
    { sizes },
    signal,
  )
  return { layers: found.map(({ data }) => data as Float32Array), stride: width }
}
