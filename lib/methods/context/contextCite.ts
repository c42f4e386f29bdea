import { jointLogOdds } from '../../context/responseScores.js'
import { ContextCitePlayer } from '../../games/samplers/contextCite.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { contextSeedOption } from './contextOptions.js'
import {
  type FoundScores,
  PerturbedContext,
  type PerturbedModel,
  type PlayContext,
} from './perturbedContext.js'

export const contextCiteOptions = {
  samples: {
    kind: 'integer',
    default: 64,
    minimum: 2,
    maximum: 1_000_000,
    description: 'Random subsets of the texts; a pass each.',
  },
  keepProbability: {
    kind: 'number',
    default: 0.5,
    minimum: 0,
    exclusive: true,
    maximum: 1,
    description: 'How likely a text is in a subset.',
  },
  penalty: {
    kind: 'number',
    default: 0.01,
    minimum: 0,
    maximum: 1e6,
    description:
      "The lasso's weight on absolute values, for subsets standardised and log-odds for each token.",
  },
  ...contextSeedOption,
} as const
export type ContextCiteOptions = Given<typeof contextCiteOptions>

/**
 * A sparse linear surrogate: the response's log-odds over random subsets of the texts, fitted by a lasso. Scores are the
 * surrogate's weights, in nats of log-odds: what keeping a text adds. `samples` passes serve any span of the response.
 * Subsets are drawn from (seed, sample), which are other draws than the reference's.
 *
 * Source: Cohen-Wang, Shah, Georgiev and Madry, "ContextCite" (2024): 64 subsets, a half kept, a penalty of 0.01.
 */
export class ContextCite extends PerturbedContext {
  protected readonly unit = 'nats of log-odds'
  readonly #options: Resolved<typeof contextCiteOptions>

  constructor(model: PerturbedModel, options: ContextCiteOptions = {}) {
    super(model)
    this.#options = resolveOptions(contextCiteOptions, options)
  }

  identity(): MethodIdentity {
    const { seed, ...options } = this.#options
    return { name: 'ContextCite', options, seed }
  }
  protected async score(texts: number, tokens: number, play: PlayContext): Promise<FoundScores> {
    return play(new ContextCitePlayer({ players: texts, tokens, ...this.#options }), jointLogOdds)
  }
}
