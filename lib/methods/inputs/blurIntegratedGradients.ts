import { AscribeError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import type { ExplainedValues } from './explainedValues.js'
import { gaussianBlur } from './gaussianBlur.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import type { Pass, PassParts } from './pass.js'
import { quadrature, quadratureRules } from './quadrature.js'

export const blurIntegratedGradientsOptions = {
  steps: {
    kind: 'integer',
    default: 100,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Points on the path from the blurred picture to the sharp one.',
  },
  maximumSigma: {
    kind: 'number',
    default: 50,
    minimum: 0,
    exclusive: true,
    maximum: 10_000,
    description: 'Width of the Gaussian, in pixels, at which the path begins.',
  },
  rule: {
    kind: 'choice',
    choices: quadratureRules,
    default: 'gausslegendre',
    description: 'Quadrature along the path, even in sigma.',
  },
} as const

export type BlurIntegratedGradientsOptions = Given<typeof blurIntegratedGradientsOptions>

const layoutOf = ({ units, tensors }: ExplainedValues, name: string) => {
  const unit = units[name]!
  if (unit.kind === 'grid' && (unit.layout === 'NCHW' || unit.layout === 'NHWC'))
    return { isChannelLast: unit.layout === 'NHWC', height: unit.height, width: unit.width }
  const { shape } = tensors[name]!
  if (shape.length === 4) return { isChannelLast: false, height: shape[2]!, width: shape[3]! }
  throw new AscribeError(
    'MODEL_CAPABILITY',
    `"${name}" of shape [${shape.join(', ')}] holds no pictures or maps that could be blurred`,
    { hint: 'IntegratedGradients takes inputs of any shape.' },
  )
}

/**
 * Blur integrated gradients: the path from a blurred picture to the picture itself, along which the width of a Gaussian
 * goes to 0; there is no baseline of its own. The gradient at each point times what the point changes by, summed.
 *
 * Scores have the shape of the input and add up to f(x) - f(x blurred most) up to the error of the quadrature, which the
 * result carries as `checks.completeness`. Blurring and its exact derivative in the width are part of the compiled pass;
 * beyond the edges there are zeros. Costs `steps` forward and backward passes.
 *
 * Source: Xu, Venugopalan and Sundararajan, "Attribution in scale and space" (CVPR 2020), equation 4; steps and greatest
 * width are those of the authors' software, which takes left sums and differences.
 *
 * @throws AscribeError MODEL_CAPABILITY where what is explained holds no pictures or maps.
 */
export class BlurIntegratedGradients extends GradientMethod {
  readonly options: Resolved<typeof blurIntegratedGradientsOptions>

  constructor(model: Model, options: BlurIntegratedGradientsOptions = {}) {
    super(model)
    this.options = resolveOptions(blurIntegratedGradientsOptions, options)
    quadrature(this.options.rule, this.options.steps)
  }
  protected override get complete(): boolean {
    return true
  }
  override recipe(): Recipe {
    const { steps, maximumSigma, rule } = this.options
    const { points, weights } = quadrature(rule, steps)
    return {
      quantity: 'gradient',
      points: new Float64Array(points.length).fill(1),
      // Sharper is nearer to the input.
      weights: weights.map(weight => -maximumSigma * weight),
      samples: 1,
      statistic: 'mean',
      seed: 0,
      pass: this.#pass(points.map(point => maximumSigma * point)),
    }
  }
  #pass(sigmas: Float64Array): Pass {
    const { maximumSigma } = this.options
    const blurred = ({ builder, explained, values, position }: PassParts) =>
      values.map((value, at) =>
        gaussianBlur(builder, value, position!, maximumSigma, layoutOf(explained, explained.names[at]!)),
      )
    return {
      name: `BlurIntegratedGradients ${maximumSigma}`,
      positions: { values: sigmas, atInput: [0], atBaseline: [maximumSigma] },
      seen: parts => blurred(parts).map(({ value }) => value),
      outputs: parts => {
        const gradients = parts.gradients(parts.seen)
        return blurred(parts).map(({ slope }, at) => ({
          name: parts.explained.names[at]!,
          value: parts.builder.apply('mul', [gradients[at]!, slope]),
        }))
      },
    }
  }
  override identity(): MethodIdentity {
    return { name: 'BlurIntegratedGradients', options: this.options }
  }
}
