import { coalitionOf } from '../../games/coalition.js'
import { LeaveOneOutPlayer } from '../../games/samplers/leaveOneOut.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { resolveOptions } from '../options.js'
import {
  type FoundScores,
  PerturbedContext,
  type PerturbedModel,
  type PlayContext,
} from './perturbedContext.js'

/**
 * How much less likely the response is without each text: log P(response | all) - log P(response | all others), in nats.
 * Blind where several texts say the same, since none of them is missed. n + 1 passes.
 *
 * Source: Wang et al., "TracLLM" (arXiv 2506.04202, 2025), leave-one-out.
 */
export class ContextLeaveOneOut extends PerturbedContext {
  protected readonly unit = 'nats'

  /** @param options None so far. */
  constructor(model: PerturbedModel, options: Record<string, unknown> = {}) {
    super(model)
    resolveOptions({}, options)
  }
  identity(): MethodIdentity {
    return { name: 'ContextLeaveOneOut', options: {} }
  }
  protected async score(texts: number, _: number, play: PlayContext): Promise<FoundScores> {
    return play(new LeaveOneOutPlayer(texts, texts, text => coalitionOf(texts, [text])))
  }
}
