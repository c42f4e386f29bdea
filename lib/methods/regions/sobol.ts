import { designPlayers, SobolPlayer } from '../../games/samplers/sobol.js'
import { sobolEstimators } from '../../games/samplers/sobolIndices.js'
import { sobolPoint } from '../../games/sobolSequence.js'
import type { Explainable } from '../../model/explainable.js'
import type { RegionsOption } from '../../regions/makeRegions.js'
import { rangeError } from '../../validate.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { type Absence, absenceOption } from './absence.js'
import { gridScores } from './gridUnits.js'
import { type Perturbation, PerturbationMethod } from './perturbationMethod.js'
import type { CutInput, RegionInput } from './regionInput.js'
import { limitOptions } from './regionMethod.js'

export const sobolOptions = {
  ...absenceOption,
  grid: {
    kind: 'integer',
    default: 8,
    minimum: 1,
    maximum: 16,
    description: 'Cells along each side of a picture.',
  },
  samples: {
    kind: 'integer',
    default: 32,
    minimum: 2,
    maximum: 1 << 16,
    description: 'Rows of the design, a power of two; each costs a pass for every cell and one more.',
  },
  perturbation: {
    kind: 'choice',
    choices: ['inpainting', 'blurring', 'amplitude'],
    default: 'inpainting',
    description:
      'What a mask m does: mixes the input with absence, or with its blurred self, or multiplies it with (m - 0.5).',
  },
  estimator: {
    kind: 'choice',
    choices: sobolEstimators,
    default: 'jansen',
    description: 'How total-order indices are estimated.',
  },
  budget: limitOptions.budget,
} as const
export type SobolOptions = Given<typeof sobolOptions>

/**
 * Sobol attribution: the total-order index of each cell of a grid, how much of the target's variance under random masks
 * the cell takes part in. Scores are unsigned, as {@link Hsic}'s. The second design is never run alone, as no estimator
 * reads it: rows x (cells + 1) passes.
 *
 * Source: Fel et al., "Look at the variance! Efficient black-box explanations with Sobol-based sensitivity analysis"
 * (2021), in the form of Xplique 2.0.
 *
 * @throws AscribeError `OPTION_RANGE` where the samples are no power of two, or the input has more than 256 cells.
 */
export class Sobol extends PerturbationMethod {
  readonly options: Resolved<typeof sobolOptions>
  constructor(model: Explainable, options: SobolOptions = {}) {
    super(model)
    this.options = resolveOptions(sobolOptions, options)
    const { samples } = this.options
    if ((samples & (samples - 1)) !== 0) throw rangeError('samples', 'a power of two', samples)
  }
  override identity(): MethodIdentity {
    const said = Object.entries(this.options).filter(([, value]) => value !== undefined)
    return { name: 'Sobol', options: Object.fromEntries(said) }
  }
  protected override absenceOf(): Absence {
    const { perturbation, absence } = this.options
    if (perturbation === 'inpainting') return absence
    return perturbation === 'blurring' ? 'blur' : 'zero'
  }
  protected override get limits() {
    return { budget: this.options.budget }
  }
  protected override regionsFor({ isPicture }: CutInput): RegionsOption | undefined {
    return isPicture ? { kind: 'grid', rows: this.options.grid } : undefined
  }
  protected override perturb(example: RegionInput): Perturbation {
    const { samples, estimator, perturbation, grid } = this.options
    const { count, labels } = example.regions
    const points = new Map<number, Float64Array>()
    const pointOf = (row: number): Float64Array => {
      let point = points.get(row)
      if (point === undefined) {
        // The first point is all zeros, in both designs.
        point = sobolPoint(row + 1, 2 * count)
        points.clear()
        points.set(row, point)
      }
      return point
    }
    const shift = perturbation === 'amplitude' ? 0.5 : 0
    return {
      players: designPlayers,
      player: new SobolPlayer({ players: count, samples, estimator }),
      render: ([row, mixed]) => {
        const point = pointOf(row!)
        const cells = point.slice(0, count)
        if (mixed! > 0) cells[mixed! - 1] = point[count + mixed! - 1]!
        return Float32Array.from(labels, label => cells[label]! - shift)
      },
      present: result => gridScores(example, grid, result.scores),
    }
  }
}
