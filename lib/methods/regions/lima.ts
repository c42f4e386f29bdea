import { AscribeError } from '../../errors.js'
import type { Explainable } from '../../model/explainable.js'
import { expectObject, rangeError } from '../../validate.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import type { SearchResult } from './greedySearch.js'
import type { RegionsGiven } from './regionOptions.js'
import { RegionSearchMethod, type SearchSettings } from './regionSearchMethod.js'
import { jumpScores, rankScores } from './searchMap.js'
import { searchOptions, weightOptions } from './searchOptions.js'

export const limaOptions = {
  ...weightOptions(20, 5, 0.01),
  effectiveness: {
    kind: 'number',
    default: undefined as number | undefined,
    minimum: 0,
    description:
      'Weight of how different the regions of a set are: 0.05 where features are named, else left out.',
  },
  pending: {
    kind: 'integer',
    default: 8,
    minimum: 1,
    description:
      'Candidates of which the least important one is taken from the other end in each step, at least 2; from as many as there are regions on, the search is the naive greedy one.',
  },
  pendingRate: {
    kind: 'number',
    default: undefined as number | undefined,
    minimum: 0,
    maximum: 1,
    description: 'Pending candidates as a share of the regions, in place of their number.',
  },
  ...searchOptions,
  stopAfter: {
    kind: 'integer',
    default: undefined as number | undefined,
    minimum: 1,
    description: 'Stop once so many regions are chosen. Changes the result.',
  },
  map: {
    kind: 'choice',
    choices: ['jumps', 'rank'],
    default: 'jumps',
    description: 'Scores of regions: steps of the curves along the order, or n less the place.',
  },
} as const

export type LimaOptions = Omit<Given<typeof limaOptions>, 'regions'> & {
  /** How the input is cut: a kind, a kind with its options, or regions at hand. Default SLICO for pictures. */
  regions?: RegionsGiven | undefined
}

/**
 * LiMA: the smallest set of regions that keeps a decision, by a greedy search from both ends of the order, with forward
 * passes alone. Works where gradients are poor or absent, and shows what misled a model ({@link explainError}).
 *
 * Each region of the input is kept, or set to the baseline (black in pictures, 0 in tensors). The set function is
 * 20 consistency + 5 collaboration + 0.01 confidence (+ 0.05 effectiveness where `features` names a value): probability
 * of the class of what a set shows, 1 less that of what remains, 1 less the normalised entropy, and how different the
 * features of its regions are. It is not submodular: the greedy order has no bound. Scores run from 0 to 1; the order,
 * the insertion and deletion curves and their areas are in `method.details`. n regions cost about 0.65 n (n + 1)
 * evaluations at n = 49.
 *
 * Source: arXiv 2504.00470 and its code (the "V2" search); the weights of the paper's tables are [unconfirmed].
 *
 * @example
 * const attribution = await new Lima(model, { regions: { kind: 'slico', count: 64 } }).attribute(image, { target: 'cat' })
 */
export class Lima extends RegionSearchMethod {
  readonly options: Omit<Resolved<typeof limaOptions>, 'regions'> & { regions: RegionsGiven }

  /** @throws AscribeError `OPTION_*`; `MODEL_CAPABILITY` where effectiveness counts and no features are named. */
  constructor(model: Explainable, options: LimaOptions = {}) {
    super(model)
    expectObject('options', options)
    const { regions, ...rest } = options
    const resolved = resolveOptions(limaOptions, typeof regions === 'object' ? rest : { ...options })
    this.options = { ...resolved, regions: typeof regions === 'object' ? regions : resolved.regions }
    const { consistency, collaboration, confidence, effectiveness, features } = resolved
    if (effectiveness !== undefined && effectiveness > 0 && features === undefined)
      throw new AscribeError('MODEL_CAPABILITY', 'Effectiveness counts, and no features are named', {
        hint: 'Name the value before the classifier as `features` (model.layers() lists them), or leave it out.',
      })
    if (consistency + collaboration + confidence + (effectiveness ?? 0) === 0)
      throw new AscribeError('OPTION_RANGE', 'All weights are 0, so that every order is as good')
    if (resolved.pending < 2) throw rangeError('pending', 'at least 2', resolved.pending)
  }

  override identity(): MethodIdentity {
    return { name: 'Lima', options: describeOptions(this.options) }
  }

  protected override settings(): SearchSettings {
    const { consistency, collaboration, confidence, effectiveness, features, ...others } = this.options
    const spread = effectiveness ?? (features === undefined ? 0 : 0.05)
    return {
      weights: { consistency, collaboration, confidence, effectiveness: spread },
      pending: players =>
        others.pendingRate === undefined
          ? others.pending
          : Math.max(2, Math.ceil(players * others.pendingRate)),
      features: spread === 0 ? undefined : features,
      evidence: undefined,
      form: 'probability',
      softmax: others.softmax,
      limit: others.stopAfter,
      goal: others.goal,
      pipelined: others.pipelined,
      regions: others.regions,
      regionCount: others.regionCount,
      budget: others.budget,
      precision: others.precision,
      notices: [],
    }
  }

  protected override scores(result: SearchResult): Float64Array {
    return this.options.map === 'rank' ? rankScores(result) : jumpScores(result)
  }
}

/** Options as results hold them: what is off is left out, and regions at hand are told by their kind. */
export function describeOptions(options: object): object {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) => {
      if (value === undefined) return []
      if (typeof value !== 'object') return [[name, value]]
      const plain = Object.entries(value).filter(([, each]) => typeof each !== 'object')
      return [[name, Object.fromEntries(plain)]]
    }),
  )
}
