import type { Model } from '../model/model.js'
import type { FeatureKind } from './features.js'
import { type EvaluateOptions, type Judged, Metric, placeOf, type Tally } from './metric.js'
import { copiesOf, type Perturbation } from './perturbation.js'
import { type CopyScores, PerturbedRuns } from './perturbedRuns.js'
import type { SampleResult } from './result.js'
import { kindOf, type MetricBaseline, prepareSubject, type Subject } from './subject.js'

/** What every metric that removes features can be told. */
export const featuresOption = {
  features: {
    kind: 'choice',
    choices: ['unit', 'element'],
    default: 'unit',
    description:
      'What is removed at once: a unit (a pixel with its channels, a token; scores added up), or each number alone.',
  },
} as const

/** The option that no schema can hold: a tensor, or a record. */
export interface BaselineOption {
  /**
   * What takes the place of a removed feature, in model space: see `Baseline`; `minimum` is the least number of the
   * sample itself, which Quantus calls "black".
   */
  baseline?: MetricBaseline
}

/** Splits options that no schema can hold from those that one does. */
export function withoutBaseline<O extends BaselineOption>(options: O): Omit<O, 'baseline'> {
  const { baseline: _, ...rest } = options
  return rest
}

/**
 * The course of metrics that change an input and watch the score: each says how a sample is perturbed and what the
 * scores of the copies mean.
 */
export abstract class FaithfulnessMetric<P extends Perturbation> extends Metric {
  constructor(
    readonly model: Model,
    readonly baseline: MetricBaseline,
  ) {
    super()
  }
  protected abstract readonly features: FeatureKind
  protected abstract perturb(subject: Subject): P | Promise<P>
  protected abstract reduce(
    subject: Subject,
    scores: CopyScores,
    perturbation: P,
  ): Omit<SampleResult, 'index' | 'id'>

  protected override async judge(
    group: readonly Judged[],
    options: EvaluateOptions,
    tally: Tally,
  ): Promise<SampleResult[]> {
    const { layer, signal, chunk } = options
    const runs = new PerturbedRuns(this.model, { chunk, signal })
    const ready: [Subject, P][] = []
    for (const { sample, index, map } of group) {
      const subject = await prepareSubject(this.model, sample, index, map, {
        features: this.features,
        baseline: this.baseline,
        ...(layer === undefined ? {} : { layer }),
        ...(signal ? { signal } : {}),
      })
      ready.push([subject, await this.perturb(subject)])
    }
    const results: SampleResult[] = []
    for (const part of inPasses(ready)) {
      const subjects = part.map(([subject]) => subject)
      const scores = await runs.run(
        subjects,
        part.map(([, perturbation]) => perturbation),
      )
      for (const [at, [subject, perturbation]] of part.entries())
        results.push({ ...placeOf(subject), ...this.reduce(subject, scores[at]!, perturbation) })
    }
    tally.forwardPasses += runs.passes
    for (const [code, notice] of runs.notices) tally.warnings.set(code, notice)
    return results
  }
}

/** Subjects of one kind, as many at once as make full passes. */
function inPasses<P extends Perturbation>(ready: readonly [Subject, P][]): [Subject, P][][] {
  const kinds = new Map<string, [Subject, P][]>()
  for (const each of ready) {
    const [subject, perturbation] = each
    const players = perturbation.kind === 'masked' ? perturbation.players : 0
    const key = `${players} ${copiesOf(perturbation)} ${kindOf(subject)}`
    kinds.set(key, [...(kinds.get(key) ?? []), each])
  }
  return [...kinds.values()].flatMap(list => {
    const size = PerturbedRuns.together(copiesOf(list[0]![1]))
    return Array.from({ length: Math.ceil(list.length / size) }, (_, at) =>
      list.slice(at * size, (at + 1) * size),
    )
  })
}
