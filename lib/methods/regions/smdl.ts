import { AscribeError } from '../../errors.js'
import type { Explainable } from '../../model/explainable.js'
import { Model } from '../../model/model.js'
import { expectObject, typeError } from '../../validate.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import type { SearchResult } from './greedySearch.js'
import { describeOptions } from './lima.js'
import type { RegionsGiven } from './regionOptions.js'
import { RegionSearchMethod, type SearchSettings } from './regionSearchMethod.js'
import { rankScores } from './searchMap.js'
import { searchOptions, weightOptions } from './searchOptions.js'

export const smdlOptions = {
  ...weightOptions(1, 1, 1),
  effectiveness: {
    kind: 'number',
    default: 1,
    minimum: 0,
    description: 'Weight of how different the regions of a set are. Needs features.',
  },
  ...searchOptions,
  count: {
    kind: 'integer',
    default: undefined as number | undefined,
    minimum: 1,
    description: 'Regions to select (k); default all.',
  },
  parts: {
    kind: 'integer',
    default: 1,
    minimum: 1,
    description:
      'Random parts into which regions are split: the search first chooses `count` in each, then among those. Changes the result; needs `count`; what a part chooses is [unconfirmed].',
  },
  seed: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Of the parts.',
  },
  evidence: {
    kind: 'text',
    default: undefined as string | undefined,
    description:
      'Name of the value whose rows are outputs of an evidential head: confidence is then 1 less its uncertainty.',
  },
  strict: {
    kind: 'boolean',
    default: false,
    description: 'Refuse to take entropy for confidence where no evidential outputs are given.',
  },
  form: {
    kind: 'choice',
    choices: ['probability', 'cosine'],
    default: 'probability',
    description:
      'Consistency and collaboration: the probability of the class, as the code has it, or the cosine to the feature of the whole, as a review tells of the paper [unconfirmed].',
  },
} as const

export type SmdlOptions = Omit<Given<typeof smdlOptions>, 'regions'> & {
  /** How the input is cut: a kind, a kind with its options, or regions at hand. Default SLICO for pictures. */
  regions?: RegionsGiven | undefined
  /**
   * A model whose first output is evidential. It sees the same sets, through its own preprocessing. What it shares with the
   * classifier (both composed from one model) is computed once.
   */
  evidential?: Model | undefined
}

/**
 * SMDL: the few regions that best explain a decision, by greedy selection from one end.
 *
 * The set function is confidence + effectiveness + consistency + collaboration, of equal weights: 1 less the uncertainty
 * K / sum(exp(o) + 1) of an evidential head (without one, 1 less the normalised entropy, and the result says so); how
 * different the features of the regions are (`features` names them); the probability of the class of what the set
 * shows; and 1 less that of what remains. It always adds regions, also where the set function falls, and is not
 * submodular: the bound of the greedy order that its paper gives does not hold. Scores are n - t for the region at place
 * t and 0 for regions that were not selected. All of n regions cost n (n + 1) evaluations.
 *
 * Source: arXiv 2402.09164 (ICLR 2024) and its code.
 */
export class Smdl extends RegionSearchMethod {
  readonly options: Omit<Resolved<typeof smdlOptions>, 'regions'> & { regions: RegionsGiven }
  readonly evidential: Model | undefined

  /** @throws AscribeError `OPTION_*`; `MODEL_CAPABILITY` where features or (strict) evidential outputs are missing. */
  constructor(model: Explainable, options: SmdlOptions = {}) {
    super(model)
    expectObject('options', options)
    const { regions, evidential, ...rest } = options
    const given = typeof regions === 'object' ? rest : { ...rest, regions }
    const resolved = resolveOptions(smdlOptions, given)
    if (evidential !== undefined && !(evidential instanceof Model))
      throw typeError('evidential', 'a model', evidential)
    if (evidential !== undefined && resolved.evidence !== undefined)
      throw new AscribeError('OPTION_RANGE', 'Give `evidence` or `evidential`, not both')
    this.evidential = evidential
    this.options = { ...resolved, regions: typeof regions === 'object' ? regions : resolved.regions }
    if (resolved.parts > 1 && resolved.count === undefined)
      throw new AscribeError('OPTION_RANGE', '`parts` needs `count`: how many regions each part chooses')
    const { consistency, collaboration, confidence, effectiveness, features, form } = resolved
    if ((effectiveness > 0 || form === 'cosine') && features === undefined)
      throw new AscribeError(
        'MODEL_CAPABILITY',
        `${form === 'cosine' ? 'The cosine form needs' : 'Effectiveness counts and needs'} features, and none are named`,
        {
          hint: 'Name the value before the classifier as `features` (model.layers() lists them), or give effectiveness the weight 0.',
        },
      )
    if (consistency + collaboration + confidence + effectiveness === 0)
      throw new AscribeError('OPTION_RANGE', 'All weights are 0, so that every order is as good')
    if (resolved.strict && confidence > 0 && this.#confidenceForm() === 'entropy')
      throw new AscribeError('MODEL_CAPABILITY', 'Confidence counts, and no evidential outputs are given', {
        hint: 'Name them as `evidence`, give a model as `evidential`, or set confidence to 0.',
      })
  }

  #confidenceForm(): 'evidential' | 'entropy' {
    return this.evidential === undefined && this.options.evidence === undefined ? 'entropy' : 'evidential'
  }

  override identity(): MethodIdentity {
    const evidential = this.evidential === undefined ? {} : { evidential: this.evidential.name }
    return {
      name: 'Smdl',
      options: { ...describeOptions(this.options), ...evidential, confidenceForm: this.#confidenceForm() },
    }
  }

  protected override settings(): SearchSettings {
    const { consistency, collaboration, confidence, effectiveness, features, ...others } = this.options
    const usesEvidence = confidence > 0
    return {
      weights: { consistency, collaboration, confidence, effectiveness },
      pending: () => Number.POSITIVE_INFINITY,
      features: effectiveness > 0 || others.form === 'cosine' ? features : undefined,
      evidence: usesEvidence ? others.evidence : undefined,
      evidential: usesEvidence ? this.evidential : undefined,
      form: others.form,
      softmax: others.softmax,
      limit: others.count,
      parts: others.parts > 1 ? { count: others.parts, seed: others.seed } : undefined,
      goal: others.goal,
      pipelined: others.pipelined,
      regions: others.regions,
      regionCount: others.regionCount,
      budget: others.budget,
      precision: others.precision,
      notices:
        usesEvidence && this.#confidenceForm() === 'entropy'
          ? [
              {
                code: 'CONFIDENCE_ENTROPY',
                message: 'No evidential outputs were given, so confidence is 1 less the normalised entropy.',
              },
            ]
          : [],
    }
  }

  protected override scores(result: SearchResult): Float64Array {
    return rankScores(result)
  }
}
