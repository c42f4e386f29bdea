import { AscribeError } from '../errors.js'
import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import { pointingGame, relevanceMass, relevanceRank } from './localisation.js'
import { MapMetric } from './mapMetric.js'
import type { Judged } from './metric.js'

export const localisationOptions = {
  part: {
    kind: 'choice',
    choices: ['absolute', 'positive', 'signed'],
    default: 'absolute',
    description:
      'What counts: sizes of scores, what speaks for the target, or scores as they are (the mass then as Quantus has it).',
  },
  ties: {
    kind: 'choice',
    choices: ['share', 'any'],
    default: 'share',
    description:
      'Of equally strong places the share inside the mask, or a hit where any is, as Quantus has it.',
  },
} as const

export type LocalisationOptions = Given<typeof localisationOptions>

/**
 * Localisation: how much of a map lies inside the `mask` of its sample. Three values, 0 to 1, higher is better: `mass`, the
 * share of the attribution inside (relevance mass accuracy); `rank`, the share of the K strongest places inside, K the size
 * of the mask (relevance rank accuracy); `pointing`, whether the strongest place is inside (pointing game). Undefined
 * (NaN, counted) where a mask is empty; Quantus counts such a sample as a hit of the pointing game.
 *
 * @param options `part` (default `absolute`), `ties` (default `share`).
 * @throws AscribeError `INPUT_MISSING` for a sample without mask, `INPUT_SHAPE` for one of another size than the map
 * Source: Arras, Osman and Samek, "CLEVR-XAI" (2022), section 3.2; Zhang et al., "Top-down neural attention by excitation
 * backprop" (2018), section 4.3.
 */
export class Localisation extends MapMetric {
  protected readonly features = 'unit'
  protected override readonly shares = ['pointing']
  readonly options: Resolved<typeof localisationOptions>

  constructor(options: LocalisationOptions = {}) {
    super()
    this.options = resolveOptions(localisationOptions, options)
  }
  override identity(): MethodIdentity {
    return { name: 'Localisation', options: this.options }
  }
  protected override valuesOf(scores: Float64Array, { sample, index }: Judged): Record<string, number> {
    const { part, ties } = this.options
    const { mask } = sample
    if (mask === undefined)
      throw new AscribeError('INPUT_MISSING', `Sample ${index} has no mask to look for its map in`)
    const shown =
      part === 'signed'
        ? scores
        : scores.map(score => (part === 'absolute' ? Math.abs(score) : Math.max(score, 0)))
    return {
      mass: relevanceMass(scores, mask, part),
      rank: relevanceRank(shown, mask),
      pointing: pointingGame(shown, mask, { ties }),
    }
  }
}
