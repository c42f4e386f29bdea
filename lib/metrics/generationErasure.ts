import { AscribeError } from '../errors.js'
import { RandomStream } from '../games/randomStream.js'
import { generating } from '../language/decoding.js'
import { GenerationAttribution } from '../methods/generation/generationAttribution.js'
import { logitsBehind, logProbabilities } from '../methods/generation/predictionScores.js'
import type { Model } from '../model/model.js'
import {
  expectInteger,
  expectKnownKeys,
  expectNumber,
  expectObject,
  expectSignalAndProgress,
  typeError,
} from '../validate.js'

export interface GenerationErasureOptions {
  /** Shares of the tokens before a step that are removed, or kept alone. Default 5, 10, 20, 30 and 50 %. */
  ratios?: readonly number[]
  /** Of the random order that stands beside. Default 0. */
  seed?: number
  signal?: AbortSignal
  /** Told after each generated token: how many are done, and of how many. */
  onProgress?: (done: number, total: number) => void
}

/** What removing or keeping a share of tokens does to the probabilities of the generated ones; means over steps. */
export interface ErasurePoint {
  readonly ratio: number
  /** The probability less that without the tokens with the greatest scores: high where they count. */
  readonly comprehensiveness: number
  /** The probability less that with these tokens alone: low where they suffice. */
  readonly sufficiency: number
  /** The same for tokens in random order. */
  readonly random: { readonly comprehensiveness: number; readonly sufficiency: number }
}

const usualRatios = [0.05, 0.1, 0.2, 0.3, 0.5]

/**
 * Comprehensiveness and sufficiency of a map of generated tokens (DeYoung et al. 2020), by removal: tokens are taken out of the
 * text, those behind them move up. Of the tokens before a step, those with the greatest scores (at least one) are removed, or kept
 * alone. Tokens that are none of the text's (a beginning of the text) always stay.
 *
 * @param map Of {@link explainGeneration}, not put together.
 * @throws AscribeError INPUT_VALUE, OPTION_*; MODEL_CAPABILITY
 */
export async function generationErasure(
  model: Model,
  map: GenerationAttribution,
  options: GenerationErasureOptions = {},
): Promise<ErasurePoint[]> {
  if (!(map instanceof GenerationAttribution)) throw typeError('map', 'a GenerationAttribution', map)
  expectObject('options', options)
  expectKnownKeys('options', options, ['ratios', 'seed', 'signal', 'onProgress'])
  expectSignalAndProgress(options)
  const { ratios = usualRatios, signal, onProgress } = options
  if (!Array.isArray(ratios) || ratios.length === 0) throw typeError('ratios', 'a list of shares', ratios)
  for (const ratio of ratios as readonly number[]) expectNumber('ratio', ratio, Number.MIN_VALUE, 1)
  const seed = expectInteger('seed', options.seed ?? 0, 0)
  generating(model)
  const ids = map.tokenIds
  const { sourceTokens } = map
  const stays = map.addedTokens
  const sums = ratios.map(() => [0, 0, 0, 0])
  for (const [step, { position }] of map.steps.entries()) {
    const places = Array.from({ length: position }, (_, at) => at).filter(at => !stays.has(at))
    if (places.length === 0)
      throw new AscribeError('INPUT_VALUE', `Step ${step} has no token before it that could be removed`)
    const probability = async (kept: (at: number) => boolean) => {
      const own = (from: number, to: number) =>
        ids.slice(from, to).filter((_, at) => stays.has(from + at) || kept(from + at))
      const [read, written] = [own(0, sourceTokens), own(sourceTokens, position)]
      // Where there is nothing to read nothing is predicted: all of the probability is lost.
      if ((sourceTokens > 0 ? read : written).length === 0) return 0
      const left = { ids: [...read, ...written], sourceTokens: read.length }
      const [logits] = await logitsBehind(model, left, [left.ids.length - 1], signal)
      return Math.exp(logProbabilities(logits!)[ids[position]!]!)
    }
    const whole = await probability(() => true)
    const scores = map.scores(step)
    const stream = new RandomStream(seed, position, 0)
    const orders = [
      places.toSorted((a, b) => scores[b]! - scores[a]! || a - b),
      Array.from(stream.permutation(places.length), at => places[at]!),
    ]
    for (const [index, ratio] of (ratios as readonly number[]).entries()) {
      const count = Math.max(1, Math.round(ratio * places.length))
      for (const [side, order] of orders.entries()) {
        const top = new Set(order.slice(0, count))
        const without = await probability(at => !top.has(at))
        const alone = await probability(at => top.has(at))
        sums[index]![2 * side] = sums[index]![2 * side]! + whole - without
        sums[index]![2 * side + 1] = sums[index]![2 * side + 1]! + whole - alone
      }
    }
    onProgress?.(step + 1, map.steps.length)
  }
  const steps = map.steps.length
  return (ratios as readonly number[]).map((ratio, at) => {
    const [comprehensiveness, sufficiency, randomOut, randomKept] = sums[at]!.map(sum => sum / steps)
    return {
      ratio,
      comprehensiveness: comprehensiveness!,
      sufficiency: sufficiency!,
      random: { comprehensiveness: randomOut!, sufficiency: randomKept! },
    }
  })
}
