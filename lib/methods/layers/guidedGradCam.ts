import type { AttributedInput } from '../../attribution/attributedInput.js'
import { Attribution } from '../../attribution/attribution.js'
import { createTensor, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import { type MapInterpolation, placeOnPicture } from '../../report/scoreMap.js'
import type { AttributionMethod } from '../attributionMethod.js'
import type { AttributeOptions, Explained, MethodIdentity } from '../inputs/gradientMethod.js'
import { GuidedBackprop } from '../inputs/rectifierMethods.js'
import { type Resolved, resolveOptions } from '../options.js'
import { GradCam } from './cam.js'
import { type GuidedGradCamOptions, guidedGradCamOptions } from './camOptions.js'

/**
 * Guided Grad-CAM: guided backpropagation times the positive part of Grad-CAM, enlarged to the picture. Scores have the
 * shape of the input, signed. `layer` is Grad-CAM's, by default the last one of maps; `inputs` cannot be chosen. The passes
 * are those of {@link GuidedBackprop} and of {@link GradCam}.
 *
 * The details come of the guided pass, which hardly depends on the upper layers: see there for what they are worth.
 *
 * Source: Selvaraju et al., "Grad-CAM" (ICCV 2017), section 3.2.
 *
 * @throws AscribeError DERIVATIVE_UNSUPPORTED as {@link GuidedBackprop}; MODEL_CAPABILITY where no input is a picture.
 */
export class GuidedGradCam implements AttributionMethod {
  readonly options: Resolved<typeof guidedGradCamOptions>
  readonly #guided: GuidedBackprop
  readonly #map: GradCam

  constructor(
    readonly model: Model,
    options: GuidedGradCamOptions = {},
  ) {
    this.options = resolveOptions(guidedGradCamOptions, options)
    const { interpolation: _, ...grid } = this.options
    this.#guided = new GuidedBackprop(model)
    this.#map = new GradCam(model, { ...grid, relu: true })
  }
  identity(): MethodIdentity {
    return { name: 'GuidedGradCam', options: this.options }
  }

  async attribute(input: Explained, options: AttributeOptions = {}): Promise<Attribution> {
    const [found] = await this.attributeBatch([input], options)
    return found!
  }
  async attributeBatch(inputs: readonly Explained[], options: AttributeOptions = {}): Promise<Attribution[]> {
    const { onProgress, layer, ...shared } = options
    const maps = await this.#map.attributeBatch(inputs, {
      ...shared,
      ...(layer === undefined ? {} : { layer }),
      ...(onProgress ? { onProgress: (done, total) => onProgress(done, 2 * total) } : {}),
    })
    const guided = await this.#guided.attributeBatch(inputs, {
      ...shared,
      ...(onProgress ? { onProgress: (done, total) => onProgress(total + done, 2 * total) } : {}),
    })
    return Promise.all(guided.map((each, at) => this.#product(each, maps[at]!)))
  }
  async *stream(
    inputs: Iterable<Explained> | AsyncIterable<Explained>,
    options: AttributeOptions = {},
  ): AsyncGenerator<Attribution> {
    for await (const input of inputs) yield this.attribute(input, options)
  }

  async #product(guided: Attribution, map: Attribution): Promise<Attribution> {
    const pictures = guided.inputs.filter(({ units }) => units.kind === 'grid')
    if (pictures.length === 0)
      throw new AscribeError(
        'MODEL_CAPABILITY',
        'There is no picture among the inputs [1, C, height, width]',
        {
          hint: 'GuidedBackprop and GradCam explain other inputs, each by itself.',
        },
      )
    const inputs = await Promise.all(pictures.map(input => this.#weighed(input, map.inputs[0]!)))
    const { targets, hasTargetAxis, cost } = guided
    return new Attribution({
      model: guided.model,
      preprocessing: guided.preprocessing,
      target: hasTargetAxis ? targets : targets[0]!,
      output: guided.output,
      method: { ...guided.method, ...this.identity() },
      warnings: [...guided.warnings, ...map.warnings],
      cost: {
        forwardPasses: cost.forwardPasses + map.cost.forwardPasses,
        backwardPasses: cost.backwardPasses + map.cost.backwardPasses,
        milliseconds: cost.milliseconds + map.cost.milliseconds,
        ...(cost.peakBytes === undefined && map.cost.peakBytes === undefined
          ? {}
          : { peakBytes: Math.max(cost.peakBytes ?? 0, map.cost.peakBytes ?? 0) }),
      },
      environment: guided.environment,
      inputs,
    })
  }

  /** Every channel of a pixel times the map's place under it, target by target. */
  async #weighed(input: AttributedInput, map: AttributedInput): Promise<AttributedInput> {
    const { units } = input
    if (units.kind !== 'grid' || map.units.kind !== 'grid') throw new Error('not a grid')
    const { channels, height, width } = units
    const cells = map.units.height * map.units.width
    const pixels = height * width
    const isLast = units.layout.endsWith('C')
    const data = Float32Array.from(input.scores.data as Float32Array)
    for (let target = 0; target * pixels * channels < data.length; ++target) {
      const values = (map.scores.data as Float32Array).subarray(target * cells, (target + 1) * cells)
      const weights = await enlarged(
        { width: map.units.width, height: map.units.height, values },
        width,
        height,
        this.options.interpolation,
      )
      const start = target * pixels * channels
      for (let i = 0; i < pixels * channels; ++i)
        data[start + i]! *= weights[isLast ? Math.floor(i / channels) : i % pixels]!
    }
    return { ...input, scores: createTensor('f32', input.scores.shape, data) as Tensor<'f32'> }
  }
}

async function enlarged(
  map: { width: number; height: number; values: Float32Array },
  width: number,
  height: number,
  interpolation: MapInterpolation,
): Promise<ArrayLike<number>> {
  const whole = { sourceWidth: width, sourceHeight: height, left: 0, top: 0, width, height }
  return (await placeOnPicture(map, whole, width, height, interpolation)).values
}
