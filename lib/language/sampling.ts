import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { Resolved } from '../methods/options.js'
import { streamKey } from '../metrics/randomStream.js'

/** How the next token is chosen. */
export const samplingOptions = {
  temperature: {
    kind: 'number',
    default: 0,
    minimum: 0,
    maximum: 1000,
    description: 'Logits are divided by it; 0 takes the most likely token.',
  },
  topK: {
    kind: 'integer',
    default: undefined,
    minimum: 1,
    description: 'Only so many most likely tokens can be chosen.',
  },
  topP: {
    kind: 'number',
    default: undefined,
    minimum: 0,
    maximum: 1,
    description: 'Only the fewest most likely tokens that have this probability together can be chosen.',
  },
  minP: {
    kind: 'number',
    default: undefined,
    minimum: 0,
    maximum: 1,
    description: 'Only tokens at least this share as likely as the most likely one can be chosen.',
  },
  repetitionPenalty: {
    kind: 'number',
    default: undefined,
    minimum: 0,
    exclusive: true,
    maximum: 1000,
    description:
      'Positive logits of tokens that are in the text are divided by it, negative ones multiplied.',
  },
} as const

export type Sampling = Resolved<typeof samplingOptions>

/** A token that can be chosen, and how likely it is. */
export interface Candidate {
  readonly id: number
  readonly probability: number
}

const byLikelihood = (values: Float64Array) => (a: number, b: number) => values[b]! - values[a]! || a - b

/** The `count` greatest values' places, greatest first, equal ones by place. */
function greatest(values: Float64Array, count: number): Int32Array {
  if (count === 1) {
    let best = 0
    for (let at = 1; at < values.length; at++) if (values[at]! > values[best]!) best = at
    return Int32Array.of(best)
  }
  const all = Int32Array.from(values, (_, at) => at)
  if (count >= values.length) return all.sort(byLikelihood(values))
  // The least value that counts, so that of a large vocabulary only few are sorted.
  const threshold = values.toSorted()[values.length - count]!
  const least = all.filter(at => values[at]! >= threshold).sort(byLikelihood(values))
  return least.subarray(0, count)
}

/**
 * The distribution that is drawn from, most likely first: penalty, temperature, topK, topP and minP, in that order, as
 * transformers has it. Equal logits stand by id.
 *
 * @param previous Tokens of the text so far.
 */
export function candidates(logits: Float32Array, previous: Iterable<number>, options: Sampling): Candidate[] {
  const { temperature, topK, topP, minP, repetitionPenalty: penalty } = options
  const scores = new Float64Array(logits)
  if (penalty !== undefined)
    for (const id of new Set(previous))
      scores[id] = scores[id]! > 0 ? scores[id]! / penalty : scores[id]! * penalty
  if (temperature === 0) return [{ id: greatest(scores, 1)[0]!, probability: 1 }]
  const order = greatest(scores, topK ?? scores.length)
  const most = scores[order[0]!]!
  const weights = Float64Array.from(order, id => Math.exp((scores[id]! - most) / temperature))
  let kept = order.length
  if (topP !== undefined) {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    let before = 0
    kept = weights.findIndex(weight => {
      const isEnough = before >= topP * total
      before += weight
      return isEnough
    })
    // The most likely token always can be chosen.
    kept = kept < 0 ? order.length : Math.max(kept, 1)
  }
  if (minP !== undefined) while (kept > 1 && weights[kept - 1]! < minP) kept--
  const total = weights.subarray(0, kept).reduce((sum, weight) => sum + weight, 0)
  return Array.from({ length: kept }, (_, at) => ({ id: order[at]!, probability: weights[at]! / total }))
}

/** The logarithm of the probability of a token, before anything is done to its logit. */
export function logProbability(logits: Float32Array, id: number): number {
  // By places: iterators of typed arrays take three times as long, a millisecond for each token of a large vocabulary.
  let most = Number.NEGATIVE_INFINITY
  for (let at = 0; at < logits.length; at++) if (!(logits[at]! <= most)) most = logits[at]!
  let sum = 0
  for (let at = 0; at < logits.length; at++) sum += Math.exp(logits[at]! - most)
  return logits[id]! - most - Math.log(sum)
}

/** Draws the tokens of one text. What it draws depends on seed and item, not on other texts beside it. */
export class Sampler {
  readonly #random

  constructor(
    private readonly options: Sampling,
    seed: number,
    item: number,
  ) {
    this.#random = xoroshiro128plus(streamKey(`${seed}/generate/${item}`))
  }

  next(logits: Float32Array, previous: Iterable<number>): { id: number; logProbability: number } {
    const choices = candidates(logits, previous, this.options)
    let rest = choices.length === 1 ? 0 : uniformFloat64(this.#random)
    const chosen = choices.find(({ probability }) => {
      rest -= probability
      return rest < 0
    })
    const { id } = chosen ?? choices.at(-1)!
    return { id, logProbability: logProbability(logits, id) }
  }
}
