import { spearmanCorrelation } from '../data/rankStatistics.js'
import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import type { Model } from '../model/model.js'
import { rangeError } from '../validate.js'
import { type BaselineOption, FaithfulnessMetric, withoutBaseline } from './faithfulnessMetric.js'
import { type Masked, playerScores } from './perturbation.js'
import type { CopyScores } from './perturbedRuns.js'
import { drawEach, randomStream } from './randomStream.js'
import { overScores } from './ranking.js'
import type { SampleResult } from './result.js'
import { seedOption } from './seedOption.js'
import type { Subject } from './subject.js'

export const muFidelityOptions = {
  samples: {
    kind: 'integer',
    default: 200,
    minimum: 2,
    maximum: 1_000_000,
    description: 'Subsets that are drawn.',
  },
  gridSize: {
    kind: 'integer',
    default: 9,
    minimum: 1,
    description: 'Cells along each side of a picture, which go as wholes; other inputs go unit by unit.',
  },
  dropped: {
    kind: 'number',
    default: 0.2,
    minimum: 0,
    exclusive: true,
    maximum: 1,
    description: 'Probability with which each cell goes.',
  },
  undefinedAs: {
    kind: 'choice',
    choices: ['zero', 'undefined'],
    default: 'zero',
    description: 'What a sample counts as where attribution or score is the same for every subset.',
  },
  ...seedOption,
} as const

export type MuFidelityOptions = Given<typeof muFidelityOptions> & BaselineOption

/**
 * Mu-fidelity: Spearman's correlation between the attribution of random subsets of cells and what the score loses when
 * they are removed. -1 to 1, higher is better. Each cell is drawn by itself, so sizes of subsets vary.
 *
 * Values by form of the score (`logit` and `probability` of a class, else `score`). `samples` forward passes.
 *
 * @param options `samples` (default 200), `gridSize` (default 9), `dropped` (default 0.2), `undefinedAs`, `seed`,
 *   `baseline` (default 0).
 * @throws AscribeError `OPTION_RANGE` for a grid finer than the picture
 * Source: Fel et al., "How good is your explanation? Algorithmic stability measures" (WACV 2022), after Bhatt et al. 2020;
 * defaults as Xplique has them.
 */
export class MuFidelity extends FaithfulnessMetric<Masked> {
  protected readonly features = 'unit'
  readonly options: Resolved<typeof muFidelityOptions>

  constructor(model: Model, options: MuFidelityOptions = {}) {
    super(model, options.baseline ?? 0)
    this.options = resolveOptions(muFidelityOptions, withoutBaseline(options))
  }
  override identity(): MethodIdentity {
    const { seed, ...options } = this.options
    return { name: 'MuFidelity', options, seed }
  }
  protected override perturb({ features, count, id, scores }: Subject): Masked {
    const { samples, gridSize, dropped, seed } = this.options
    const grid = features.length === 1 ? features[0]!.grid : undefined
    if (grid !== undefined && gridSize > Math.min(grid.height, grid.width))
      throw rangeError(
        'gridSize',
        `at most the picture's ${Math.min(grid.height, grid.width)} pixels`,
        gridSize,
      )
    const players = grid === undefined ? count : gridSize * gridSize
    const removed = (at: number) => drawEach(randomStream(seed, id, at), players, dropped)
    const said = new Float64Array(samples)
    if (grid === undefined) return { kind: 'masked', players, count: samples, removed, weights: scores, said }
    const playerOf = Int32Array.from({ length: count }, (_, pixel) => {
      const [y, x] = [Math.floor(pixel / grid.width), pixel % grid.width]
      return Math.floor((y * gridSize) / grid.height) * gridSize + Math.floor((x * gridSize) / grid.width)
    })
    const weights = playerScores(scores, players, playerOf)
    return { kind: 'masked', players, playerOf, count: samples, removed, weights, said }
  }
  protected override reduce(
    _: Subject,
    scores: CopyScores,
    { said }: Masked,
  ): Omit<SampleResult, 'index' | 'id'> {
    const isZero = this.options.undefinedAs === 'zero'
    return {
      values: overScores(scores, left => {
        const correlation = spearmanCorrelation(
          said,
          left.map(score => -score),
        )
        return Number.isNaN(correlation) && isZero ? 0 : correlation
      }),
    }
  }
}
