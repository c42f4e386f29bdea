import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import type { Model } from '../model/model.js'
import { type BaselineOption, FaithfulnessMetric, withoutBaseline } from './faithfulnessMetric.js'
import type { FeatureKind } from './features.js'
import { infidelityPerturbations, linearCopies } from './infidelityPerturbations.js'
import type { Perturbation } from './perturbation.js'
import type { CopyScores } from './perturbedRuns.js'
import { overScores } from './ranking.js'
import type { SampleResult } from './result.js'
import { seedOption } from './seedOption.js'
import type { Subject } from './subject.js'

export const infidelityOptions = {
  perturbation: {
    kind: 'choice',
    choices: infidelityPerturbations,
    default: 'mask',
    description:
      'What is done to the input: random units removed, every subset of them (16 at most), Gaussian noise, a square or each patch of a picture removed; cumulativePatches leaves patches removed, as Quantus does.',
  },
  samples: {
    kind: 'integer',
    default: 10,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Perturbations that are drawn (mask, gaussian, square).',
  },
  removed: {
    kind: 'number',
    default: 0.5,
    minimum: 0,
    exclusive: true,
    maximum: 1,
    description: 'Probability with which mask removes each unit.',
  },
  sigma: {
    kind: 'number',
    default: 0.2,
    minimum: 0,
    exclusive: true,
    description: 'Standard deviation of the Gaussian noise, in model space.',
  },
  size: {
    kind: 'integer',
    default: 4,
    minimum: 1,
    description: 'Side of a square or patch, in pixels.',
  },
  multiplyByInputs: {
    kind: 'boolean',
    default: true,
    description:
      'Scores are contributions (IntegratedGradients, DeepLift, InputXGradient); off where they are slopes (gradients).',
  },
  normalise: {
    kind: 'boolean',
    default: false,
    description: 'Scale each map by the factor that fits best first, so that only its direction counts.',
  },
  ...seedOption,
} as const

export type InfidelityOptions = Given<typeof infidelityOptions> & BaselineOption

/**
 * Infidelity: the mean squared difference between what a map says a perturbation changes and what it changes,
 * (sum I * phi - (f(x) - f(x - I)))^2. Lower is better; in squared units of the score.
 *
 * Values by form of the score (`logit` and `probability` of a class, else `score`). Slopes need a score for each number of
 * the input; contributions of removed units are added up. The source leaves the perturbation to the user; which kinds
 * there are and their sizes are this library's choice, `patches` after Quantus (there with slopes and baseline
 * `minimum`), whose own course, in which patches stay removed, is `cumulativePatches`. One forward pass for each
 * perturbation, and one.
 *
 * @param options `perturbation`, `samples` (default 10), `removed`, `sigma`, `size`, `multiplyByInputs`, `normalise`,
 *   `seed`, `baseline` (default 0).
 * @throws AscribeError `OPTION_RANGE`, `INPUT_SHAPE` for squares on what is no picture
 * Source: Yeh et al., "On the (in)fidelity and sensitivity of explanations" (NeurIPS 2019), definition 2.1; conventions
 * as Captum has them.
 */
export class Infidelity extends FaithfulnessMetric<Perturbation> {
  readonly options: Resolved<typeof infidelityOptions>

  constructor(model: Model, options: InfidelityOptions = {}) {
    super(model, options.baseline ?? 0)
    this.options = resolveOptions(infidelityOptions, withoutBaseline(options))
  }
  /** Slopes and noise belong to numbers, removed contributions to units. */
  protected override get features(): FeatureKind {
    const { multiplyByInputs, perturbation } = this.options
    return multiplyByInputs && perturbation !== 'gaussian' ? 'unit' : 'element'
  }
  override identity(): MethodIdentity {
    const { seed, ...options } = this.options
    return { name: 'Infidelity', options, seed }
  }
  protected override perturb(subject: Subject): Perturbation {
    return linearCopies(subject, this.options)
  }
  protected override reduce(
    _: Subject,
    scores: CopyScores,
    perturbation: Perturbation,
  ): Omit<SampleResult, 'index' | 'id'> {
    // The first copy is the input itself.
    const said = perturbation.said!.subarray(1)
    return {
      values: overScores(scores, values => {
        const found = Float64Array.from(values.subarray(1), left => values[0]! - left)
        const [products, squares] = [dot(said, found), dot(said, said)]
        const factor = this.options.normalise && squares > 0 ? products / squares : 1
        return found.reduce((sum, change, at) => sum + (factor * said[at]! - change) ** 2, 0) / found.length
      }),
    }
  }
}

const dot = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, value, at) => sum + value * b[at]!, 0)
