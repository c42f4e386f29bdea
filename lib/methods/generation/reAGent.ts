import type { AttributionWarning } from '../../attribution/types.js'
import { AscribeError } from '../../errors.js'
import { generating } from '../../language/decoding.js'
import { Model } from '../../model/model.js'
import { expectObject, typeError } from '../../validate.js'
import type { AttributeOptions } from '../inputs/gradientMethod.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import type { ExplainedSequence } from './explainedSequence.js'
import { maskedReplacements } from './maskedReplacements.js'
import { predictToken } from './predictToken.js'
import { ReAGentChain, runChains, softmaxOver } from './reAGentChain.js'
import {
  classReplacements,
  type Replacements,
  uniformReplacements,
  unigramReplacements,
} from './replacements.js'
import { type StepExplanation, StepMethod } from './stepMethod.js'
import { vocabularyClasses } from './tokenClasses.js'

export const reAGentOptions = {
  ratio: {
    kind: 'number',
    default: 0.3,
    minimum: 0,
    maximum: 1,
    description: 'Probability with which a step replaces each token. The extremes never change the ranking.',
  },
  topK: {
    kind: 'integer',
    default: 3,
    minimum: 1,
    description:
      'A chain stops when the token is among so many most likely ones with only the kept tokens in place.',
  },
  keep: { kind: 'integer', default: 5, minimum: 1, description: 'Tokens that the stop test keeps.' },
  maxSteps: {
    kind: 'integer',
    default: 3000,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Steps of a chain at most.',
  },
  chains: {
    kind: 'integer',
    default: 5,
    minimum: 1,
    maximum: 4096,
    description: 'Independent chains, whose mean is the result.',
  },
  overlap: {
    kind: 'integer',
    default: 2,
    minimum: 0,
    description:
      'Chains in whose kept tokens a token of the rationale must be; of those that stopped, where any did [unconfirmed].',
  },
  replacement: {
    kind: 'choice',
    choices: ['class', 'uniform', 'unigram', 'maskedLM'],
    default: 'class',
    description:
      'Where replacements come from: tokens of the same class (coarse kinds, or `classes`), any token, tokens by their `frequencies`, or what `maskedModel` puts there.',
  },
  specials: {
    kind: 'boolean',
    default: false,
    description: 'Special tokens may be replaced too; otherwise they stay, and have no score.',
  },
  speculative: {
    kind: 'boolean',
    default: true,
    description: 'Steps are asked about ahead of time, in batches; the result is the same.',
  },
  batch: {
    kind: 'integer',
    default: 64,
    minimum: 1,
    maximum: 4096,
    description: 'Sequences that go through the model at once.',
  },
  seed: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Of all random draws.',
  },
} as const

/** What replacements are made of. */
export interface ReplacementSources {
  /** Of `class`: the class of every token by id, a part of speech for one. Default: coarse kinds (a word's beginning, its continuation, digits, punctuation, other, special), since no tagger ships. */
  classes?: ArrayLike<number>
  /** Of `unigram`: how often every token comes, by id. */
  frequencies?: ArrayLike<number>
  /** Of `maskedLM`: a masked language model with a tokenizer of its own; words go from one vocabulary to the other by their text. */
  maskedModel?: Model
}

export type ReAGentOptions = Given<typeof reAGentOptions> & ReplacementSources

/** A probability below this is lost in rounding. */
const leastProbability = 1e-8

/**
 * ReAGent: how much each token before a generated one matters, by random replacements and what they do to its probability.
 * Scores are at least 0 and add up to 1: the mean over chains of a softmax of sums, which is peaked. Steps go on until the
 * kept tokens alone bring the explained one among the most likely: a few to thousands, of two forward passes each; no gradients.
 *
 * Random draws are keyed by seed, place, chain and step. The result's details have the rationale (places that at least
 * `overlap` chains keep), whether any chain stopped, and each chain's steps.
 *
 * Source: Zhao and Shan, "ReAGent: a model-agnostic feature attribution method for generative language models" (AAAI workshop
 * 2024, arXiv 2402.00794). Its text replaces tokens by a RoBERTa's predictions, its code by tokens with the same part of speech;
 * whose rationale counts all chains: here those whose mean is taken. With no chain stopped the mean is of all.
 *
 * @throws AscribeError MODEL_CAPABILITY; INPUT_VALUE where no token can be replaced; OPTION_*; TOKENIZER_REQUIRED.
 */
export class ReAGent extends StepMethod {
  readonly options: Resolved<typeof reAGentOptions>
  readonly #sources: ReplacementSources
  #known: Promise<{ special: readonly number[]; tokens: readonly string[] } | undefined> | undefined

  constructor(model: Model, options: ReAGentOptions = {}) {
    super(model)
    expectObject('options', options)
    const { classes, frequencies, maskedModel, ...others } = options
    this.options = resolveOptions(reAGentOptions, others)
    this.#sources = {
      ...(classes === undefined ? {} : { classes }),
      ...(frequencies === undefined ? {} : { frequencies }),
      ...(maskedModel === undefined ? {} : { maskedModel }),
    }
    const { replacement } = this.options
    const needs = (what: string) =>
      new AscribeError('OPTION_RANGE', `Replacements of kind ${replacement} need the option \`${what}\``)
    if (replacement === 'unigram' && frequencies === undefined) throw needs('frequencies')
    if (replacement === 'maskedLM' && maskedModel === undefined) throw needs('maskedModel')
    if (maskedModel !== undefined && !(maskedModel instanceof Model))
      throw typeError('maskedModel', 'a Model', maskedModel)
    const { vocabulary } = generating(model).decoder
    if (frequencies !== undefined) unigramReplacements(frequencies, vocabulary)
    if (classes !== undefined) classReplacements(classes, vocabulary)
  }

  override identity(): MethodIdentity {
    const { seed, ...options } = this.options
    const given = Object.keys(this.#sources).map(name => [name, 'given'])
    return { name: 'ReAGent', options: { ...options, ...Object.fromEntries(given) }, seed }
  }

  override readonly explains = 'probability'

  protected override async explainStep(
    sequence: ExplainedSequence,
    position: number,
    { signal, onProgress }: Pick<AttributeOptions, 'signal' | 'onProgress'>,
  ): Promise<StepExplanation> {
    const { chains: count, topK, maxSteps, batch, speculative } = this.options
    const ids = sequence.ids.slice(0, position)
    const places = await this.#places(sequence, position, signal)
    if (places.length === 0)
      throw new AscribeError(
        'INPUT_VALUE',
        'There is no token before the explained one that could be replaced',
      )
    const replacements = await this.#replacements(sequence, places, signal)
    const chains = Array.from(
      { length: count },
      (_, chain) => new ReAGentChain(ids, places, replacements, this.options, chain),
    )
    const predict = predictToken(this.model, sequence.ids[position]!, batch, signal, sequence.sourceTokens)
    const { probability } = (await predict([ids]))[0]!
    const asked = await runChains(
      chains,
      predict,
      probability,
      { topK, maxSteps },
      speculative ? batch : 1,
      steps => onProgress?.(Math.min(steps, maxSteps), maxSteps),
    )
    const stopped = chains.filter(chain => chain.stopped)
    const counted = stopped.length > 0 ? stopped : chains
    const scores = new Float64Array(ids.length)
    for (const chain of counted)
      for (const [at, share] of softmaxOver(chain.scores, places).entries())
        scores[at]! += share / counted.length
    return {
      scores,
      value: probability,
      forwardPasses: 1 + asked,
      chunk: batch,
      details: {
        converged: stopped.length > 0,
        steps: chains.map(chain => chain.steps),
        stopped: chains.map(chain => chain.stopped),
        rationale: this.#rationale(counted, places),
      },
      warnings: this.#warnings(ids, places, probability, stopped.length, replacements),
    }
  }

  /** Places that enough chains keep. */
  #rationale(chains: readonly ReAGentChain[], places: readonly number[]): number[] {
    const kept = chains.map(chain => new Set(chain.top()))
    return places.filter(at => kept.filter(own => own.has(at)).length >= Math.max(1, this.options.overlap))
  }

  #warnings(
    ids: readonly number[],
    places: readonly number[],
    probability: number,
    stopped: number,
    replacements: Replacements,
  ): AttributionWarning[] {
    const { keep, maxSteps } = this.options
    const warnings: AttributionWarning[] = [...(replacements.warnings?.(ids, places) ?? [])]
    if (places.length <= keep)
      warnings.push({
        code: 'RANKING_UNINFORMED',
        message: `There are ${places.length} tokens and ${keep} are kept, so that chains stop at once: the scores are little but their random beginning.`,
      })
    if (probability < leastProbability)
      warnings.push({
        code: 'PROBABILITY_LOW',
        message: `The token has a probability of ${probability.toExponential(1)}: what replacements do to it is rounding.`,
      })
    if (stopped === 0)
      warnings.push({
        code: 'NOT_CONVERGED',
        message: `No chain stopped within ${maxSteps} steps; the mean is over all of them.`,
      })
    return warnings
  }

  /** Places that may be replaced: no special tokens, unless they are wanted. */
  async #places(sequence: ExplainedSequence, position: number, signal?: AbortSignal): Promise<number[]> {
    const all = Array.from({ length: position }, (_, at) => at)
    if (this.options.specials) return all
    const special = new Set((await this.#vocabulary(signal))?.special)
    return all.filter(at => sequence.offsets?.[at] !== null && !special.has(sequence.ids[at]!))
  }

  async #replacements(
    sequence: ExplainedSequence,
    places: readonly number[],
    signal?: AbortSignal,
  ): Promise<Replacements> {
    const { classes, frequencies, maskedModel } = this.#sources
    const { vocabulary } = generating(this.model).decoder
    const known = await this.#vocabulary(signal)
    const special = new Set(known?.special)
    switch (this.options.replacement) {
      case 'uniform':
        return uniformReplacements(
          Array.from({ length: vocabulary }, (_, id) => id).filter(id => !special.has(id)),
        )
      case 'unigram':
        return unigramReplacements(frequencies!, vocabulary)
      case 'class': {
        if (classes !== undefined) return classReplacements(classes, vocabulary)
        if (known === undefined)
          throw new AscribeError(
            'TOKENIZER_REQUIRED',
            `Model ${this.model.name} has no tokenizer, which tells kinds of tokens apart`,
            { hint: "Give `classes`, or `replacement: 'uniform'`." },
          )
        return classReplacements(vocabularyClasses(known, vocabulary), vocabulary)
      }
      case 'maskedLM':
        return maskedReplacements(maskedModel!, known, sequence, places, vocabulary, signal)
    }
  }

  async #vocabulary(signal?: AbortSignal) {
    this.#known ??= this.model.tokenizer?.vocabulary({ signal }) ?? Promise.resolve(undefined)
    return this.#known
  }
}
