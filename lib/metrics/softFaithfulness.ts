import { AscribeError } from '../errors.js'
import { RandomStream } from '../games/randomStream.js'
import { GenerationAttribution } from '../methods/generation/generationAttribution.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import type { Model } from '../model/model.js'
import { expectObject, expectSignalAndProgress, typeError } from '../validate.js'
import { MaskedEmbeddings } from './maskedEmbeddings.js'

export const softFaithfulnessOptions = {
  scale: {
    kind: 'choice',
    choices: ['minmax', 'rank', 'asIs'],
    default: 'minmax',
    description:
      'How sizes of scores become importances from 0 to 1: their range, their ranks, or as they are. The metric depends on it: importances that are near one another hide or remove next to nothing.',
  },
  samples: {
    kind: 'integer',
    default: 20,
    minimum: 1,
    maximum: 100_000,
    description: 'Random masks of each step and side. The reference draws one.',
  },
  distance: {
    kind: 'choice',
    choices: ['squared', 'hellinger'],
    default: 'squared',
    description:
      'Between distributions: the sum of squared differences of the roots, as in the code, or its root, as the text suggests [unconfirmed].',
  },
  seed: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Of the masks and of the random importances.',
  },
} as const

export type SoftFaithfulnessOptions = Given<typeof softFaithfulnessOptions> & { signal?: AbortSignal }

/** A mean over steps and masks. */
export interface SoftMean {
  readonly mean: number
  /** Of the mean over masks. */
  readonly standardError: number
}

export interface SoftFaithfulness {
  /** Soft-NS: 1 where the importances keep all that counts, 0 where as little as empty embeddings. */
  readonly sufficiency: SoftMean
  /** Soft-NC: 1 where what they remove changes as much as empty embeddings do; may be more. */
  readonly comprehensiveness: SoftMean
  /** The same of random importances, softmax of uniform numbers. */
  readonly random: { readonly sufficiency: SoftMean; readonly comprehensiveness: SoftMean }
  /** ln(mean / mean of random importances), as the figures of the paper are: 0 is random. Undefined where either is 0. */
  readonly logRatio: { readonly sufficiency?: number; readonly comprehensiveness?: number }
  /** Steps that count, and those that do not, since empty embeddings change nothing of them. */
  readonly steps: number
  readonly undefinedSteps: number
  readonly options: Resolved<typeof softFaithfulnessOptions>
}

/** The distance of two distributions from the sum of squared differences of their roots. */
export const softDistance = (sum: number, distance: 'squared' | 'hellinger'): number =>
  (distance === 'squared' ? sum : Math.sqrt(Math.max(0, sum))) / Math.SQRT2

/** Soft-NS and Soft-NC from distances: of the kept, of the removed, and of empty embeddings, to the distribution at the input. */
export const softScores = (kept: number, removed: number, empty: number): [number, number] => [
  Math.max(0, empty - kept) / empty,
  removed / empty,
]

/** Importances of a step's tokens from 0 to 1. @throws AscribeError INPUT_VALUE */
export function importances(scores: readonly number[], scale: 'minmax' | 'rank' | 'asIs'): Float64Array {
  if (scale === 'asIs') {
    const wrong = scores.find(score => !(score >= 0 && score <= 1))
    if (wrong !== undefined)
      throw new AscribeError('INPUT_VALUE', `A score is ${wrong}; as they are, importances are from 0 to 1`)
    return Float64Array.from(scores)
  }
  const sizes = scores.map(Math.abs)
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)]
  if (scale === 'minmax')
    return Float64Array.from(sizes, size => (most > least ? (size - least) / (most - least) : 1))
  const below = (size: number) => sizes.filter(each => each < size).length
  return Float64Array.from(sizes, size => (sizes.length > 1 ? below(size) / (sizes.length - 1) : 1))
}

const [keeps, removes, randomKeeps, randomRemoves, draws] = [0, 1, 2, 3, 4]

/**
 * Soft normalised sufficiency and comprehensiveness of a map of generated tokens: each element of a token's embedding is kept
 * with the token's importance as its probability (or with what is missing of it), and the distribution of the next token is
 * compared with that at the input; distances are told as shares of that of empty embeddings.
 *
 * Source: Zhao and Aletras 2023, as Zhao and Shan 2024 (arXiv 2402.00794) compute it.
 *
 * @param map Of {@link explainGeneration}, not put together.
 * @throws AscribeError MODEL_CAPABILITY; INPUT_VALUE for scores that are no importances as they are.
 */
export async function softFaithfulness(
  model: Model,
  map: GenerationAttribution,
  options: SoftFaithfulnessOptions = {},
): Promise<SoftFaithfulness> {
  if (!(map instanceof GenerationAttribution)) throw typeError('map', 'a GenerationAttribution', map)
  expectObject('options', options)
  const { signal, ...others } = options
  expectSignalAndProgress(options)
  const resolved = resolveOptions(softFaithfulnessOptions, others)
  const { scale, samples, seed, distance } = resolved
  const ids = map.tokenIds
  const found: Record<'kept' | 'removed' | 'randomKept' | 'randomRemoved', number[][]> = {
    kept: [],
    removed: [],
    randomKept: [],
    randomRemoved: [],
  }
  let undefinedSteps = 0
  for (const [step, { position }] of map.steps.entries()) {
    const own = importances(Array.from(map.scores(step).slice(0, position)), scale)
    const random = randomImportances(position, new RandomStream(seed, position * 8 + draws, 0))
    const masked = new MaskedEmbeddings(
      model,
      { ids: ids.slice(0, position), sourceTokens: map.sourceTokens },
      [position - 1],
      signal,
    )
    const distances = async (kept: Float64Array, kind: number, count: number) => {
      const streamOf = (sample: number) => new RandomStream(seed, position * 8 + kind, sample)
      const sums = await masked.rootDifferences(kept, streamOf, count)
      return sums.map(([sum]) => softDistance(sum!, distance))
    }
    const empty = await distances(new Float64Array(position), keeps, 1)
    if (!(empty[0]! > 1e-12)) {
      undefinedSteps++
      continue
    }
    const rows = async (given: Float64Array, keepKind: number, removeKind: number) => {
      const kept = await distances(given, keepKind, samples)
      const removed = await distances(
        given.map(each => 1 - each),
        removeKind,
        samples,
      )
      return kept.map((each, at) => softScores(each, removed[at]!, empty[0]!))
    }
    const mine = await rows(own, keeps, removes)
    const theirs = await rows(random, randomKeeps, randomRemoves)
    found.kept.push(mine.map(([ns]) => ns))
    found.removed.push(mine.map(([, nc]) => nc))
    found.randomKept.push(theirs.map(([ns]) => ns))
    found.randomRemoved.push(theirs.map(([, nc]) => nc))
  }
  const [sufficiency, comprehensiveness] = [softMean(found.kept), softMean(found.removed)]
  const random = { sufficiency: softMean(found.randomKept), comprehensiveness: softMean(found.randomRemoved) }
  return {
    sufficiency,
    comprehensiveness,
    random,
    logRatio: logRatios({ sufficiency, comprehensiveness }, random),
    steps: found.kept.length,
    undefinedSteps,
    options: resolved,
  }
}

/** The mean over steps of means over masks. Steps have masks of their own, so that the variances of their means add. */
export function softMean(steps: readonly (readonly number[])[]): SoftMean {
  if (steps.length === 0) return { mean: 0, standardError: 0 }
  const meanOf = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / values.length
  const variances = steps.map(values => {
    if (values.length < 2) return 0
    const mean = meanOf(values)
    const sum = values.reduce((total, each) => total + (each - mean) ** 2, 0)
    return sum / (values.length - 1) / values.length
  })
  return {
    mean: meanOf(steps.map(meanOf)),
    standardError: Math.sqrt(variances.reduce((a, b) => a + b, 0)) / steps.length,
  }
}

/** Random importances: the softmax of uniform numbers. */
export function randomImportances(count: number, stream: RandomStream): Float64Array {
  const weights = Float64Array.from({ length: count }, () => Math.exp(stream.uniform()))
  const total = weights.reduce((sum, each) => sum + each, 0)
  return weights.map(weight => weight / total)
}

type SoftPair = Pick<SoftFaithfulness, 'sufficiency' | 'comprehensiveness'>

/** ln(mean / mean of random importances), where both are above 0. */
export function logRatios(own: SoftPair, random: SoftPair): SoftFaithfulness['logRatio'] {
  const names = (['sufficiency', 'comprehensiveness'] as const).filter(
    name => own[name].mean > 0 && random[name].mean > 0,
  )
  return Object.fromEntries(names.map(name => [name, Math.log(own[name].mean / random[name].mean)]))
}
