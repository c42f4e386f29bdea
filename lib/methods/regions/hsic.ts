import { coalitionOf } from '../../games/coalition.js'
import { RandomStream } from '../../games/randomStream.js'
import { greatestHsicSamples, HsicPlayer } from '../../games/samplers/hsic.js'
import { sobolPoint } from '../../games/sobolSequence.js'
import type { Explainable } from '../../model/explainable.js'
import type { RegionsOption } from '../../regions/makeRegions.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { type Absence, absenceOption } from './absence.js'
import { gridScores } from './gridUnits.js'
import { type Perturbation, PerturbationMethod } from './perturbationMethod.js'
import type { CutInput, RegionInput } from './regionInput.js'
import { limitOptions, seedOption } from './regionMethod.js'

export const hsicOptions = {
  ...absenceOption,
  grid: {
    kind: 'integer',
    default: 8,
    minimum: 1,
    maximum: 64,
    description: 'Cells along each side of a picture.',
  },
  samples: {
    kind: 'integer',
    default: 500,
    minimum: 2,
    maximum: greatestHsicSamples,
    description: 'Masks, each a pass.',
  },
  sampling: {
    kind: 'choice',
    choices: ['sobol', 'random'],
    default: 'sobol',
    description:
      'Where masks come from: the rounded Sobol sequence (at most 512 cells; from its second point on, and 0.5 is 0, as Xplique has it) or independent halves.',
  },
  bandwidth: {
    kind: 'choice',
    choices: ['median', 'pairwise'],
    default: 'median',
    description: "Width of the kernel over values: their median, as Xplique, or two values' median distance.",
  },
  budget: limitOptions.budget,
  ...seedOption,
} as const
export type HsicOptions = Given<typeof hsicOptions>

/**
 * HSIC attribution: how much the target depends on whether each cell of a grid is there. Scores are unsigned: a cell that
 * suppresses the target ranks as high as one that supports it, which costs Deletion dearly where there is such evidence.
 *
 * Source: Novello, Fel and Vigouroux, "Making sense of dependence: efficient black-box explanations using dependence
 * measures" (2022), in the form of Xplique 2.0; its product over cells is shortened exactly.
 */
export class Hsic extends PerturbationMethod {
  readonly options: Resolved<typeof hsicOptions>
  constructor(model: Explainable, options: HsicOptions = {}) {
    super(model)
    this.options = resolveOptions(hsicOptions, options)
  }
  override identity(): MethodIdentity {
    const { seed, ...options } = this.options
    const said = Object.entries(options).filter(([, value]) => value !== undefined)
    return { name: 'Hsic', options: Object.fromEntries(said), seed }
  }
  protected override absenceOf(): Absence {
    return this.options.absence
  }
  protected override get limits() {
    return { budget: this.options.budget }
  }
  protected override regionsFor({ isPicture }: CutInput): RegionsOption | undefined {
    return isPicture ? { kind: 'grid', rows: this.options.grid } : undefined
  }
  protected override perturb(example: RegionInput): Perturbation {
    const { samples, sampling, bandwidth, seed, grid } = this.options
    const players = example.regions.count
    const draw = (sample: number) => {
      const isIn = (player: number): boolean => share(player) > 0.5
      const stream = new RandomStream(seed, 0, sample)
      const numbers =
        sampling === 'sobol'
          ? // The first point is all zeros, and so is the second one when it is rounded.
            sobolPoint(sample + 1, players)
          : Float64Array.from({ length: players }, () => stream.uniform())
      const share = (player: number) => numbers[player]!
      return coalitionOf(players, Array.from({ length: players }, (_, player) => player).filter(isIn))
    }
    return {
      player: new HsicPlayer({ players, samples, bandwidth, draw }),
      present: result => gridScores(example, grid, result.scores),
    }
  }
}
