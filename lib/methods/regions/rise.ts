import type { Units } from '../../attribution/units.js'
import { type Coalition, coalitionOf, isMember } from '../../games/coalition.js'
import { RandomStream } from '../../games/randomStream.js'
import { RisePlayer } from '../../games/samplers/rise.js'
import { RiseMasks } from '../../games/samplers/riseMasks.js'
import type { Explainable } from '../../model/explainable.js'
import type { RegionsOption } from '../../regions/makeRegions.js'
import { rangeError } from '../../validate.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { type Absence, absenceOption } from './absence.js'
import { type Perturbation, PerturbationMethod } from './perturbationMethod.js'
import { type CutInput, type RegionInput, spreadScores } from './regionInput.js'
import { limitOptions, seedOption } from './regionMethod.js'

export const riseOptions = {
  ...absenceOption,
  samples: {
    kind: 'integer',
    default: 4000,
    minimum: 1,
    maximum: 10_000_000,
    description: 'Masks, each a pass.',
  },
  cells: {
    kind: 'integer',
    default: 7,
    minimum: 2,
    maximum: 64,
    description: 'Along each side of the small grid that masks of a picture are enlarged from.',
  },
  keep: {
    kind: 'number',
    default: 0.5,
    minimum: 0,
    exclusive: true,
    maximum: 1,
    description: 'Probability that a cell is kept.',
  },
  normalization: {
    kind: 'choice',
    choices: ['mask', 'expected', 'centred'],
    default: 'mask',
    description:
      'What sums of masks are divided by: the masks at the place, as Xplique (less noise), or what is expected of them, as the paper. Both are means of the target, nearly the same everywhere; centred is the first less the mean under all masks, a signed map that can be seen.',
  },
  ...limitOptions,
  ...seedOption,
} as const
export type RiseOptions = Given<typeof riseOptions>

/**
 * RISE: the mean of smooth random masks, weighted with the target's value under each. Each mask has a place of its own;
 * its enlargement is bilinear with half-pixel centres, as Xplique's. What is no picture has one random bit a region.
 *
 * Source: Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box models" (2018).
 */
export class Rise extends PerturbationMethod {
  readonly options: Resolved<typeof riseOptions>
  constructor(model: Explainable, options: RiseOptions = {}) {
    super(model)
    this.options = resolveOptions(riseOptions, options)
    if (this.options.keep >= 1) throw rangeError('keep', 'a number between 0 and 1', this.options.keep)
  }
  override identity(): MethodIdentity {
    const { seed, ...options } = this.options
    const said = Object.entries(options).filter(([, value]) => value !== undefined)
    return { name: 'Rise', options: Object.fromEntries(said), seed }
  }
  protected override absenceOf(): Absence {
    return this.options.absence
  }
  protected override get limits() {
    const { budget, tolerance } = this.options
    return { budget, tolerance }
  }
  protected override regionsFor({ isPicture }: CutInput): RegionsOption | undefined {
    return isPicture ? { kind: 'grid', rows: 1 } : undefined
  }
  protected override perturb(example: RegionInput): Perturbation {
    const { samples, keep, normalization, cells, seed } = this.options
    const units = example.prepared.units[example.input]!
    if (units.kind !== 'grid') {
      const { count } = example.regions
      const draw = (sample: number): Coalition => {
        const stream = new RandomStream(seed, 0, sample)
        const players = Array.from({ length: count }, (_, player) => player)
        return coalitionOf(
          count,
          players.filter(() => stream.uniform() < keep),
        )
      }
      const render = (coalition: Coalition) =>
        Uint8Array.from({ length: count }, (_, player) => (isMember(coalition, player) ? 1 : 0))
      return {
        player: new RisePlayer({ samples, places: count, keep, normalization, draw, render }),
        present: result => spreadScores(example, result.scores),
      }
    }
    const { height, width } = units
    const masks = new RiseMasks(height, width, cells, keep, seed)
    const render = (coalition: Coalition) => masks.render(coalition)
    const draw = (sample: number) => masks.draw(sample)
    const shown: Units = { ...units, layout: 'HW', channels: 1 }
    return {
      players: masks.players,
      memoEntries: 0,
      player: new RisePlayer({ samples, places: height * width, keep, normalization, draw, render }),
      render,
      present: result => ({ units: shown, data: Float32Array.from(result.scores) }),
    }
  }
}
