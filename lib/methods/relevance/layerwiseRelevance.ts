import { AscribeError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import { typeError } from '../../validate.js'
import { GradientMethod, type MethodIdentity, type Recipe } from '../inputs/gradientMethod.js'
import { onePass } from '../inputs/recipe.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'

/** What a preset says of the first layer with weights, of convolutions and of matrix products. */
const presets = {
  epsilon: { first: 'same', convolution: 'epsilon', dense: 'epsilon' },
  gamma: { first: 'same', convolution: 'gamma', dense: 'gamma' },
  alphaBeta: { first: 'same', convolution: 'alphaBeta', dense: 'alphaBeta' },
  zPlus: { first: 'same', convolution: 'zPlus', dense: 'zPlus' },
  captumAlpha1Beta0: { first: 'same', convolution: 'captumAlpha1Beta0', dense: 'captumAlpha1Beta0' },
  wSquare: { first: 'same', convolution: 'wSquare', dense: 'wSquare' },
  flat: { first: 'same', convolution: 'flat', dense: 'flat' },
  epsilonPlusFlat: { first: 'flat', convolution: 'zPlus', dense: 'epsilon' },
  epsilonAlphaBetaFlat: { first: 'flat', convolution: 'alphaBeta', dense: 'epsilon' },
  epsilonGammaBox: { first: 'box', convolution: 'gamma', dense: 'epsilon' },
} as const

export type RelevancePreset = keyof typeof presets

const rules = [
  'epsilon',
  'gamma',
  'alphaBeta',
  'zPlus',
  'captumAlpha1Beta0',
  'wSquare',
  'flat',
  'box',
] as const
const ruleOf = (layer: string) =>
  ({
    kind: 'choice',
    choices: ['preset', ...rules],
    default: 'preset',
    description: `The rule of ${layer}, where it is not the preset's.`,
  }) as const

export const layerwiseRelevanceOptions = {
  preset: {
    kind: 'choice',
    choices: Object.keys(presets) as RelevancePreset[],
    default: 'epsilon' as RelevancePreset,
    description: 'Which rule which layer follows.',
  },
  first: ruleOf('the first layer with weights'),
  convolution: ruleOf('convolutions'),
  dense: ruleOf('matrix products'),
  epsilon: {
    kind: 'number',
    default: 1e-9,
    minimum: 0,
    exclusive: true,
    description: 'What keeps denominators from zero, on the side on which they are.',
  },
  gamma: {
    kind: 'number',
    default: 0.25,
    minimum: 0,
    description: 'How much more positive weights count in the gamma rule.',
  },
  alpha: {
    kind: 'number',
    default: 2,
    minimum: 1,
    description: 'Weight of positive contributions; alpha - beta is 1.',
  },
  beta: { kind: 'number', default: 1, minimum: 0, description: 'Weight of negative contributions.' },
  bias: {
    kind: 'choice',
    choices: ['absorb', 'ignore', 'distribute'],
    default: 'absorb',
    description:
      "What becomes of a bias's share: lost with it, not counted at all, or spread in equal parts over the layer's inputs.",
  },
} as const

/** Bounds of the pixels of the first layer after preprocessing: one number, or one a channel. */
export interface PixelBounds {
  low?: number | readonly number[]
  high?: number | readonly number[]
}

export type LayerwiseRelevanceOptions = Given<typeof layerwiseRelevanceOptions> & PixelBounds

function boundOf(name: 'low' | 'high', given: number | readonly number[] | undefined): number[] {
  const values = given === undefined ? [] : typeof given === 'number' ? [given] : given
  if (!Array.isArray(values) || !values.every(value => typeof value === 'number' && Number.isFinite(value)))
    throw typeError(name, 'a number, or one for each channel', given)
  return [...values]
}

/**
 * Layer-wise relevance propagation. The target's value is handed back from layer to layer, and every layer shares what
 * it gets among its inputs in proportion to what they added. Scores have the shape of the input, and add up to the
 * target's value but for what biases absorb and what epsilon takes. One forward and one backward pass.
 *
 * Presets: `epsilon` (the input times the gradient, for networks of ReLUs), `gamma`, `alphaBeta`, `zPlus` (alpha 1,
 * beta 0), `wSquare` and `flat` in every layer; `captumAlpha1Beta0` as that library has it, negative weights dropped
 * and signed inputs and biases kept; and the composites of the overview, whose exact form is unconfirmed:
 * `epsilonPlusFlat` and `epsilonAlphaBetaFlat` (flat in the first layer, z⁺ or alpha-beta in convolutions, epsilon in
 * matrix products), `epsilonGammaBox` (the box rule in the first layer, for which `low` and `high` bound the pixels).
 *
 * Third parties claim patents on this technique in some countries. It is in no default and behind an import of its own
 * for that reason; whether you may use it is for you to find out.
 *
 * Sources: Bach et al. (PLoS ONE 2015), equations 56 to 60; Montavon et al., "Layer-wise relevance propagation: an
 * overview" (2019), tables 10.1 and 10.2.
 *
 * @throws AscribeError OPTION_RANGE where alpha - beta is not 1, or the box rule lacks its bounds.
 */
export class LayerwiseRelevance extends GradientMethod {
  readonly options: Resolved<typeof layerwiseRelevanceOptions>
  readonly #low: number[]
  readonly #high: number[]

  constructor(model: Model, options: LayerwiseRelevanceOptions = {}) {
    super(model)
    const { low, high, ...others } = options
    this.options = resolveOptions(layerwiseRelevanceOptions, others)
    this.#low = boundOf('low', low)
    this.#high = boundOf('high', high)
    const { alpha, beta } = this.options
    if (Math.abs(alpha - beta - 1) > 1e-9)
      throw new AscribeError('OPTION_RANGE', `alpha is ${alpha} and beta ${beta}; alpha - beta must be 1`)
    const isBox = Object.values(this.#rules()).includes('box')
    if (isBox && (this.#low.length === 0 || this.#high.length === 0))
      throw new AscribeError('OPTION_RANGE', 'The box rule needs low and high, the bounds of the pixels', {
        hint: 'For pixels from 0 to 1 normalised with mean and deviation these are (0 - mean) / deviation and (1 - mean) / deviation of each channel.',
      })
  }
  /** The preset's rules, and what was said otherwise. */
  #rules(): Record<'first' | 'convolution' | 'dense', string> {
    const { preset, first, convolution, dense } = this.options
    const given = Object.entries({ first, convolution, dense }).filter(([, rule]) => rule !== 'preset')
    return { ...presets[preset], ...Object.fromEntries(given) }
  }
  override recipe(): Recipe {
    const { preset: _, ...numbers } = this.options
    return onePass('gradient', {
      rules: {
        name: 'lrp',
        startsFromValue: true,
        options: { ...numbers, ...this.#rules(), low: this.#low, high: this.#high },
      },
    })
  }
  override identity(): MethodIdentity {
    const bounds = this.#low.length > 0 ? { low: this.#low, high: this.#high } : {}
    return { name: 'LayerwiseRelevance', options: { ...this.options, ...bounds } }
  }
}
