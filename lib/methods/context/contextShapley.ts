import { DenoisedShapleyPlayer } from '../../games/samplers/denoisedShapley.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { contextSeedOption, permutationOptions } from './contextOptions.js'
import {
  type FoundScores,
  PerturbedContext,
  type PerturbedModel,
  type PlayContext,
} from './perturbedContext.js'

export const contextShapleyOptions = { ...permutationOptions, ...contextSeedOption } as const
export type ContextShapleyOptions = Given<typeof contextShapleyOptions>

/**
 * Shapley values of texts in the game of the response's log-probability, by random orders: what each text brings to
 * those that came before it, in the mean. In nats; scores add up to log P(response | all) - log P(response | none).
 * `permutations` times n + 1 passes at most; sets that come again are free.
 *
 * Source: Shapley, "A value for n-person games" (1953); 20 orders as TracLLM has them (arXiv 2506.04202, 2025).
 */
export class ContextShapley extends PerturbedContext {
  protected readonly unit = 'nats'
  readonly #options: Resolved<typeof contextShapleyOptions>

  constructor(model: PerturbedModel, options: ContextShapleyOptions = {}) {
    super(model)
    this.#options = resolveOptions(contextShapleyOptions, options)
  }

  identity(): MethodIdentity {
    const { seed, ...options } = this.#options
    return { name: 'ContextShapley', options, seed }
  }
  protected async score(texts: number, _: number, play: PlayContext): Promise<FoundScores> {
    return play(new DenoisedShapleyPlayer({ players: texts, share: 1, ...this.#options }))
  }
}
