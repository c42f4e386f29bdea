import { AscribeError } from '../../errors.js'
import { membersOf } from '../../games/coalition.js'
import type { Request } from '../../games/coalitionGame.js'
import type { Readout } from '../../games/maskedModel.js'
import { compileScores } from '../../graph/compileTarget.js'

/** What a search wants to know of each item. */
export interface SearchQuestion {
  /** The class that is explained … */
  readonly target: number
  /** … and classes whose probabilities are noted along the way. */
  readonly tracked: readonly number[]
}

export interface SearchReadoutOptions {
  /** Name of the output with the class scores. */
  output: string
  /** Name of the value that is a set's feature; needed where effectiveness counts, or for `cosine`. */
  features?: string | undefined
  /** Name of the value whose row is evidence, in place of entropy. */
  evidence?: string | undefined
  /** What consistency is: the target's probability, or how the set's feature points to that of the whole. */
  form: 'probability' | 'cosine'
  /** Whether a softmax makes probabilities of the scores; without it they are probabilities. */
  softmax: boolean
  /** Whether confidence has a weight; it is 0 otherwise. */
  countsConfidence: boolean
  questions: readonly SearchQuestion[]
}

/** A readout that keeps the features of each region alone, and whether scores looked like probabilities already. */
export interface SearchReadout extends Readout {
  /** Names of what is read, in the order of the rows: a black box has them as outputs. */
  readonly sources: readonly string[]
  /** Features of the regions of an item, once each was evaluated alone. */
  featuresOf(item: number): readonly Float64Array[]
  /** Whether the scores of every row were a distribution: their softmax is not what the model means. */
  looksLikeProbabilities(): boolean
}

/** 1 less the entropy over its greatest value; the logarithm is kept from 0 as the source keeps it. */
export function entropyConfidence(probabilities: ArrayLike<number>): number {
  let sum = 0
  for (let at = 0; at < probabilities.length; ++at) {
    const p = probabilities[at]!
    sum += p * Math.log(p + 1e-7)
  }
  return 1 + sum / Math.log(probabilities.length)
}

/** 1 less the uncertainty K / sum(e + 1) of evidence e = exp(o), o clipped to [-10, 10]. */
export function evidentialConfidence(outputs: ArrayLike<number>): number {
  let sum = 0
  for (let at = 0; at < outputs.length; ++at) sum += Math.exp(Math.min(10, Math.max(-10, outputs[at]!))) + 1
  return 1 - outputs.length / sum
}

/** Softmax in double precision. */
export function softmaxOf(scores: ArrayLike<number>): Float64Array {
  let greatest = Number.NEGATIVE_INFINITY
  for (let at = 0; at < scores.length; ++at) greatest = Math.max(greatest, scores[at]!)
  const weights = Float64Array.from(scores, score => Math.exp(score - greatest))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map(weight => weight / sum)
}

function isDistribution(scores: ArrayLike<number>): boolean {
  let sum = 0
  for (let at = 0; at < scores.length; ++at) {
    if (scores[at]! < 0) return false
    sum += scores[at]!
  }
  return Math.abs(sum - 1) < 1e-3
}

/** Cosine of the angle between a feature and the whole's. */
function cosine(feature: ArrayLike<number>, whole: Float64Array): number {
  let [dot, own, other] = [0, 0, 0]
  for (const [at, value] of whole.entries()) {
    dot += feature[at]! * value
    own += feature[at]! ** 2
    other += value ** 2
  }
  if (own === 0 || other === 0)
    throw new AscribeError('INPUT_VALUE', 'A feature is zero everywhere, so it has no direction')
  return dot / Math.sqrt(own * other)
}

/**
 * Values of searches: [probability of the target, confidence, ...tracked probabilities], from logits in double.
 */
export function searchReadout(options: SearchReadoutOptions): SearchReadout {
  const { output, features, evidence, form, softmax, countsConfidence, questions } = options
  const alone: Float64Array[][] = questions.map(() => [])
  const wholes: Float64Array[] = []
  const tracked = Math.max(...questions.map(question => question.tracked.length))
  let [rowsRead, distributions] = [0, 0]

  const check = (scores: ArrayLike<number>, target: number, evidential: ArrayLike<number> | undefined) => {
    if (target >= scores.length)
      throw new AscribeError(
        'TARGET_INVALID',
        `Class ${target} is outside the ${scores.length} outputs of "${output}"`,
      )
    if (countsConfidence && scores.length < 2)
      throw new AscribeError(
        'MODEL_CAPABILITY',
        `Output "${output}" has one class, so that nothing can be unsure`,
        {
          hint: 'Set the weight of confidence to 0.',
        },
      )
    if (evidential !== undefined && evidential.length !== scores.length)
      throw new AscribeError(
        'MODEL_CAPABILITY',
        `"${evidence}" has ${evidential.length} evidential outputs, and "${output}" ${scores.length} classes`,
      )
  }

  const read = (rows: readonly ArrayLike<number>[], { item, coalition }: Request): Float64Array => {
    const [scores] = rows as [ArrayLike<number>]
    const question = questions[item]!
    const feature = features === undefined ? undefined : rows[1]!
    const members = membersOf(coalition)
    if (feature !== undefined && members.length === 1) alone[item]![members[0]!] = Float64Array.from(feature)
    const evidential = evidence === undefined ? undefined : rows.at(-1)!
    check(scores, question.target, evidential)
    ++rowsRead
    if (isDistribution(scores)) ++distributions
    else if (!softmax)
      throw new AscribeError(
        'MODEL_CAPABILITY',
        `The scores of "${output}" are no probabilities: they do not add up to 1`,
        {
          hint: 'Leave softmax on.',
        },
      )
    const probabilities = softmax ? softmaxOf(scores) : Float64Array.from(scores)
    const confidence = !countsConfidence
      ? 0
      : evidential === undefined
        ? entropyConfidence(probabilities)
        : evidentialConfidence(evidential)
    let consistency = probabilities[question.target]!
    if (form === 'cosine') {
      // The whole is the first set that a search asks for.
      wholes[item] ??= Float64Array.from(feature!)
      consistency = cosine(feature!, wholes[item])
    }
    const noted = new Float64Array(2 + tracked)
    noted[0] = consistency
    noted[1] = confidence
    for (const [at, of] of question.tracked.entries()) noted[2 + at] = probabilities[of]!
    return noted
  }

  return {
    key: JSON.stringify(['search', output, features ?? null, evidence ?? null, softmax]),
    width: 2 + tracked,
    outputs: (builder, outputs, values) => {
      const found = outputs.get(output)
      if (found === undefined)
        throw new AscribeError('TARGET_INVALID', `The model has no output called "${output}"`)
      const named = (name: string) => {
        const value = values.get(name) ?? outputs.get(name)
        if (value === undefined)
          throw new AscribeError('LAYER_NOT_FOUND', `The model has no value called "${name}"`, {
            hint: 'model.layers() lists them.',
          })
        return builder.apply('flatten', [value], { axis: 1 })
      }
      return [
        softmax
          ? compileScores(builder, found, 'logit').rows
          : builder.apply('flatten', [found], { axis: 1 }),
        ...(features === undefined ? [] : [named(features)]),
        ...(evidence === undefined ? [] : [named(evidence)]),
      ]
    },
    read,
    featuresOf: item => alone[item]!,
    looksLikeProbabilities: () => softmax && rowsRead > 0 && rowsRead === distributions,
    sources: [
      output,
      ...(features === undefined ? [] : [features]),
      ...(evidence === undefined ? [] : [evidence]),
    ],
  }
}
