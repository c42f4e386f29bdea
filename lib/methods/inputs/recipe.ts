import type { EnsembleRequest, EnsembleResult } from '#typings/addon.js'
import type { RuleSet } from '../../graph/ruleSet.js'
import type { Pass } from './pass.js'

/** What differs between samples that each have a baseline of their own, out of `rows`. */
export interface Draws {
  /** The row of each sample. */
  readonly baselines: Float64Array
  /** Where each stands on its path; default: the recipe's points. */
  readonly points?: Float64Array
}

/** A path that each step decides on anew, and that another native loop walks. */
export type Walk =
  | {
      readonly kind: 'guided'
      readonly steps: number
      readonly fraction: number
      readonly maximumDistance: number
      readonly rule: 'trapezoid' | 'left'
    }
  | { readonly kind: 'pieces'; readonly segments: number; readonly maximumPieces: number }

/** The numbers of one run that the native loop needs and the method decides. */
export interface Recipe {
  quantity: EnsembleRequest['quantity']
  points: Float64Array
  weights: Float64Array
  samples: number
  statistic: EnsembleRequest['statistic']
  seed: number
  noise?: { sigma: number } | { fractionOfRange: number }
  /** Another rule set than the true derivative. */
  rules?: RuleSet
  /** What is summed, where that is not the gradient. */
  pass?: Pass
  /** For methods that take several baselines: which sample starts from which. `samples` is then what this says. */
  draws?: (rows: number) => Draws
  walk?: Walk
  /** 'f64' for what must be exact: the reference kernels. */
  precision?: 'f64'
}

/** Runs the native loop, perhaps more than once (tolerance). */
export type Ensemble = (
  run: (recipe: Recipe) => Promise<EnsembleResult>,
) => Promise<{ result: EnsembleResult; details?: Record<string, number> }>

/** Whether the plan is run at the input itself and nowhere else. */
export function looksOnce({ quantity, points, samples, noise, rules, pass, draws, walk }: Recipe): boolean {
  const isPlain = noise === undefined && draws === undefined && walk === undefined
  const isAtInput = points.length === 1 && points[0] === 1 && samples === 1 && pass?.positions === undefined
  const hasBaseline = ['integrated', 'importantDirection'].includes(quantity) || pass?.readsBaselines
  return isPlain && isAtInput && !hasBaseline && !rules?.compares
}

/** The recipe of a method that looks at the input itself, once: no path, no noise. */
export const onePass = (quantity: Recipe['quantity'], more: Pick<Recipe, 'rules' | 'pass'> = {}): Recipe => ({
  quantity,
  points: Float64Array.of(1),
  weights: Float64Array.of(1),
  samples: 1,
  statistic: 'mean',
  seed: 0,
  ...more,
})
