import { createTensor } from '../../data/tensor.js'
import { type TokenValue, tokenGraph } from '../../frontends/checkpoints/tokenGraph.js'
import type { Model } from '../../model/model.js'
import { generating, integers } from '../decoding.js'
import { rowCount } from './runPacked.js'

/** Logits that are there at once: 64 MB of them, and as many again of what is made of them. */
const logitsTogether = 1 << 24

/** Rows that go through the product with the vocabulary at once; one at least. */
export function rowsTogether(vocabulary: number): number {
  return 2 ** Math.max(0, Math.floor(Math.log2(logitsTogether / vocabulary)))
}

export interface TokenValues {
  /** Of each target. */
  readonly values: Float32Array
  /** The most likely token of each, where probabilities are asked for. */
  readonly mostLikely?: BigInt64Array
}

/**
 * How likely the tokens `targets` are by the states that predict them, piece by piece: what of the vocabulary is there
 * at once is bounded, however many rows there are.
 *
 * @param states [targets, features], in as many arrays as there are texts.
 */
export async function tokenValues(
  model: Model,
  states: readonly Float32Array[],
  targets: readonly number[],
  value: TokenValue,
  signal?: AbortSignal,
): Promise<TokenValues> {
  const { decoder, checkpoint } = generating(model)
  const { features, vocabulary } = decoder
  const piece = rowsTogether(vocabulary)
  const values = new Float32Array(targets.length)
  const mostLikely = value === 'logProbability' ? new BigInt64Array(targets.length) : undefined
  const all = new Float32Array(targets.length * features)
  let filled = 0
  for (const part of states) {
    all.set(part, filled)
    filled += part.length
  }
  for (let from = 0; from < targets.length; from += piece) {
    const part = targets.slice(from, from + piece)
    const count = Math.min(piece, rowCount(part.length))
    const rows = new Float32Array(count * features)
    rows.set(all.subarray(from * features, (from + part.length) * features))
    const [found, best] = await model.runPlan(
      `tokens ${value} ${count}`,
      () => tokenGraph(decoder, checkpoint.weights, value),
      {
        states: createTensor('f32', [count, features], rows),
        targets: integers([count], [...part, ...new Array<number>(count - part.length).fill(0)]),
      },
      { sizes: { R: count } },
      signal,
    )
    values.set((found!.data as Float32Array).subarray(0, part.length), from)
    mostLikely?.set((best!.data as BigInt64Array).subarray(0, part.length), from)
  }
  return { values, ...(mostLikely ? { mostLikely } : {}) }
}
