import type { Attribution } from '../../attribution/attribution.js'
import type { Units } from '../../attribution/units.js'
import type { Image } from '../../data/image.js'
import { type Tensor, validateTensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { classIndex, Target } from '../../graph/target.js'
import { targetKey } from '../../graph/targetKey.js'
import { expectModel } from '../../model/expectModel.js'
import { expectLayer } from '../../model/layerNames.js'
import type { Model, ModelInputs } from '../../model/model.js'
import { type PreparedInput, prepareInput } from '../../model/prepareInput.js'
import {
  expectInteger,
  expectKnownKeys,
  expectObject,
  expectSignalAndProgress,
  expectStrings,
} from '../../validate.js'
import { explainedValues } from './explainedValues.js'
import { areAlike, explainTogether } from './explainTogether.js'
import {
  type Example,
  gradientResult,
  type MethodIdentity,
  type Present,
  presentedValues,
  type TargetRun,
} from './gradientResult.js'
import type { Ensemble, Recipe } from './recipe.js'

export type { MethodIdentity, Recipe }

/** What a method explains: a picture, a text, the model's only input, or all inputs by name. One example (leading axis 1). */
export type Explained = Image | string | ModelInputs

/** A baseline in model space: one number for all elements, a tensor, or one of either for each input. */
export type Baseline = number | Tensor | Readonly<Record<string, number | Tensor>>

export interface AttributeOptions {
  /** A class index, a label, a {@link Target}, or several (the scores then have a leading target axis). Default: the top class. */
  target?: Target | number | string | readonly (Target | number | string)[]
  /** Inputs whose scores are wanted. Default: the embeddings of a model of tokens, else every floating-point input. */
  inputs?: readonly string[]
  /**
   * Values inside the model to explain in place of its inputs, by name (`model.layers()` lists them), by the name of an
   * ONNX node, by a pattern with `*`, or `last-convolution`, `last-maps`, `last-block`: how the target follows from them.
   * A layer [1, T, features] has its scores by token.
   */
  layer?: string | readonly string[]
  /** Texts of the tokens, for results. Default: their ids. */
  tokens?: readonly string[]
  /**
   * What absence looks like, for methods with a baseline. Default 0 (after preprocessing: for ImageNet models the mean
   * colour); for texts the tokenizer's padding in place of the text's own tokens, where it has any. For layers, a baseline of an input of the model (`{ ids: padded }`) is what they hold for that input.
   */
  baseline?: Baseline
  signal?: AbortSignal
  /** Passes done and passes in all. */
  onProgress?: (done: number, total: number) => void
  /** Examples of one pass; default by the caches: weights are read once a pass, activations stay in reach; never more than fit the memory bound. */
  chunk?: number
}

const attributeOptionNames = [
  'target',
  'inputs',
  'layer',
  'tokens',
  'baseline',
  'signal',
  'onProgress',
  'chunk',
]

/** @throws AscribeError OPTION_*, TARGET_INVALID, INPUT_VALUE */
export function checkAttributeOptions(options: AttributeOptions): void {
  expectObject('attribute options', options)
  expectKnownKeys('attribute options', options, attributeOptionNames)
  if (options.chunk !== undefined) expectInteger('chunk', options.chunk, 1, 1 << 20)
  if (Array.isArray(options.target) && options.target.length === 0)
    throw new AscribeError('TARGET_INVALID', 'The list of targets is empty')
  for (const name of ['inputs', 'tokens'] as const)
    if (options[name] !== undefined) expectStrings(name, options[name])
  const { baseline, layer } = options
  if (layer !== undefined) expectLayer(layer)
  expectSignalAndProgress(options)
  if (baseline === undefined) return
  if (typeof baseline !== 'number') expectObject('baseline', baseline)
  const each = typeof baseline === 'number' || 'dtype' in baseline ? { baseline } : baseline
  for (const [name, value] of Object.entries(each)) {
    const numbers = typeof value === 'number' ? [value] : validateTensor(value as Tensor, name).data
    if (!(numbers instanceof BigInt64Array) && !numbers.every(Number.isFinite))
      throw new AscribeError('INPUT_VALUE', `The baseline "${name}" holds NaN or infinity`)
  }
}

/** An input and what is explained of it. */
export interface TargetedInput {
  input: Explained
  target: Target
}

/** Scores without a result around them: of each explained value. */
export interface PlainScores {
  readonly values: readonly { readonly name: string; readonly units: Units; readonly scores: Float32Array }[]
  readonly forwardPasses: number
}

const asChoice = (index: number | undefined) => ({
  ...(index === undefined ? {} : { class: index }),
  output: [],
})

/** Whether two targets are one but for the class. */
const isSame = (a: Target, b: Target): boolean =>
  a.description.kind === b.description.kind && targetKey(a) === targetKey(b)

/** Examples that {@link GradientMethod.attributeBatch} hands to the native loop at once, in passes. */
const passesTogether = 32

/**
 * The shared course of the gradient family: prepare, pick the target, compile one pass, let the native loop run it
 * over points and samples, put the result into an {@link Attribution}. A method gives a {@link Recipe}.
 */
export abstract class GradientMethod {
  constructor(readonly model: Model) {
    expectModel(model)
  }

  /** What the native loop computes; public so that noise can be put around any method. */
  abstract recipe(): Recipe
  abstract identity(): MethodIdentity
  /** The recipe for an example, of methods whose numbers depend on its sizes; they explain examples one by one. */
  recipeFor(_example: Example, _options: AttributeOptions): Recipe | Promise<Recipe> {
    return this.recipe()
  }
  /** What is explained of the model, of methods that decide it themselves. */
  targetFor(options: AttributeOptions): AttributeOptions['target'] {
    return options.target
  }
  /** Whether scores add up to f(input) - f(baseline). */
  protected get complete(): boolean {
    const { quantity, statistic, noise } = this.recipe()
    return (
      ['integrated', 'importantDirection'].includes(quantity) && statistic === 'mean' && noise === undefined
    )
  }
  /** How scores of an explained value stand in the result. */
  get present(): Present | undefined {
    return undefined
  }
  /** What a call explains where it does not say. */
  async chooseExplained(_prepared: PreparedInput, options: AttributeOptions): Promise<AttributeOptions> {
    return options
  }
  /** What a call does depends on its example or result, so that examples do not go through the loop side by side. */
  protected get isOneByOne(): boolean {
    return false
  }

  /** Whether its recipe alone says what it computes, so that noise can be put around it. */
  get takesNoise(): boolean {
    const { draws, walk } = this.recipe()
    return draws === undefined && walk === undefined
  }

  /** Scores of one input. */
  async attribute(input: Explained, options: AttributeOptions = {}): Promise<Attribution> {
    checkAttributeOptions(options)
    const example = await this.#example(input, options)
    const [only] = await this.#explain([example], options)
    return only!
  }

  /**
   * Scores of many inputs; each is what {@link attribute} gives for it alone, within the rounding of another batch.
   * Inputs of equal shapes go through the model side by side. Progress counts the passes of all inputs.
   */
  async attributeBatch(inputs: readonly Explained[], options: AttributeOptions = {}): Promise<Attribution[]> {
    checkAttributeOptions(options)
    const { points, samples } = this.recipe()
    const together = this.isOneByOne ? 1 : Math.max(1, Math.floor(passesTogether / (points.length * samples)))
    const results: Attribution[] = []
    for (let first = 0; first < inputs.length; ) {
      const group: Example[] = []
      // Prepared again where a group ends early: pictures of unequal shapes are rare.
      for (const input of inputs.slice(first, first + together)) {
        const example = await this.#example(input, options)
        if (group.length > 0 && !areAlike(group[0]!, example)) break
        group.push(example)
      }
      const { onProgress } = options
      const start = first
      const within = (done: number, total: number) => {
        const each = total / group.length
        onProgress?.(Math.round(start * each + done), Math.round(inputs.length * each))
      }
      results.push(...(await this.#explain(group, onProgress ? { ...options, onProgress: within } : options)))
      first += group.length
    }
    return results
  }

  /**
   * Scores of many inputs, each with a target of its own, as their results would have them, value after value; without the
   * results, so that the model's output need not be known. For metrics, which look at many maps of neighbours.
   */
  async scoresOf(
    calls: readonly TargetedInput[],
    options: Pick<AttributeOptions, 'layer' | 'signal'>,
  ): Promise<PlainScores[]> {
    const { points, samples } = this.recipe()
    const together = this.isOneByOne ? 1 : Math.max(1, Math.floor(passesTogether / (points.length * samples)))
    const results: PlainScores[] = []
    while (results.length < calls.length) {
      const group: { example: Example; target: Target }[] = []
      for (const { input, target: asked } of calls.slice(results.length, results.length + together)) {
        const example = await this.#example(input, options)
        const target = Target.from(this.targetFor({ target: asked }) as Target | undefined)
        const [first] = group
        const joins =
          first === undefined || (isSame(first.target, target) && areAlike(first.example, example))
        if (!joins) break
        group.push({ example, target })
      }
      results.push(...(await this.#plainScores(group, options)))
    }
    return results
  }

  async #plainScores(
    group: readonly { example: Example; target: Target }[],
    options: AttributeOptions,
  ): Promise<PlainScores[]> {
    const [{ example, target }] = group as [{ example: Example; target: Target }]
    const examples = group.map(each => each.example)
    const classes = group.map(each => {
      const { description } = each.target
      return description.kind === 'class' ? classIndex(description.of, this.model.labels) : undefined
    })
    // Which class is at the top, the model must say.
    const known = target.description.kind === 'top' ? undefined : classes.map(asChoice)
    const recipe = await this.recipeFor(example, options)
    const ensemble: Ensemble = run => this.ensemble(run, recipe)
    const run = await explainTogether(this.model, examples, target, recipe, ensemble, options, known)
    return Promise.all(
      examples.map(async (example, at) => {
        const values = await presentedValues(this.model, example, [run], at, this.present)
        return {
          values: values.map(({ name, units, rows }) => ({ name, units, scores: rows[0]! })),
          forwardPasses: Math.ceil(run.result.forwardPasses / group.length),
        }
      }),
    )
  }

  /** Scores one after the other as inputs come: memory does not grow with their number. */
  async *stream(
    inputs: Iterable<Explained> | AsyncIterable<Explained>,
    options: AttributeOptions = {},
  ): AsyncGenerator<Attribution> {
    for await (const input of inputs) yield await this.attribute(input, options)
  }

  /** Runs the native loop once; overridden by methods that repeat it (tolerance). */
  protected async ensemble(run: Parameters<Ensemble>[0], recipe: Recipe): ReturnType<Ensemble> {
    return { result: await run(recipe) }
  }

  async #example(input: Explained, options: AttributeOptions): Promise<Example> {
    const prepared = await prepareInput(this.model, input, options.signal)
    const chosen = await this.chooseExplained(prepared, options)
    return {
      prepared,
      explained: await explainedValues(this.model, prepared, chosen),
      tokens: options.tokens,
    }
  }

  async #explain(examples: readonly Example[], options: AttributeOptions): Promise<Attribution[]> {
    const target = this.targetFor(options)
    const isList = Array.isArray(target)
    const targets = (isList ? target : [target]) as (Target | number | string | undefined)[]
    const recipe = await this.recipeFor(examples[0]!, options)
    const runs: TargetRun[] = []
    for (const target of targets)
      runs.push(
        await explainTogether(
          this.model,
          examples,
          Target.from(target),
          recipe,
          run => this.ensemble(run, recipe),
          options,
        ),
      )
    return Promise.all(
      examples.map((example, at) =>
        gradientResult(this.model, this.identity(), example, runs, at, isList, this.complete, this.present),
      ),
    )
  }
}
