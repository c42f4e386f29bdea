import type { Attribution } from '../../attribution/attribution.js'
import type { Units } from '../../attribution/units.js'
import { AscribeError } from '../../errors.js'
import { expectExplainable } from '../../frontends/blackbox/expectExplainable.js'
import type { Coalition } from '../../games/coalition.js'
import { CoalitionGame } from '../../games/coalitionGame.js'
import { type CoalitionPlayer, type PlayOptions, playTogether } from '../../games/play.js'
import type { SamplerResult } from '../../games/samplers/samplerResult.js'
import { Target } from '../../graph/target.js'
import type { Explainable } from '../../model/explainable.js'
import type { RegionsOption } from '../../regions/makeRegions.js'
import { expectList } from '../../validate.js'
import type { AttributionMethod } from '../attributionMethod.js'
import { choose } from '../inputs/choice.js'
import { type AttributeOptions, checkAttributeOptions, type Explained } from '../inputs/gradientMethod.js'
import type { Choice, MethodIdentity } from '../inputs/gradientResult.js'
import { type Absence, absenceBaseline } from './absence.js'
import { type PerturbationRun, perturbationResult } from './perturbationResult.js'
import { regionEvaluator } from './regionEvaluator.js'
import { type CutInput, type RegionInput, regionInput, spreadScores } from './regionInput.js'

/** What a method does with one example. */
export interface Perturbation {
  readonly player: CoalitionPlayer<SamplerResult>
  /** Players of the game; default: the regions. */
  readonly players?: number
  /** Values that the game remembers; see `CoalitionGameOptions`. */
  readonly memoEntries?: number
  /** Masks that are real numbers: how much of each place a coalition keeps. */
  readonly render?: (coalition: Coalition) => ArrayLike<number>
  /** What the scores belong to; default: each region's score at all of its places. */
  readonly present?: (result: SamplerResult) => { units: Units; data: Float32Array }
}

/** Examples that play side by side, so that the tail of one does not leave passes half empty. */
const examplesTogether = 8

/**
 * The shared course of methods that only run a model: cut the input, let a sampler play a game of coalitions (members
 * keep what they hold, the rest is absent), and lay its scores over the input. Models and black boxes are explained
 * alike. A method gives a {@link Perturbation} for an example.
 */
export abstract class PerturbationMethod implements AttributionMethod {
  /** @param model A model, or a black box; see `fromFunction`. */
  constructor(readonly model: Explainable) {
    expectExplainable(model)
  }

  abstract identity(): MethodIdentity
  protected abstract perturb(example: RegionInput): Perturbation
  /** How the input is cut; undefined: as its kind suggests. */
  protected abstract regionsFor(input: CutInput): RegionsOption | undefined
  /** What a removed region shows where the caller gives no baseline. */
  protected abstract absenceOf(example: RegionInput): Absence
  protected get limits(): Pick<PlayOptions, 'budget' | 'tolerance'> {
    return {}
  }
  /** Whether scores add up to f(input) - f(baseline). */
  protected get complete(): boolean {
    return false
  }

  /** Scores of one input. */
  async attribute(input: Explained, options: AttributeOptions = {}): Promise<Attribution> {
    const [only] = await this.attributeBatch([input], options)
    return only!
  }

  /**
   * Scores of many inputs; each is what {@link attribute} gives for it alone, within the rounding of another batch. Up to
   * eight play side by side.
   */
  async attributeBatch(inputs: readonly Explained[], options: AttributeOptions = {}): Promise<Attribution[]> {
    expectList('inputs', inputs, 'a list of inputs')
    checkAttributeOptions(options)
    for (const name of ['layer', 'tokens'] as const)
      if (options[name] !== undefined)
        throw new AscribeError('OPTION_RANGE', `${this.identity().name} has no place for the option ${name}`)
    const results: Attribution[] = []
    while (results.length < inputs.length) {
      const group: RegionInput[] = []
      for (const input of inputs.slice(results.length, results.length + examplesTogether)) {
        const example = await this.#example(input, options)
        if (group.length > 0 && kindOf(example) !== kindOf(group[0]!)) break
        group.push(example)
      }
      const first = results.length
      const onProgress = (done: number, total: number) =>
        options.onProgress?.(first * total + done * group.length, inputs.length * total)
      results.push(...(await this.#explain(group, { ...options, onProgress })))
    }
    return results
  }

  /** Scores one after the other as inputs come: memory does not grow with their number. */
  async *stream(
    inputs: Iterable<Explained> | AsyncIterable<Explained>,
    options: AttributeOptions = {},
  ): AsyncGenerator<Attribution> {
    for await (const input of inputs) yield await this.attribute(input, options)
  }

  async #example(input: Explained, options: AttributeOptions): Promise<RegionInput> {
    const { inputs, baseline } = options
    const example = await regionInput(this.model, input, {
      inputs,
      baseline,
      regions: cut => this.regionsFor(cut),
    })
    if (baseline !== undefined) return example
    const absent = absenceBaseline(this.absenceOf(example), example)
    return { ...example, item: { ...example.item, baseline: absent } }
  }

  async #explain(examples: readonly RegionInput[], options: AttributeOptions): Promise<Attribution[]> {
    const isList = Array.isArray(options.target)
    const targets = (isList ? options.target : [options.target]) as (Target | number | string | undefined)[]
    const runs: PerturbationRun[] = []
    for (const [at, target] of targets.entries()) {
      const onProgress = (done: number, total: number) =>
        options.onProgress?.(at * total + done, targets.length * total)
      runs.push(await this.#run(examples, Target.from(target), { ...options, onProgress }))
    }
    return Promise.all(
      examples.map((example, at) =>
        perturbationResult(this.model, this.identity(), example, runs, at, isList, this.complete),
      ),
    )
  }

  async #run(
    examples: readonly RegionInput[],
    target: Target,
    options: AttributeOptions,
  ): Promise<PerturbationRun> {
    const { signal, onProgress } = options
    const started = performance.now()
    const choices: Choice[] = []
    for (const example of examples) choices.push(await choose(this.model, example, target, signal))
    const perturbations = examples.map(example => this.perturb(example))
    const { evaluator, native } = await regionEvaluator({
      model: this.model,
      examples,
      choices,
      target,
      render: perturbations[0]!.render,
      chunk: options.chunk,
      signal,
    })
    try {
      const seats = perturbations.map(({ player, players, memoEntries }, item) => ({
        game: new CoalitionGame({
          players: players ?? examples[item]!.regions.count,
          evaluator,
          item,
          ...(memoEntries === undefined ? {} : { memoEntries }),
        }),
        player,
      }))
      const played = await playTogether(seats, { ...this.limits, signal, onProgress })
      return {
        target,
        choices,
        played,
        shown: played.map(({ result }, item) =>
          (perturbations[item]!.present ?? (each => spreadScores(examples[item]!, each.scores)))(result),
        ),
        milliseconds: (performance.now() - started) / examples.length,
        peakBytes: native?.peakBytes ?? 0,
        device: native?.device ?? 'external',
        precision: native?.precision,
        chunk: evaluator.batch,
        notice: native?.batching.notice,
      }
    } finally {
      native?.dispose()
    }
  }
}

/** What must be equal for examples to play side by side. */
const kindOf = ({ prepared, input, regions, item }: RegionInput): string =>
  JSON.stringify([
    input,
    regions.shape,
    typeof item.baseline === 'number' ? [] : item.baseline.shape,
    Object.entries(prepared.tensors).map(([name, { dtype, shape }]) => [name, dtype, shape]),
  ])
