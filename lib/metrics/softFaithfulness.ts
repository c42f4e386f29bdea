import type { GraphDescription } from '#typings/addon.js'
import { createTensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { lastLogitsGraph } from '../frontends/checkpoints/predictionGraph.js'
import { RandomStream } from '../games/randomStream.js'
import { GraphBuilder } from '../graph/builder.js'
import { roundedLength } from '../language/decoding.js'
import { causalDecoder } from '../methods/generation/causalDecoder.js'
import { GenerationAttribution } from '../methods/generation/generationAttribution.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import { embeddingLookups } from '../model/embeddings.js'
import type { Model } from '../model/model.js'
import { typeError } from '../validate.js'

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

/** Masked sequences that go through the model at once. */
const together = 16
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
  const { signal, ...others } = options
  const resolved = resolveOptions(softFaithfulnessOptions, others)
  const { scale, samples, seed } = resolved
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
    const stream = new RandomStream(seed, position * 8 + draws, 0)
    const weights = Float64Array.from({ length: position }, () => Math.exp(stream.uniform()))
    const total = weights.reduce((sum, each) => sum + each, 0)
    const random = weights.map(weight => weight / total)
    const measure = new StepMasks(model, ids.slice(0, position), resolved, signal)
    const empty = await measure.distance(new Float64Array(position), keeps, 1)
    if (!(empty[0]! > 1e-12)) {
      undefinedSteps++
      continue
    }
    const rows = async (given: Float64Array, keepKind: number, removeKind: number) => {
      const kept = await measure.distance(given, keepKind, samples)
      const removed = await measure.distance(
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
  const ratio = (a: SoftMean, b: SoftMean) =>
    a.mean > 0 && b.mean > 0 ? Math.log(a.mean / b.mean) : undefined
  const [first, second] = [
    ratio(sufficiency, random.sufficiency),
    ratio(comprehensiveness, random.comprehensiveness),
  ]
  return {
    sufficiency,
    comprehensiveness,
    random,
    logRatio: {
      ...(first === undefined ? {} : { sufficiency: first }),
      ...(second === undefined ? {} : { comprehensiveness: second }),
    },
    steps: found.kept.length,
    undefinedSteps,
    options: resolved,
  }
}

/** Steps have masks of their own, so that the variances of their means add. */
function softMean(steps: readonly (readonly number[])[]): SoftMean {
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

/** Distances that masks of one step's embeddings make. */
class StepMasks {
  readonly #reference: Promise<Float32Array>
  readonly #graph: { description: GraphDescription; features: number }

  constructor(
    private readonly model: Model,
    private readonly ids: readonly number[],
    private readonly options: Resolved<typeof softFaithfulnessOptions>,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.#graph = maskedGraph(model)
    this.#reference = this.#run(1, () => 1).then(([roots]) => roots!)
  }

  /** One distance for each mask in which every element is kept with its token's probability. */
  async distance(probabilities: Float64Array, kind: number, samples: number): Promise<number[]> {
    const reference = await this.#reference
    const { seed, distance } = this.options
    const found: number[] = []
    for (let from = 0; from < samples; from += together) {
      const count = Math.min(together, samples - from)
      const streams = Array.from(
        { length: count },
        (_, at) => new RandomStream(seed, this.ids.length * 8 + kind, from + at),
      )
      const roots = await this.#run(count, (at, token) => {
        const probability = probabilities[token]!
        return streams[at]!.uniform() < probability ? 1 : 0
      })
      for (const row of roots) {
        let sum = 0
        for (let at = 0; at < row.length; at++) sum += (row[at]! - reference[at]!) ** 2
        found.push(softDistance(sum, distance))
      }
    }
    return found
  }

  /** Square roots of the next token's probabilities, under a mask for each copy. */
  async #run(copies: number, keep: (copy: number, token: number) => number): Promise<Float32Array[]> {
    const { ids, model } = this
    const { features, description } = this.#graph
    const { contextLength } = causalDecoder(model).decoder
    const width = Math.min(roundedLength(ids.length), contextLength)
    const mask = new Float32Array(copies * width * features)
    for (let copy = 0; copy < copies; copy++)
      for (let token = 0; token < ids.length; token++)
        for (let feature = 0; feature < features; feature++)
          mask[(copy * width + token) * features + feature] = keep(copy, token)
    const filled = [...ids, ...new Array<number>(width - ids.length).fill(0)]
    const all = Array.from({ length: copies }, () => filled).flat()
    const sizes = { B: copies, T: width }
    const [roots] = await model.runPlan(
      `masked embeddings ${JSON.stringify(sizes)}`,
      () => description,
      {
        input_ids: createTensor('i64', [copies, width], BigInt64Array.from(all, BigInt)),
        row: createTensor('i64', [], BigInt64Array.of(BigInt(ids.length - 1))),
        mask: createTensor('f32', [copies, width, features], mask),
      },
      { sizes },
      this.signal,
    )
    const vocabulary = roots!.data.length / copies
    return Array.from({ length: copies }, (_, at) =>
      (roots!.data as Float32Array).slice(at * vocabulary, (at + 1) * vocabulary),
    )
  }
}

/** Roots of the next token's probabilities with a mask on the words' embeddings (places are added by the model itself). */
function maskedGraph(model: Model): { description: GraphDescription; features: number } {
  const { decoder, weights } = causalDecoder(model)
  const plain = lastLogitsGraph(decoder, weights)
  const lookup = embeddingLookups({ graph: plain }).find(({ input }) => input === 'input_ids')
  const node = plain.nodes.find(each => plain.values[each.outputs[0]!]?.name === lookup?.layer)
  const table = node && plain.values[node.inputs[0]!]
  const features = table?.kind === 'parameter' ? table.shape.at(-1) : undefined
  if (lookup === undefined || typeof features !== 'number')
    throw new AscribeError('MODEL_CAPABILITY', `Where model ${model.name} looks its words up was not found`)
  const graph = new GraphBuilder()
  const mask = graph.input('mask', 'f32', ['B', 'T', features])
  const values = graph.include(plain, {
    replace: { [lookup.layer]: rows => graph.apply('mul', [rows, mask]) },
  })
  const probabilities = graph.apply('softmax', [values.get('logits')!], { axis: -1 })
  return { description: graph.build([graph.apply('sqrt', [probabilities])]), features }
}
