import type { EnsembleResult } from '#typings/addon.js'
import type { Units } from '../../attribution/units.js'
import { elementCount, type Tensor, validateTensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import { expectObject, typeError } from '../../validate.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import type { Example } from './gradientResult.js'
import type { Pass, PassParts } from './pass.js'
import type { Ensemble } from './recipe.js'

export const featureAblationOptions = {
  patch: {
    kind: 'integer',
    default: 16,
    minimum: 1,
    maximum: 65_536,
    description:
      'Side of the squares of pixels, all channels together, that are one feature each; of pictures only.',
  },
} as const

export type FeatureAblationOptions = Given<typeof featureAblationOptions> & {
  /**
   * Which feature each element belongs to, in place of squares: whole numbers from 0, of the shape of what is explained or
   * one that broadcasts to it; by name where several are explained. Features of several inputs with one number go together.
   */
  features?: Tensor | Readonly<Record<string, Tensor>>
}

/** A feature needs a pass. */
const mostFeatures = 1_000_000

/** Features of an input where the caller says nothing: squares of pixels, tokens, or single elements. */
function ownFeatures(units: Units, shape: readonly number[], patch: number): Tensor<'f32'> {
  if (units.kind === 'grid' && units.layout !== 'HW') {
    const { height, width, layout } = units
    const columns = Math.ceil(width / patch)
    const data = Float32Array.from({ length: height * width }, (_, at) => {
      const [y, x] = [Math.floor(at / width), at % width]
      return Math.floor(y / patch) * columns + Math.floor(x / patch)
    })
    return { dtype: 'f32', shape: layout.endsWith('C') ? [1, height, width, 1] : [1, 1, height, width], data }
  }
  if (units.kind === 'tokens' && units.features !== undefined)
    return { dtype: 'f32', shape: [1, units.tokens.length, 1], data: Float32Array.from(units.tokens.keys()) }
  return {
    dtype: 'f32',
    shape: [...shape],
    data: Float32Array.from({ length: elementCount(shape) }, (_, at) => at),
  }
}

/** The caller's features as whole numbers of f32. */
function givenFeatures(name: string, given: Tensor, shape: readonly number[]): Tensor<'f32'> {
  const { data, shape: own } = validateTensor(given, `features of "${name}"`)
  const fits = own.length === shape.length && own.every((size, axis) => size === shape[axis] || size === 1)
  if (!fits)
    throw new AscribeError(
      'INPUT_SHAPE',
      `The features of "${name}" have shape [${own.join(', ')}], which does not broadcast to [${shape.join(', ')}]`,
    )
  const numbers = Float32Array.from(data as Float32Array, Number)
  const wrong = numbers.findIndex(value => !Number.isInteger(value) || value < 0 || value >= mostFeatures)
  if (wrong >= 0)
    throw new AscribeError(
      'INPUT_VALUE',
      `The features of "${name}" hold ${data[wrong]}; expected whole numbers from 0 to ${mostFeatures - 1}`,
    )
  return { dtype: 'f32', shape: [...own], data: numbers }
}

/**
 * Feature ablation: what the target loses when a feature is replaced by the baseline, which every element of the feature
 * has as its score. Features are squares of pixels for pictures, tokens for a layer [1, T, features], single elements
 * else; or what `features` says.
 *
 * Scores have the shape of what is explained. Features are put out inside the compiled pass, several at a time; one
 * forward pass for each and one for the input, no backward pass. With features as players it is the first step of every
 * removal game; for regions of a picture see the games.
 *
 * Source: Captum's FeatureAblation, after Zeiler and Fergus (ECCV 2014), section 4.2.
 *
 * @throws AscribeError INPUT_SHAPE or INPUT_VALUE for features that do not fit; OPTION_RANGE for more than a million.
 */
export class FeatureAblation extends GradientMethod {
  readonly options: Resolved<typeof featureAblationOptions>
  readonly #features: FeatureAblationOptions['features']

  constructor(model: Model, options: FeatureAblationOptions = {}) {
    super(model)
    expectObject('options', options)
    const { features, ...others } = options
    this.options = resolveOptions(featureAblationOptions, others)
    if (features !== undefined && (typeof features !== 'object' || features === null))
      throw typeError('features', 'a tensor, or tensors by name', features)
    this.#features = features
  }
  protected override get isOneByOne(): boolean {
    return true
  }
  override get takesNoise(): boolean {
    return false
  }
  override recipe(): Recipe {
    return ablationRecipe([], {})
  }
  override recipeFor({ explained }: Example): Recipe {
    const { names, units, tensors } = explained
    const given = this.#features
    if (given && 'dtype' in given && names.length > 1)
      throw new AscribeError('INPUT_SHAPE', `There are ${names.length} inputs; give their features by name`)
    const extras: Record<string, Tensor> = {}
    let first = 0
    const numbers = new Set<number>()
    for (const [at, name] of names.entries()) {
      const { shape } = tensors[name]!
      const own = given && ('dtype' in given ? given : given[name])
      const features = own
        ? givenFeatures(name, own as Tensor, shape)
        : ownFeatures(units[name]!, shape, this.options.patch)
      if (!own) {
        const before = first
        for (const [i, value] of features.data.entries()) features.data[i] = value + before
        first = features.data.reduce((most, value) => Math.max(most, value + 1), first)
      }
      for (const value of features.data) numbers.add(value)
      extras[`features.${at}`] = features
    }
    if (numbers.size > mostFeatures)
      throw new AscribeError(
        'OPTION_RANGE',
        `There are ${numbers.size} features, at most ${mostFeatures} are taken`,
        {
          hint: 'Group elements: option `features`, or a larger `patch`.',
        },
      )
    return ablationRecipe(
      [...numbers].sort((a, b) => a - b),
      extras,
    )
  }
  protected override async ensemble(run: Parameters<Ensemble>[0], recipe: Recipe): ReturnType<Ensemble> {
    const result: EnsembleResult = await run(recipe)
    // The plan gives what is left of the target, with a minus.
    for (const { data } of Object.values(result.attributions))
      for (let at = 0; at < data.length; at++)
        (data as Float32Array)[at] = (data as Float32Array)[at]! + result.objective[0]!
    return { result, details: { features: recipe.points.length } }
  }
  override identity(): MethodIdentity {
    return { name: 'FeatureAblation', options: this.#features ? { features: 'given' } : this.options }
  }
}

function ablationRecipe(numbers: readonly number[], extras: Readonly<Record<string, Tensor>>): Recipe {
  const isOut = ({ builder, position, extra }: PassParts, at: number) => {
    // [N, 1] beside [N, …]
    const axes = Array.from({ length: extras[`features.${at}`]!.shape.length - 2 }, (_, axis) => axis + 2)
    const number = axes.length > 0 ? builder.apply('unsqueeze', [position!], { axes }) : position!
    return builder.apply('equal', [extra(`features.${at}`), number])
  }
  const pass: Pass = {
    name: 'FeatureAblation',
    // No feature has the number -1.
    positions: { values: Float64Array.from(numbers), atInput: [-1] },
    readsBaselines: true,
    extras,
    seen: parts =>
      parts.values.map((value, at) =>
        parts.builder.apply('where', [isOut(parts, at), parts.baselines[at]!, value]),
      ),
    outputs: parts =>
      parts.values.map((value, at) => {
        const { builder, objective, explained } = parts
        const name = explained.names[at]!
        const axes = explained.tensors[name]!.shape.slice(1).map((_, axis) => axis + 1)
        const left = builder.apply('unsqueeze', [builder.apply('neg', [objective])], { axes })
        const share = builder.apply('where', [isOut(parts, at), left, builder.scalar(0)])
        return { name, value: builder.apply('expandLike', [share, value]) }
      }),
    cost: { forward: 1, backward: 0 },
  }
  return {
    quantity: 'gradient',
    points: new Float64Array(Math.max(numbers.length, 1)).fill(1),
    weights: new Float64Array(Math.max(numbers.length, 1)).fill(1),
    samples: 1,
    statistic: 'mean',
    seed: 0,
    pass,
  }
}
