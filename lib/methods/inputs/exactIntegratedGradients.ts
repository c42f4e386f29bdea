import type { Model } from '../../model/model.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import { onePass } from './recipe.js'

export const exactIntegratedGradientsOptions = {
  maximumPieces: {
    kind: 'integer',
    default: 10_000,
    minimum: 1,
    maximum: 1_000_000_000,
    description: 'Linear pieces that the path may cross, at one gradient each.',
  },
} as const

export type ExactIntegratedGradientsOptions = Given<typeof exactIntegratedGradientsOptions>

/** Parts of the path that are walked side by side. */
const segments = 8

/**
 * Integrated gradients without a quadrature, for networks that are linear in pieces (ReLU and its relatives, maxima,
 * absolute values): the path is walked from kink to kink, and every piece counts with its length.
 *
 * Scores have the shape of the input and add up to f(x) - f(x') to the rounding of a double; the model is computed in
 * double precision. Costs one forward and backward pass, and one derivative along the path, for each piece: for small
 * networks. Inputs are explained one by one.
 *
 * Source: the definition of Sundararajan, Taly and Yan (ICML 2017), equation 1.
 *
 * @throws AscribeError MODEL_CAPABILITY for a model that is not linear in pieces, naming the nodes; OPTION_RANGE where
 *   the path crosses more pieces than `maximumPieces`.
 */
export class ExactIntegratedGradients extends GradientMethod {
  readonly options: Resolved<typeof exactIntegratedGradientsOptions>

  constructor(model: Model, options: ExactIntegratedGradientsOptions = {}) {
    super(model)
    this.options = resolveOptions(exactIntegratedGradientsOptions, options)
  }
  protected override get isOneByOne(): boolean {
    return true
  }
  override recipe(): Recipe {
    const { maximumPieces } = this.options
    return { ...onePass('integrated'), walk: { kind: 'pieces', segments, maximumPieces }, precision: 'f64' }
  }
  override identity(): MethodIdentity {
    return { name: 'ExactIntegratedGradients', options: this.options }
  }
}
