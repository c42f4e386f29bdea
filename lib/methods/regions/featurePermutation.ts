import type { Attribution } from '../../attribution/attribution.js'
import { AscribeError } from '../../errors.js'
import { coalitionOf, complementOf, fullCoalition } from '../../games/coalition.js'
import { CoalitionGame, valuesTogether } from '../../games/coalitionGame.js'
import { RandomStream } from '../../games/randomStream.js'
import { relativeError, type SamplerResult } from '../../games/samplers/samplerResult.js'
import { Target } from '../../graph/target.js'
import type { Explainable } from '../../model/explainable.js'
import { expectList, expectObject } from '../../validate.js'
import { choose } from '../inputs/choice.js'
import { type AttributeOptions, checkAttributeOptions, type Explained } from '../inputs/gradientMethod.js'
import type { Choice, MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { perturbationResult } from './perturbationResult.js'
import { regionEvaluator } from './regionEvaluator.js'
import { type RegionInput, regionInput, spreadScores } from './regionInput.js'
import { seedOption } from './regionMethod.js'
import { type RegionsGiven, regionsAsked } from './regionOptions.js'

export const featurePermutationOptions = {
  permutations: {
    kind: 'integer',
    default: 1,
    minimum: 1,
    maximum: 100_000,
    description: 'How often each feature is shuffled; each costs a pass for every example.',
  },
  ...seedOption,
} as const
export type FeaturePermutationOptions = Given<typeof featurePermutationOptions> & {
  /** Columns that are shuffled together; see `tableColumns`. Default: each place alone. */
  regions?: RegionsGiven
}

/**
 * Feature permutation: what the target loses when a feature (a column, a group of them, a region) is replaced by that of
 * another example of the same list. Scores are of each example; their mean over the list is the importance that is
 * usually reported.
 *
 * Source: Breiman, "Random forests" (2001), section 10; per example, as Captum.
 */
export class FeaturePermutation {
  readonly options: Resolved<typeof featurePermutationOptions>
  readonly #regions: RegionsGiven | undefined

  constructor(
    readonly model: Explainable,
    options: FeaturePermutationOptions = {},
  ) {
    expectObject('options', options)
    const { regions, ...rest } = options
    this.options = resolveOptions(featurePermutationOptions, rest)
    this.#regions = regions
  }

  identity(): MethodIdentity {
    const { seed, ...options } = this.options
    return { name: 'FeaturePermutation', options, seed }
  }

  /**
   * Scores of each of a list of inputs, which must be alike.
   *
   * @throws AscribeError `OPTION_RANGE` for fewer than two inputs: there is nothing to exchange; `INPUT_SHAPE`.
   */
  async attributeBatch(inputs: readonly Explained[], options: AttributeOptions = {}): Promise<Attribution[]> {
    expectList('inputs', inputs, 'a list of inputs')
    checkAttributeOptions(options)
    for (const name of ['layer', 'tokens', 'baseline'] as const)
      if (options[name] !== undefined)
        throw new AscribeError('OPTION_RANGE', `FeaturePermutation has no place for the option ${name}`)
    if (Array.isArray(options.target))
      throw new AscribeError('OPTION_RANGE', 'FeaturePermutation takes one target at a time')
    if (inputs.length < 2)
      throw new AscribeError(
        'OPTION_RANGE',
        'Feature permutation needs at least two inputs to exchange features of',
      )
    const examples: RegionInput[] = []
    for (const input of inputs)
      examples.push(
        await regionInput(this.model, input, {
          inputs: options.inputs,
          regions: regionsAsked(this.#regions, undefined),
        }),
      )
    // Regions that follow each picture's own edges cannot be exchanged: all have those of the first.
    const [{ regions, input }] = examples as [RegionInput]
    const shape = examples[0]!.prepared.tensors[input]!.shape.join()
    if (examples.some(example => example.prepared.tensors[input]!.shape.join() !== shape))
      throw new AscribeError(
        'INPUT_SHAPE',
        'The inputs have different shapes, so features cannot be exchanged',
      )
    return this.#explain(
      examples.map(example => ({ ...example, regions, item: { ...example.item, regions } })),
      Target.from(options.target as Target | undefined),
      options,
    )
  }

  async #explain(
    examples: readonly RegionInput[],
    target: Target,
    options: AttributeOptions,
  ): Promise<Attribution[]> {
    const { signal, chunk } = options
    const { permutations, seed } = this.options
    const started = performance.now()
    const choices: Choice[] = []
    for (const example of examples) choices.push(await choose(this.model, example, target, signal))
    const players = examples[0]!.regions.count
    const sums = examples.map(() => new Float64Array(players))
    const squares = examples.map(() => new Float64Array(players))
    const full = new Float64Array(examples.length)
    const [total, details] = [
      players * permutations,
      { device: '', precision: 'f32' as string | undefined, chunk: 0, peakBytes: 0 },
    ]
    for (let draw = 0; draw < permutations; draw++)
      for (let player = 0; player < players; player++) {
        const order = new RandomStream(seed, player, draw).permutation(examples.length)
        const exchanged = examples.map((example, at) => ({
          ...example,
          item: { ...example.item, baseline: examples[order[at]!]!.prepared.tensors[example.input]! },
        }))
        const { evaluator, native } = await regionEvaluator({
          model: this.model,
          examples: exchanged,
          choices,
          target,
          chunk,
          signal,
        })
        try {
          const isFirst = draw === 0 && player === 0
          const without = complementOf(coalitionOf(players, [player]), players)
          const wanted = examples.map((_, item) => ({
            game: new CoalitionGame({ players, evaluator, item, memoEntries: 0 }),
            coalitions: isFirst ? [fullCoalition(players), without] : [without],
          }))
          for (const [item, values] of (await valuesTogether(wanted, { signal })).entries()) {
            if (isFirst) full[item] = values[0]![0]!
            const loss = full[item]! - values.at(-1)![0]!
            sums[item]![player]! += loss
            squares[item]![player]! += loss * loss
          }
          details.device = native?.device ?? 'external'
          details.precision = native?.precision
          details.chunk = evaluator.batch
          details.peakBytes = Math.max(details.peakBytes, native?.peakBytes ?? 0)
        } finally {
          native?.dispose()
        }
        options.onProgress?.(draw * players + player + 1, total)
      }
    const results = examples.map((_, item): SamplerResult => {
      const scores = sums[item]!.map(sum => sum / permutations)
      const errors = scores.map((score, player) =>
        permutations < 2
          ? Number.NaN
          : Math.sqrt(
              Math.max(0, squares[item]![player]! / permutations - score * score) / (permutations - 1),
            ),
      )
      return { scores, errors, full: full[item]!, samples: permutations, warnings: [] }
    })
    const played = results.map(result => {
      const standardError = relativeError(result.scores, result.errors!)
      return {
        result,
        ending: 'done' as const,
        evaluations: total + 1,
        ...(standardError === undefined ? {} : { standardError }),
      }
    })
    const run = {
      target,
      choices,
      played,
      shown: results.map((result, at) => spreadScores(examples[at]!, result.scores)),
      milliseconds: (performance.now() - started) / examples.length,
      notice: undefined,
      ...details,
    }
    return Promise.all(
      examples.map((example, at) =>
        perturbationResult(this.model, this.identity(), example, [run], at, false, false),
      ),
    )
  }
}
