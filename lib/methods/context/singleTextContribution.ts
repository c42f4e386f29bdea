import { SingleContributionPlayer } from '../../games/samplers/singleContribution.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { resolveOptions } from '../options.js'
import {
  type FoundScores,
  PerturbedContext,
  type PerturbedModel,
  type PlayContext,
} from './perturbedContext.js'

/**
 * How much likelier each text by itself makes the response than no text does: log P(response | text) - log P(response),
 * in nats. Finds each of several texts that say the same; misses texts that only say something together. n + 1 passes.
 *
 * Source: Wang et al., "TracLLM" (arXiv 2506.04202, 2025), single text contribution.
 */
export class SingleTextContribution extends PerturbedContext {
  protected readonly unit = 'nats'

  /** @param options None so far. */
  constructor(model: PerturbedModel, options: Record<string, unknown> = {}) {
    super(model)
    resolveOptions({}, options)
  }
  identity(): MethodIdentity {
    return { name: 'SingleTextContribution', options: {} }
  }
  protected async score(texts: number, _: number, play: PlayContext): Promise<FoundScores> {
    return play(new SingleContributionPlayer(texts))
  }
}
