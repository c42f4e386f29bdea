import type { Attribution } from '../../attribution/attribution.js'
import { AscribeError } from '../../errors.js'
import type { BlackBox } from '../../frontends/blackbox/blackBox.js'
import { expectExplainable } from '../../frontends/blackbox/expectExplainable.js'
import { type CoalitionEvaluator, CoalitionGame } from '../../games/coalitionGame.js'
import { maskedBlackBox } from '../../games/maskedBlackBox.js'
import { type MaskedModel, maskedModel } from '../../games/maskedModel.js'
import { playTogether } from '../../games/play.js'
import { type ClassName, classIndex, Target } from '../../graph/target.js'
import type { Explainable } from '../../model/explainable.js'
import { joinModels } from '../../model/joinModels.js'
import { Model } from '../../model/model.js'
import { expectList, expectObject } from '../../validate.js'
import type { AttributionMethod } from '../attributionMethod.js'
import { choose } from '../inputs/choice.js'
import { type AttributeOptions, checkAttributeOptions, type Explained } from '../inputs/gradientMethod.js'
import type { Choice, MethodIdentity } from '../inputs/gradientResult.js'
import { angularDistances } from './effectiveness.js'
import { ErrorExplanation } from './errorExplanation.js'
import { evidentialEvaluator } from './evidentialEvaluator.js'
import { GreedySearch, type GreedySearchOptions, type SearchResult } from './greedySearch.js'
import { PartitionedSearch } from './partitionedSearch.js'
import { blankRegions, type RegionInput, regionInput } from './regionInput.js'
import type { RegionsGiven } from './regionOptions.js'
import { regionsAsked } from './regionOptions.js'
import { RegionSearch } from './regionSearch.js'
import { searchAttribution } from './searchAttribution.js'
import { evidentialConfidence, type SearchReadoutOptions, searchReadout } from './searchReadout.js'

/** What a method of the family decides. */
export interface SearchSettings
  extends Omit<GreedySearchOptions, 'players' | 'candidates' | 'distances' | 'pending'>,
    Pick<SearchReadoutOptions, 'features' | 'evidence' | 'form' | 'softmax'> {
  pending(players: number): number
  readonly regions: RegionsGiven | undefined
  readonly regionCount: number | undefined
  readonly budget: number | undefined
  /** Random parts of the regions that are searched first, each alone; needs a limit. */
  readonly parts?: { readonly count: number; readonly seed: number } | undefined
  readonly precision: 'f32' | 'f64'
  /** A model whose outputs are evidence, in place of a value of the classifier. */
  readonly evidential?: Model | undefined
  /** What a reader of results should know of the settings. */
  readonly notices: readonly { code: string; message: string }[]
}

/** Searches side by side: more fill no batch better, and their pictures lie on the device together. */
const greatestGroup = 16

/** One run of searches: what results are made of. */
export interface SearchRun {
  readonly searches: readonly RegionSearch[]
  readonly device: string
  readonly precision: string
  readonly chunk: number
  readonly peakBytes: number
  readonly milliseconds: number
  readonly warnings: readonly { code: string; message: string }[]
}

const alikeKey = ({ prepared, input, axes, regions, item }: RegionInput): string =>
  JSON.stringify([
    Object.entries(prepared.tensors).map(([name, { dtype, shape }]) => [name, dtype, shape]),
    input,
    axes,
    regions.shape,
    typeof item.baseline === 'number' ? 0 : item.baseline.shape,
  ])

/** Sets that a search is going to evaluate, about. */
function expectedEvaluations({ limit, pending, budget, weights }: SearchSettings, players: number): number {
  const steps = Math.min(limit ?? players, players)
  const left = players - steps / 2
  const ends = pending(players) < players ? 0.65 : 1
  const sets = steps * left * (weights.collaboration === 0 ? 1 : 2) * ends
  return Math.min(sets, budget ?? Number.POSITIVE_INFINITY)
}

function searchPlayer(
  { parts, limit }: SearchSettings,
  options: GreedySearchOptions,
): GreedySearch | PartitionedSearch {
  if (parts === undefined || limit === undefined) return new GreedySearch(options)
  if (parts.count > options.players)
    throw new AscribeError(
      'OPTION_RANGE',
      `${options.players} regions cannot be split into ${parts.count} parts`,
    )
  return new PartitionedSearch({ ...options, limit }, parts.count, parts.seed)
}

/** Whether both see the same picture. */
const isPreparedAlike = (a: Model, b: Model): boolean =>
  JSON.stringify(a.preprocessing ?? null) === JSON.stringify(b.preprocessing ?? null)

/** What is set to the baseline already cannot be taken away: its place in an order means nothing. */
function blankNotice(group: readonly RegionInput[]): { code: string; message: string }[] {
  const blank = group.map(blankRegions).find(regions => regions.length > 0)
  if (blank === undefined) return []
  const listed = blank.slice(0, 5).join(', ')
  return [
    {
      code: 'REGION_IS_BASELINE',
      message: `Regions that are the baseline already show nothing, and where they stand means nothing: ${listed}${blank.length > 5 ? ' …' : ''}.`,
    },
  ]
}

/**
 * The shared course of the greedy searches over regions: prepare, pick the class, let the searches of up to 16 inputs
 * play in lock-step over one masked model, put orders and curves into results.
 */
export abstract class RegionSearchMethod implements AttributionMethod {
  #joined: { readonly with: ReturnType<typeof joinModels> } | undefined

  constructor(readonly model: Explainable) {
    expectExplainable(model)
  }

  abstract identity(): MethodIdentity
  protected abstract settings(): SearchSettings
  /** Scores of regions of a finished search. */
  protected abstract scores(result: SearchResult): Float64Array

  /** Scores of one input: each place has that of its region. */
  async attribute(input: Explained, options: AttributeOptions = {}): Promise<Attribution> {
    const [only] = await this.attributeBatch([input], options)
    return only!
  }

  /** Scores of many inputs, searched side by side; each is what {@link attribute} gives for it alone. */
  async attributeBatch(inputs: readonly Explained[], options: AttributeOptions = {}): Promise<Attribution[]> {
    checkAttributeOptions(options)
    const isList = Array.isArray(options.target)
    const targets = (isList ? options.target : [options.target]) as (Target | number | string | undefined)[]
    const results: Attribution[] = []
    for await (const group of this.#groups(inputs, options)) {
      const runs: SearchRun[] = []
      for (const target of targets) runs.push(await this.#run(group, Target.from(target), [], options))
      for (const at of group.keys())
        results.push(
          await searchAttribution(
            this.model,
            this.identity(),
            runs,
            at,
            isList,
            result => this.scores(result),
            this.settings().precision,
          ),
        )
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

  /** The search itself: order, curves and what they cost. */
  async search(input: Explained, options: AttributeOptions = {}): Promise<RegionSearch> {
    const [only] = await this.searchBatch([input], options)
    return only!
  }

  /** Searches of many inputs side by side. */
  async searchBatch(inputs: readonly Explained[], options: AttributeOptions = {}): Promise<RegionSearch[]> {
    checkAttributeOptions(options)
    if (Array.isArray(options.target))
      throw new AscribeError('TARGET_INVALID', 'A search has one target; search once for each')
    const found: RegionSearch[] = []
    const target = Target.from(options.target as Target | number | string | undefined)
    for await (const group of this.#groups(inputs, options))
      found.push(...(await this.#run(group, target, [], options)).searches)
    return found
  }

  /**
   * What made the model miss the right class: the search for the true class, along which the probability of the
   * predicted one is noted.
   *
   * @param truth The class that is right, by index or label.
   */
  async explainError(
    input: Explained,
    truth: ClassName,
    options: Omit<AttributeOptions, 'target'> = {},
  ): Promise<ErrorExplanation> {
    const [only] = await this.explainErrors([{ input, truth }], options)
    return only!
  }

  /** {@link explainError} for many inputs side by side, whatever class is right of each. */
  async explainErrors(
    cases: readonly { input: Explained; truth: ClassName }[],
    options: Omit<AttributeOptions, 'target'> = {},
  ): Promise<ErrorExplanation[]> {
    for (const [at, each] of expectList('cases', cases, 'a list of { input, truth }').entries())
      expectObject(`cases[${at}]`, each)
    const truths = cases.map(({ truth }) => classIndex(truth, this.model.labels))
    const explanations: ErrorExplanation[] = []
    const inputs = cases.map(({ input }) => input)
    for await (const group of this.#groups(inputs, options)) {
      const own = truths.slice(explanations.length, explanations.length + group.length)
      const run = await this.#run(group, Target.top(), own, options)
      for (const at of group.keys())
        explanations.push(
          new ErrorExplanation({
            search: run.searches[at]!,
            truth: own[at]!,
            labels: this.model.labels,
            attribution: await searchAttribution(
              this.model,
              this.identity(),
              [run],
              at,
              false,
              result => this.scores(result),
              this.settings().precision,
            ),
          }),
        )
    }
    return explanations
  }

  /** Inputs that may go through the model side by side. */
  async *#groups(inputs: readonly Explained[], options: AttributeOptions): AsyncGenerator<RegionInput[]> {
    expectList('inputs', inputs, 'a list of inputs')
    checkAttributeOptions(options)
    for (const name of ['layer', 'tokens'] as const)
      if (options[name] !== undefined)
        throw new AscribeError('OPTION_RANGE', `${this.identity().name} has no place for the option ${name}`)
    const { regions, regionCount } = this.settings()
    const asked = regionsAsked(regions, regionCount)
    let group: RegionInput[] = []
    for (const input of inputs) {
      const own = await regionInput(this.model, input, {
        regions: asked,
        inputs: options.inputs,
        baseline: options.baseline,
      })
      const isFull = group.length === greatestGroup
      if (group.length > 0 && (isFull || alikeKey(group[0]!) !== alikeKey(own))) {
        yield group
        group = []
      }
      group.push(own)
    }
    if (group.length > 0) yield group
  }

  /** The searches of a group for one target, or (where truths are given) for the true classes. */
  async #run(
    group: readonly RegionInput[],
    target: Target,
    truths: readonly number[],
    options: AttributeOptions,
  ): Promise<SearchRun> {
    const { model } = this
    const { signal } = options
    const { kind } = target.description
    if (kind !== 'top' && kind !== 'class')
      throw new AscribeError('TARGET_INVALID', `${this.identity().name} explains a class, not a ${kind}`, {
        hint: 'Give a class index or a label.',
      })
    const { score } = target.options
    if (score !== undefined && score !== 'probability')
      throw new AscribeError(
        'TARGET_INVALID',
        `${this.identity().name} explains the probability of a class, not its ${score}`,
        { hint: 'Leave `score` out.' },
      )
    const choices: Choice[] = []
    for (const { prepared } of group) {
      const choice = await choose(model, { prepared }, target, signal)
      if (choice.output.length === 0)
        throw new AscribeError('MODEL_CAPABILITY', 'The model gives no scores of classes')
      choices.push(choice)
    }
    const questions = choices.map((choice, at) =>
      truths.length === 0
        ? { target: choice.class!, tracked: [] }
        : { target: truths[at]!, tracked: [choice.class!] },
    )
    return this.#play(group, choices, questions, target, options)
  }

  /** This model and an evidential one as one, where they share a trunk. */
  #joinedWith(evidential: Model): ReturnType<typeof joinModels> {
    if (!(this.model instanceof Model) || !isPreparedAlike(this.model, evidential)) return undefined
    this.#joined ??= { with: joinModels(this.model, evidential) }
    return this.#joined.with
  }

  async #play(
    group: readonly RegionInput[],
    choices: readonly Choice[],
    questions: readonly { target: number; tracked: number[] }[],
    target: Target,
    options: AttributeOptions,
  ): Promise<SearchRun> {
    const { signal } = options
    const asked = this.settings()
    // A trunk that both models share runs once.
    const joined = asked.evidential && this.#joinedWith(asked.evidential)
    const model = joined?.model ?? this.model
    const settings = joined ? { ...asked, evidential: undefined, evidence: joined.output } : asked
    const started = performance.now()
    for (const { regions } of group)
      if (settings.limit !== undefined && settings.limit > regions.count)
        throw new AscribeError(
          'OPTION_RANGE',
          `${settings.limit} regions are to be chosen, and there are ${regions.count}`,
        )
    const readout = searchReadout({
      output: target.options.output ?? model.outputs[0]?.name ?? '',
      features: settings.features,
      evidence: settings.evidence,
      form: settings.form,
      softmax: settings.softmax,
      countsConfidence: settings.weights.confidence > 0,
      questions,
    })
    const [{ input, axes }] = group as [RegionInput]
    const shared = { input, axes, chunk: options.chunk, precision: settings.precision, signal }
    const items = group.map(({ item }) => item)
    const evaluations = Math.min(...group.map(({ regions }) => expectedEvaluations(settings, regions.count)))
    const native =
      model instanceof Model
        ? await maskedModel({ ...shared, model, items, readout, evaluations })
        : undefined
    const classifier: CoalitionEvaluator =
      native ??
      maskedBlackBox({
        ...shared,
        box: model as BlackBox,
        items,
        outputs: readout.sources,
        width: readout.width,
        read: (rows, request) =>
          readout.read(
            rows.map(({ row }) => row),
            request,
          ),
      })
    let evidential: MaskedModel | undefined
    try {
      evidential = settings.evidential && (await this.#evidential(settings.evidential, group, shared))
      const evaluator = evidential ? evidentialEvaluator(classifier, evidential) : classifier
      const seats = group.map(({ regions }, item) => ({
        game: new CoalitionGame({ players: regions.count, evaluator, item }),
        player: searchPlayer(settings, {
          ...settings,
          players: regions.count,
          pending: settings.pending(regions.count),
          distances: () => angularDistances(readout.featuresOf(item)),
        }),
      }))
      const played = await playTogether(seats, {
        budget: settings.budget,
        signal,
        onProgress: options.onProgress,
      })
      for (const { result } of played)
        if (result.chosen === 0)
          throw new AscribeError(
            'OPTION_RANGE',
            `A budget of ${settings.budget} evaluations does not reach the first region`,
          )
      return {
        searches: played.map(
          ({ result, ending, evaluations }, at) =>
            new RegionSearch({
              input: group[at]!,
              target: questions[at]!.target,
              output: choices[at]!.output,
              result,
              ending,
              evaluations,
            }),
        ),
        device: native?.device ?? 'external',
        precision: native?.precision ?? settings.precision,
        chunk: native?.chunk ?? classifier.batch,
        peakBytes: Math.max(native?.peakBytes ?? 0, evidential?.peakBytes ?? 0),
        milliseconds: performance.now() - started,
        warnings: [
          ...settings.notices,
          ...blankNotice(group),
          ...(native?.batching.notice ? [native.batching.notice] : []),
          ...(readout.looksLikeProbabilities()
            ? [
                {
                  code: 'SCORES_ARE_PROBABILITIES',
                  message:
                    'The scores of every set add up to 1: the model seems to end in a softmax that was not recognised, and a second one was applied.',
                },
              ]
            : []),
        ],
      }
    } finally {
      native?.dispose()
      evidential?.dispose()
    }
  }

  /** The second model under the same masks; its pictures have its own preprocessing. */
  async #evidential(
    model: Model,
    group: readonly RegionInput[],
    shared: { chunk: number | undefined; precision: 'f32' | 'f64'; signal: AbortSignal | undefined },
  ): Promise<MaskedModel> {
    const inputs: RegionInput[] = []
    for (const { prepared, regions, item } of group)
      inputs.push(
        await regionInput(model, prepared.picture ?? prepared.tensors, {
          regions,
          baseline: prepared.picture ? undefined : item.baseline,
        }),
      )
    const output = model.outputs[0]!.name
    return maskedModel({
      ...shared,
      model,
      items: inputs.map(({ item }) => item),
      input: inputs[0]!.input,
      axes: inputs[0]!.axes,
      readout: {
        key: `evidence ${output}`,
        width: 1,
        outputs: (builder, outputs) => [builder.apply('flatten', [outputs.get(output)!], { axis: 1 })],
        read: ([row]) => Float64Array.of(evidentialConfidence(row!)),
      },
    })
  }
}
