import type { NativeTensor } from '#typings/addon.js'
import type { Attribution } from '../attribution/attribution.js'
import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { Target } from '../graph/target.js'
import type { AttributeOptions, MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import type { Model } from '../model/model.js'
import { prepareInput } from '../model/prepareInput.js'
import { rowsOf } from '../model/stack.js'
import { native, settle } from '../native.js'
import { typeError } from '../validate.js'
import { type EvaluateOptions, type Judged, Metric, placeOf, type Tally } from './metric.js'
import { drawKeys } from './randomStream.js'
import type { SampleResult } from './result.js'
import type { Attributer, MetricSample } from './sample.js'
import { seedOption } from './seedOption.js'

export const sensitivityMaxOptions = {
  samples: {
    kind: 'integer',
    default: 10,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Neighbours that are drawn.',
  },
  radius: {
    kind: 'number',
    default: 0.02,
    minimum: 0,
    exclusive: true,
    description: 'Each number moves by at most this much, uniformly, in model space.',
  },
  zeroNorm: {
    kind: 'choice',
    choices: ['undefined', 'one'],
    default: 'undefined',
    description:
      "What a map of zeros is divided by: nothing (the sample's value is undefined and counted), or 1 as in Captum.",
  },
  ...seedOption,
} as const

export type SensitivityMaxOptions = Given<typeof sensitivityMaxOptions>

/** A method that knows its model, so that inputs can be prepared and moved. */
type Explainer = Attributer & { readonly model: Model }

/**
 * Max-sensitivity: how far the map moves when the input hardly does, max |phi(x + d) - phi(x)| / |phi(x)| over
 * neighbours d. From 0; lower is better. It is a value of a method, not of a map: `maps` must be a method.
 *
 * The class stays the one of the input itself. The value is called `sensitivity`. Neighbours are explained together:
 * samples + 1 explanations.
 *
 * @param options `samples` (default 10), `radius` (default 0.02), `zeroNorm`, `seed`. Captum's defaults; Quantus has 200
 *   and 0.2.
 * Source: Yeh et al., "On the (in)fidelity and sensitivity of explanations" (NeurIPS 2019), definition 2.2.
 */
export class SensitivityMax extends Metric {
  readonly options: Resolved<typeof sensitivityMaxOptions>

  constructor(options: SensitivityMaxOptions = {}) {
    super()
    this.options = resolveOptions(sensitivityMaxOptions, options)
  }
  override identity(): MethodIdentity {
    const { seed, ...options } = this.options
    return { name: 'SensitivityMax', options, seed }
  }

  protected override async explain(
    samples: readonly MetricSample[],
    first: number,
    options: EvaluateOptions,
  ) {
    const { maps } = options
    if (typeof maps === 'function' || (maps as Partial<Explainer> | undefined)?.model === undefined)
      throw typeError('maps', 'a method with its model', maps)
    return super.explain(samples, first, options)
  }
  protected override async judge(
    group: readonly Judged[],
    options: EvaluateOptions,
    tally: Tally,
  ): Promise<SampleResult[]> {
    const results: SampleResult[] = []
    for (const judged of group) {
      const sensitivity = await this.#sensitivity(judged, options.maps as Explainer, options, tally)
      results.push({ ...placeOf(judged), values: { sensitivity } })
    }
    return results
  }

  /** Inputs near one. */
  protected async neighbours(
    tensors: Readonly<Record<string, Tensor>>,
    id: string | undefined,
    signal?: AbortSignal,
  ): Promise<Record<string, Tensor>[]> {
    const { samples, radius, seed } = this.options
    const moving = Object.entries(tensors).filter(([, { dtype }]) => dtype === 'f32' || dtype === 'f64')
    if (moving.length === 0)
      throw new AscribeError(
        'MODEL_CAPABILITY',
        'Tokens have no neighbours: no input holds floating-point numbers',
      )
    const { copies } = await settle(
      () =>
        native().addNoise({
          tensors: moving.map(([, tensor]) => tensor as NativeTensor),
          keys: drawKeys(seed, id, 0, samples),
          distribution: 'uniform',
          scale: radius,
        }),
      signal,
    )
    return Array.from({ length: samples }, (_, draw) => ({
      ...tensors,
      ...Object.fromEntries(moving.map(([name], at) => [name, rowsOf(copies[at] as Tensor, draw, 1)])),
    }))
  }

  async #sensitivity(
    { sample, map }: Judged,
    method: Explainer,
    { layer, signal }: EvaluateOptions,
    tally: Tally,
  ): Promise<number> {
    const { zeroNorm } = this.options
    const own = map as Attribution
    const { tensors } = await prepareInput(method.model, sample.input)
    const moved = await this.neighbours(tensors, sample.id, signal)
    const { index } = own.targets[0]!
    const given = Target.from(sample.target)
    const isTop = given.description.kind === 'top'
    const target = isTop && index !== undefined ? Target.class(index, given.options) : given
    const call: AttributeOptions = {
      target,
      ...(layer === undefined ? {} : { layer }),
      ...(signal ? { signal } : {}),
    }
    const maps: Attribution[] = []
    if (method.attributeBatch !== undefined) maps.push(...(await method.attributeBatch(moved, call)))
    else for (const input of moved) maps.push(await method.attribute(input, call))
    for (const { cost } of [own, ...maps]) tally.forwardPasses += cost.forwardPasses
    const norm = Math.sqrt(squares(own))
    const divisor = norm === 0 ? (zeroNorm === 'one' ? 1 : Number.NaN) : norm
    return maps.reduce((most, each) => Math.max(most, Math.sqrt(squares(own, each)) / divisor), 0)
  }
}

/** The sum of squares of a map, or of its difference from another. */
function squares(map: Attribution, less?: Attribution): number {
  let sum = 0
  for (const [input, { scores }] of map.inputs.entries()) {
    const own = scores.data as Float32Array
    const other = less?.inputs[input]?.scores.data as Float32Array | undefined
    // In loops of their own: a number that may be missing is boxed.
    if (other === undefined) for (let at = 0; at < own.length; at++) sum += own[at]! * own[at]!
    else
      for (let at = 0; at < own.length; at++) {
        const difference = own[at]! - other[at]!
        sum += difference * difference
      }
  }
  return sum
}
