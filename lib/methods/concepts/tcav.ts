import { AscribeError } from '../../errors.js'
import type { Target } from '../../graph/target.js'
import { runExample } from '../../model/batching.js'
import { resolveOneLayer } from '../../model/layerNames.js'
import type { Model } from '../../model/model.js'
import { prepareInput } from '../../model/prepareInput.js'
import { libraryVersion } from '../../version.js'
import type { Explained } from '../inputs/gradientMethod.js'
import { Saliency } from '../inputs/saliency.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { conceptVector } from './conceptVector.js'
import { welchTest } from './welchTest.js'

export const tcavOptions = {
  testShare: {
    kind: 'number',
    default: 0.33,
    minimum: 0,
    maximum: 0.9,
    description:
      'Share of the examples of a concept and its counterpart that the classifier is judged on, not fitted to.',
  },
  ridge: {
    kind: 'number',
    default: 0.01,
    minimum: 0,
    exclusive: true,
    description: 'Weight of the squared length of a concept vector in the logistic regression.',
  },
  seed: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: 0x7fff_ffff,
    description: 'Of the choice of examples that are held out.',
  },
} as const

/** What is accepted as significant below: the usual bound. */
export const significantBelow = 0.05
/** Concepts below this accuracy on examples that were held out have no direction of their own. */
const reliableAccuracy = 0.6
/** Fewer counterparts than this say nothing about chance. */
const fewestRandomSets = 10

export type TcavOptions = Given<typeof tcavOptions> & {
  /** The layer in which concepts are directions. */
  layer: string
}

export interface TcavConcept {
  readonly name: string
  /** Share of the inputs whose target rises towards the concept: mean over the random counterparts. */
  readonly signCount: number
  /** Mean of the derivative towards the concept, likewise; signed. */
  readonly magnitude: number
  /** The shares themselves, one for each random counterpart. */
  readonly signCounts: readonly number[]
  /** Mean accuracy of the classifiers on examples that were held out. */
  readonly accuracy: number
  /** The accuracy is at least 0.6. */
  readonly isReliable: boolean
  /** Two-sided, of the shares against those of random sets in the concept's place; times the number of concepts, at most 1. */
  readonly pValue: number
}

export interface TcavResult {
  readonly model: { readonly name: string; readonly hash: string }
  readonly version: string
  readonly layer: string
  /** What is explained, in words. */
  readonly target: string
  /** Inputs whose target was asked about. */
  readonly inputs: number
  readonly options: Resolved<typeof tcavOptions>
  readonly concepts: readonly TcavConcept[]
  /** Shares of random sets in the place of a concept. */
  readonly randomSignCounts: readonly number[]
}

export interface TcavExamples {
  /** Examples of each concept, at least 2. */
  concepts: Readonly<Record<string, readonly Explained[]>>
  /** Sets of random examples, at least 10: each is a counterpart of every concept. */
  random: readonly (readonly Explained[])[]
  signal?: AbortSignal
  /** Examples and inputs that went through the model, of all. */
  onProgress?: (done: number, total: number) => void
}

/**
 * TCAV: how much the target rises when a layer moves towards a concept that examples define. For every concept and every
 * set of random examples a linear classifier tells their activations apart; its weights are the concept's direction, and
 * an input's sensitivity is the derivative of the target along it. Whether a concept does more than chance is judged
 * against random sets in its place.
 *
 * Classifiers are logistic regressions with a ridge, solved to the end and without shuffling (Captum: stochastic steps).
 * One forward pass for each example, one forward and one backward pass for each input. Directions are not of unit length.
 *
 * Source: Kim et al., "Interpretability beyond feature attribution: quantitative testing with concept activation vectors"
 * (ICML 2018), sections 3.2 to 3.5. The test (Welch's, two-sided, Bonferroni) is the usual reading [unconfirmed].
 */
export class Tcav {
  readonly layer: string
  readonly options: Resolved<typeof tcavOptions>

  constructor(
    readonly model: Model,
    options: TcavOptions,
  ) {
    const { layer, ...others } = options
    this.layer = resolveOneLayer(model, layer)
    this.options = resolveOptions(tcavOptions, others)
  }

  /**
   * @param inputs Examples of the class that is asked about.
   * @throws AscribeError OPTION_RANGE for too few examples or random sets.
   */
  async test(
    inputs: readonly Explained[],
    target: Target | number | string,
    { concepts, random, signal, onProgress }: TcavExamples,
  ): Promise<TcavResult> {
    const names = Object.keys(concepts)
    if (inputs.length === 0 || names.length === 0)
      throw new AscribeError('OPTION_RANGE', 'TCAV needs inputs and at least one concept')
    if (random.length < fewestRandomSets)
      throw new AscribeError(
        'OPTION_RANGE',
        `There are ${random.length} random sets, at least ${fewestRandomSets} are needed to know chance`,
      )
    for (const [name, examples] of [
      ...Object.entries(concepts),
      ...random.map((set, at) => [`random ${at}`, set] as const),
    ])
      if (examples.length < 2)
        throw new AscribeError(
          'OPTION_RANGE',
          `"${name}" has ${examples.length} examples, expected at least 2`,
        )
    const total = [...Object.values(concepts), ...random, inputs].reduce((sum, set) => sum + set.length, 0)
    let done = 0
    const step = (count: number) => {
      done += count
      onProgress?.(done, total)
    }
    const held: Record<string, Float64Array[]> = {}
    for (const name of names) held[name] = await this.#activations(concepts[name]!, step, signal)
    const counterparts: Float64Array[][] = []
    for (const set of random) counterparts.push(await this.#activations(set, step, signal))
    const { gradients, description } = await this.#gradients(inputs, target, signal)
    step(inputs.length)
    const shares = (examples: readonly Float64Array[], against: readonly (readonly Float64Array[])[]) =>
      against.map((counterpart, at) => {
        const { testShare, ridge, seed } = this.options
        const { vector, accuracy } = conceptVector(examples, counterpart, {
          testShare,
          ridge,
          seed: seed + at,
        })
        const sensitivities = gradients.map(gradient =>
          gradient.reduce((sum, value, i) => sum + value * vector[i]!, 0),
        )
        return {
          accuracy,
          signCount: sensitivities.filter(value => value > 0).length / sensitivities.length,
          magnitude: mean(sensitivities),
        }
      })
    // Each random set against the next: chance in a concept's place.
    const chance = counterparts.map(
      (set, at) => shares(set, [counterparts[(at + 1) % counterparts.length]!])[0]!.signCount,
    )
    return {
      model: { name: this.model.name, hash: await this.model.hash() },
      version: libraryVersion,
      layer: this.layer,
      target: description,
      inputs: inputs.length,
      options: this.options,
      randomSignCounts: chance,
      concepts: names.map(name => {
        const found = shares(held[name]!, counterparts)
        const signCounts = found.map(({ signCount }) => signCount)
        const accuracy = mean(found.map(each => each.accuracy))
        return {
          name,
          signCount: mean(signCounts),
          magnitude: mean(found.map(({ magnitude }) => magnitude)),
          signCounts,
          accuracy,
          isReliable: accuracy >= reliableAccuracy,
          pValue: Math.min(1, welchTest(signCounts, chance) * names.length),
        }
      }),
    }
  }

  async #activations(
    examples: readonly Explained[],
    step: (count: number) => void,
    signal?: AbortSignal,
  ): Promise<Float64Array[]> {
    const found: Float64Array[] = []
    for (const example of examples) {
      const { tensors } = await prepareInput(this.model, example)
      const held = (await runExample(this.model, tensors, [this.layer], signal))[this.layer]!
      found.push(Float64Array.from(held.data as Float32Array))
      step(1)
    }
    return found
  }

  async #gradients(inputs: readonly Explained[], target: Target | number | string, signal?: AbortSignal) {
    const method = new Saliency(this.model, { absolute: false })
    const options = { target, layer: this.layer, ...(signal ? { signal } : {}) }
    const found = await method.attributeBatch(inputs, options)
    return {
      gradients: found.map(each => each.scores().data as Float32Array),
      description: [...new Set(found.map(each => each.targets[0]!.description))].join('; '),
    }
  }
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length
