import { createTensor, type Tensor } from '../../data/tensor.js'
import type { CausalDecoder } from '../../frontends/checkpoints/family.js'
import { rowLogitsGraph } from '../../frontends/checkpoints/predictionGraph.js'
import type { PredictionName } from '../../graph/predictionTarget.js'
import { generating, padded, paddedSources, roundedLength } from '../../language/decoding.js'
import type { Model } from '../../model/model.js'

/** A number that can be told of every step beside its scores: a function of the distribution, or how many tokens topP keeps. */
export type StepScoreName = PredictionName | 'topPSize'

const integers = (shape: number[], values: readonly number[]) =>
  createTensor('i64', shape, BigInt64Array.from(values, BigInt))

/** Tokens that are read: all by a decoder, or the first `sourceTokens` by an encoder in front of it. */
export interface ReadTokens {
  readonly ids: readonly number[]
  readonly sourceTokens?: number
}

/** Logits of what follows behind each of these places of a sequence, in one pass. */
export async function logitsBehind(
  model: Model,
  { ids, sourceTokens = 0 }: ReadTokens,
  places: readonly number[],
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const { decoder, checkpoint } = generating(model)
  const count = 2 ** Math.ceil(Math.log2(Math.max(8, places.length)))
  const own = places.map(place => place - sourceTokens)
  const rows = [...own, ...new Array<number>(count - places.length).fill(0)]
  const { inputs, sizes } = readRows(decoder, [ids], sourceTokens)
  const [logits] = await model.runPlan(
    `row logits ${JSON.stringify({ ...sizes, R: count })}`,
    () => rowLogitsGraph(decoder, checkpoint.weights),
    { ...inputs, rows: integers([count], rows) },
    { sizes: { ...sizes, R: count } },
    signal,
  )
  const { vocabulary } = decoder
  return places.map((_, at) =>
    (logits!.data as Float32Array).subarray(at * vocabulary, (at + 1) * vocabulary),
  )
}

/** Rows of one length as a model reads them, filled up behind their ends, where causal attention and masks do not look. */
export function readRows(
  decoder: CausalDecoder,
  rows: readonly (readonly number[])[],
  sourceTokens: number,
): { inputs: Record<string, Tensor>; sizes: Record<string, number> } {
  const written = rows.map(row => row.slice(sourceTokens))
  const T = Math.min(roundedLength(written[0]!.length), decoder.contextLength)
  const ids = padded(written, 0, true, T)
  if (sourceTokens === 0) return { inputs: { input_ids: ids }, sizes: { B: rows.length, T } }
  const source = paddedSources(rows.map(row => row.slice(0, sourceTokens)))
  return {
    inputs: { input_ids: source.ids, attention_mask: source.kept, decoder_input_ids: ids },
    sizes: { B: rows.length, T, S: source.ids.shape[1]! },
  }
}

/** Logarithms of probabilities, in double precision. */
export function logProbabilities(logits: ArrayLike<number>): Float64Array {
  let most = Number.NEGATIVE_INFINITY
  for (let at = 0; at < logits.length; at++) most = Math.max(most, logits[at]!)
  let sum = 0
  for (let at = 0; at < logits.length; at++) sum += Math.exp(logits[at]! - most)
  const total = most + Math.log(sum)
  return Float64Array.from(logits, logit => logit - total)
}

/** Tokens that topP and then topK keep: all whose logit is at least that of the last one kept. */
function keptTokens(
  logits: ArrayLike<number>,
  topK: number | undefined,
  topP: number | undefined,
): boolean[] {
  const own = logProbabilities(logits)
  const order = Array.from(own.keys()).sort((a, b) => own[b]! - own[a]! || a - b)
  let [count, before] = [order.length, 0]
  if (topP !== undefined) {
    count = 0
    while (count < order.length && (count === 0 || before < topP)) before += Math.exp(own[order[count++]!]!)
  }
  const least = own[order[Math.min(count, topK ?? count) - 1]!]!
  return Array.from(own, value => value >= least)
}

/** What a step's number is computed from. */
export interface StepDistribution {
  readonly logits: ArrayLike<number>
  readonly token: number
  readonly contrast: number
  readonly reference: ArrayLike<number>
  readonly topK: number | undefined
  readonly topP: number | undefined
  readonly noisy?: { readonly mean: number; readonly deviation: number }
}

/** A function of one step's distribution, in double precision. */
export function stepScore(name: StepScoreName, step: StepDistribution): number {
  const { logits, token, contrast, reference, topK, topP } = step
  const own = logProbabilities(logits)
  const other = reference === logits ? own : logProbabilities(reference)
  switch (name) {
    case 'logit':
      return logits[token]!
    case 'probability':
      return Math.exp(own[token]!)
    case 'logProbability':
      return own[token]!
    case 'entropy':
      return -own.reduce((sum, each) => sum + Math.exp(each) * each, 0)
    case 'crossEntropy':
      return -own[token]!
    case 'perplexity':
      return Math.exp(-own[token]!)
    case 'contrastLogit':
      return reference[contrast]!
    case 'contrastProbability':
      return Math.exp(other[contrast]!)
    case 'contrastLogitDifference':
      return logits[token]! - reference[contrast]!
    case 'contrastProbabilityDifference':
      return Math.exp(own[token]!) - Math.exp(other[contrast]!)
    case 'pcxmi':
      return (other[contrast]! - own[token]!) / Math.LN2
    case 'inContextPvi':
      return other[contrast]! - own[token]!
    case 'mcDropoutProbability':
      return (Math.exp(own[token]!) - step.noisy!.mean) / step.noisy!.deviation
    case 'klDivergence': {
      const kept = keptTokens(logits, topK, topP)
      const among = (rows: ArrayLike<number>) =>
        logProbabilities(Array.from(rows).filter((_, at) => kept[at]))
      const [p, q] = [among(logits), among(reference)]
      return p.reduce((sum, each, at) => sum + Math.exp(each) * (each - q[at]!), 0)
    }
    case 'topPSize':
      return keptTokens(logits, undefined, topP ?? 1).filter(Boolean).length
  }
}
