import type { NativeTensor } from '#typings/addon.js'
import type { Attribution } from '../attribution/attribution.js'
import { isFloating, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { Target } from '../graph/target.js'
import type { MethodIdentity, TargetedInput } from '../methods/inputs/gradientMethod.js'
import { type Given, type Resolved, resolveOptions } from '../methods/options.js'
import { prepareInput } from '../model/prepareInput.js'
import { rowsOf } from '../model/stack.js'
import { native, settle } from '../native.js'
import { type EvaluateOptions, type Judged, Metric, placeOf, type Tally } from './metric.js'
import { Overlap } from './overlap.js'
import { type Explainer, expectExplainer, type PlainMap, plainMaps } from './plainMaps.js'
import { withFixedTarget } from './randomisedMaps.js'
import { drawKeys } from './randomStream.js'
import type { SampleResult } from './result.js'
import type { MetricSample } from './sample.js'
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

/** Neighbours that are explained in one call, of several samples where they have few. */
const mapsTogether = 32

/**
 * Max-sensitivity: how far the map moves when the input hardly does, max |phi(x + d) - phi(x)| / |phi(x)| over
 * neighbours d. From 0; lower is better. It is a value of a method, not of a map: `maps` must be a method.
 *
 * The class stays the one of the input itself. The value is called `sensitivity`. Neighbours are explained together, those
 * of several inputs too: samples + 1 explanations of each.
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
    expectExplainer(options.maps)
    return super.explain(samples, first, options)
  }
  protected override async judge(
    group: readonly Judged[],
    options: EvaluateOptions,
    tally: Tally,
  ): Promise<SampleResult[]> {
    const results: SampleResult[] = []
    const method = options.maps as Explainer
    const together = Math.max(1, Math.floor(mapsTogether / this.options.samples))
    await Overlap.of(async overlap => {
      for (let first = 0; first < group.length; first += together) {
        const part = group.slice(first, first + together)
        const calls: TargetedInput[] = []
        const ends: number[] = []
        for (const { sample, map } of part) {
          const { tensors } = await prepareInput(method.model, sample.input, options.signal)
          const { target: given } = withFixedTarget(sample, map as Attribution)
          const target = Target.from(given)
          for (const input of await this.neighbours(tensors, sample.id, options.signal))
            calls.push({ input, target })
          ends.push(calls.length)
        }
        await overlap.begin(async () => {
          const maps = await plainMaps(method, calls, options)
          for (const [at, judged] of part.entries()) {
            const own = judged.map as Attribution
            const near = maps.slice(ends[at - 1] ?? 0, ends[at])
            tally.forwardPasses += near.reduce(
              (sum, each) => sum + each.forwardPasses,
              own.cost.forwardPasses,
            )
            results.push({ ...placeOf(judged), values: { sensitivity: this.#sensitivity(own, near) } })
          }
        })
      }
    })
    return results
  }

  /** Inputs near one. */
  protected async neighbours(
    tensors: Readonly<Record<string, Tensor>>,
    id: string | undefined,
    signal?: AbortSignal,
  ): Promise<Record<string, Tensor>[]> {
    const { samples, radius, seed } = this.options
    const moving = Object.entries(tensors).filter(([, { dtype }]) => isFloating(dtype))
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

  #sensitivity(own: Attribution, near: readonly PlainMap[]): number {
    const { zeroNorm } = this.options
    const plain = own.inputs.map(({ scores }) => scores.data as Float32Array)
    const norm = Math.sqrt(squares(plain))
    const divisor = norm === 0 ? (zeroNorm === 'one' ? 1 : Number.NaN) : norm
    return near.reduce(
      (most, { values }) =>
        Math.max(
          most,
          Math.sqrt(
            squaredDistance(
              plain,
              values.map(({ scores }) => scores),
            ),
          ) / divisor,
        ),
      0,
    )
  }
}

function squares(map: readonly Float32Array[]): number {
  let sum = 0
  for (const scores of map) for (let at = 0; at < scores.length; at++) sum += scores[at]! * scores[at]!
  return sum
}

function squaredDistance(first: readonly Float32Array[], second: readonly Float32Array[]): number {
  let sum = 0
  for (const [input, own] of first.entries()) {
    const other = second[input]!
    for (let at = 0; at < own.length; at++) {
      const difference = own[at]! - other[at]!
      sum += difference * difference
    }
  }
  return sum
}
