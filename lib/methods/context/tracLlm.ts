import { coalitionOf } from '../../games/coalition.js'
import { DenoisedShapleyPlayer } from '../../games/samplers/denoisedShapley.js'
import { LeaveOneOutPlayer } from '../../games/samplers/leaveOneOut.js'
import { SingleContributionPlayer } from '../../games/samplers/singleContribution.js'
import { type ScoreNodes, TreeSearchPlayer, type TreeSearchResult } from '../../games/samplers/treeSearch.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { contextSeedOption, permutationOptions, shareOption } from './contextOptions.js'
import {
  type FoundScores,
  PerturbedContext,
  type PerturbedModel,
  type PlayContext,
} from './perturbedContext.js'

export const tracLlmOptions = {
  topK: {
    kind: 'integer',
    default: 5,
    minimum: 1,
    maximum: 10_000,
    description: 'Nodes that are kept on each level of the tree, and texts that have a score in the end.',
  },
  scoreFunction: {
    kind: 'choice',
    choices: ['ensemble', 'single', 'leaveOneOut', 'denoisedShapley'],
    default: 'ensemble',
    description: 'What scores the nodes; the ensemble searches once with each and takes the greatest score.',
  },
  leaveOneOutWeight: {
    kind: 'number',
    default: 2,
    minimum: 0,
    maximum: 1e6,
    description: 'What scores of leave-one-out are multiplied with in the ensemble.',
  },
  ...permutationOptions,
  ...shareOption,
  ...contextSeedOption,
} as const
export type TracLlmOptions = Given<typeof tracLlmOptions>

type ScoreFunction = Exclude<Resolved<typeof tracLlmOptions>['scoreFunction'], 'ensemble'>

/**
 * The texts that matter most, by a search in a tree: the context is halved again and again, and on each level the
 * `topK` parts that count most stay. Many texts cost few passes: about log2(n / topK) levels of 2 topK + 1 passes with
 * single contributions or leave-one-out. Texts that the search drops have the score 0, and come behind those that it
 * keeps, whose scores may be negative.
 *
 * Parts are put together from their texts as they are, without spaces between them; texts are told apart by their
 * places, so that equal ones do not collapse; a context of `topK` texts or fewer is scored once (the reference fails).
 *
 * Source: Wang et al., "TracLLM" (arXiv 2506.04202, 2025).
 */
export class TracLLM extends PerturbedContext {
  protected readonly unit = 'nats'
  readonly #options: Resolved<typeof tracLlmOptions>

  constructor(model: PerturbedModel, options: TracLlmOptions = {}) {
    super(model)
    this.#options = resolveOptions(tracLlmOptions, options)
  }

  identity(): MethodIdentity {
    const { seed, ...options } = this.#options
    return { name: 'TracLLM', options, seed }
  }

  protected async score(texts: number, _: number, play: PlayContext): Promise<FoundScores> {
    const { scoreFunction, topK, leaveOneOutWeight } = this.#options
    const names: readonly ScoreFunction[] =
      scoreFunction === 'ensemble' ? ['single', 'leaveOneOut', 'denoisedShapley'] : [scoreFunction]
    const best = new Map<number, number>()
    const runs: [ScoreFunction, TreeSearchResult][] = []
    for (const name of names) {
      const run = await play(new TreeSearchPlayer(texts, topK, this.#nodes(name)))
      runs.push([name, run])
      const weight = scoreFunction === 'ensemble' && name === 'leaveOneOut' ? leaveOneOutWeight : 1
      for (const text of run.kept)
        best.set(text, Math.max(best.get(text) ?? Number.NEGATIVE_INFINITY, weight * run.scores[text]!))
    }
    const order = [...best].toSorted(([a, one], [b, other]) => other - one || a - b).slice(0, topK)
    const kept = order.map(([text]) => text)
    const scores = new Float64Array(texts)
    for (const [text, score] of order) scores[text] = score
    return {
      scores,
      samples: runs.reduce((sum, [, { samples }]) => sum + samples, 0),
      warnings: [],
      kept,
      details: {
        kept,
        levels: Object.fromEntries(runs.map(([name, { levels }]) => [name, levels])),
      },
    }
  }

  #nodes(name: ScoreFunction): ScoreNodes {
    const { permutations, share, seed } = this.#options
    switch (name) {
      case 'single':
        return nodes => new SingleContributionPlayer(nodes)
      case 'leaveOneOut':
        return nodes => new LeaveOneOutPlayer(nodes, nodes, node => coalitionOf(nodes, [node]))
      case 'denoisedShapley':
        return (nodes, level) =>
          new DenoisedShapleyPlayer({ players: nodes, permutations, share, seed, item: level })
    }
  }
}
