import { DenoisedShapleyPlayer } from '../../games/samplers/denoisedShapley.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { contextSeedOption, permutationOptions, shareOption } from './contextOptions.js'
import {
  type FoundScores,
  PerturbedContext,
  type PerturbedModel,
  type PlayContext,
} from './perturbedContext.js'

export const denoisedShapleyOptions = {
  ...permutationOptions,
  ...shareOption,
  ...contextSeedOption,
} as const
export type DenoisedShapleyOptions = Given<typeof denoisedShapleyOptions>

/**
 * What each text brings at best: as Shapley values by random orders, but only the greatest `share` of a text's
 * contributions count (at least one). In nats; the scores add up to nothing in particular.
 *
 * Source: Wang et al., "TracLLM" (arXiv 2506.04202, 2025), contribution score denoising, 20 orders and a share of 0.2.
 */
export class DenoisedShapley extends PerturbedContext {
  protected readonly unit = 'nats'
  readonly #options: Resolved<typeof denoisedShapleyOptions>

  constructor(model: PerturbedModel, options: DenoisedShapleyOptions = {}) {
    super(model)
    this.#options = resolveOptions(denoisedShapleyOptions, options)
  }

  identity(): MethodIdentity {
    const { seed, ...options } = this.#options
    return { name: 'DenoisedShapley', options, seed }
  }
  protected async score(texts: number, _: number, play: PlayContext): Promise<FoundScores> {
    return play(new DenoisedShapleyPlayer({ players: texts, ...this.#options }))
  }
}
