import { placesOf, spread } from '../../games/maskedBlackBox.js'
import { type InputMoments, LimePlayer } from '../../games/samplers/lime.js'
import type { Explainable } from '../../model/explainable.js'
import type { Absence } from './absence.js'
import type { Perturbation } from './perturbationMethod.js'
import type { RegionInput } from './regionInput.js'
import {
  limitOptions,
  RegionMethod,
  type RegionMethodOptions,
  seedOption,
  sharedRegionOptions,
} from './regionMethod.js'

const presets = {
  xplique: { samples: 150, surrogate: 'ridge', penalty: 2, distance: 'euclidean', kernelWidth: 45 },
  captum: { samples: 25, surrogate: 'lasso', penalty: 0.01, distance: 'cosine', kernelWidth: 1 },
} as const

export const limeOptions = {
  ...sharedRegionOptions,
  preset: {
    kind: 'choice',
    choices: ['xplique', 'captum'],
    default: 'xplique',
    description:
      'Whose LIME: xplique (ridge of 2, Euclidean distance, exp(-D²/45²), 150 samples, grey in pictures) or captum (lasso of 0.01, cosine distance, exp(-D²/2), 25 samples, zero).',
  },
  samples: {
    kind: 'integer',
    default: undefined as number | undefined,
    minimum: 1,
    maximum: 10_000_000,
    description: 'Masked inputs; default as the preset.',
  },
  penalty: {
    kind: 'number',
    default: undefined as number | undefined,
    minimum: 0,
    description: 'Of the surrogate; default as the preset.',
  },
  kernelWidth: {
    kind: 'number',
    default: undefined as number | undefined,
    minimum: 0,
    exclusive: true,
    description: 'How far from the input a masked one still counts; default as the preset.',
  },
  budget: limitOptions.budget,
  ...seedOption,
} as const
export type LimeOptions = RegionMethodOptions<typeof limeOptions>

/**
 * LIME: coefficients of a linear surrogate, fitted to the target under random masks that are weighted by how near the
 * masked input is. Neither form in use is canonical; both are there by name.
 *
 * Source: Ribeiro, Singh and Guestrin, "Why should I trust you?" (2016); presets after Xplique 2.0 and Captum.
 */
export class Lime extends RegionMethod<typeof limeOptions> {
  protected readonly name = 'Lime'
  constructor(model: Explainable, options: LimeOptions = {}) {
    super(model, limeOptions, options)
  }
  protected override absenceOf(example: RegionInput): Absence {
    const { absence, preset } = this.options
    if (absence !== 'auto') return absence
    const isPicture = example.prepared.pictureInput === example.input
    return preset === 'xplique' && isPicture ? 'grey' : 'zero'
  }
  protected override perturb(example: RegionInput): Perturbation {
    const { preset, samples, penalty, kernelWidth, seed } = this.options
    const chosen = presets[preset]
    const player = new LimePlayer({
      players: example.regions.count,
      samples: samples ?? chosen.samples,
      surrogate: chosen.surrogate,
      penalty: penalty ?? chosen.penalty,
      distance: chosen.distance,
      kernel: preset,
      kernelWidth: kernelWidth ?? chosen.kernelWidth,
      seed,
      moments: momentsOf(example),
    })
    return { player }
  }
}

/** Sums over each region's elements, of which distances of masked inputs follow. */
function momentsOf({ prepared, input, axes, regions, item }: RegionInput): InputMoments {
  const tensor = prepared.tensors[input]!
  const places = placesOf(tensor.shape, axes)
  const absent = spread(item.baseline, tensor, input)
  const [own, mixed, baseline] = [0, 1, 2].map(() => new Float64Array(regions.count)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  for (let at = 0; at < places.length; at++) {
    const region = regions.labels[places[at]!]!
    const [x, b] = [Number(tensor.data[at]), Number(absent[at])]
    own[region]! += x * x
    mixed[region]! += x * b
    baseline[region]! += b * b
  }
  return { own, mixed, baseline }
}
