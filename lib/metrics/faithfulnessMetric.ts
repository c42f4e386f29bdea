import type { Model } from '../model/model.js'
import type { FeatureKind } from './features.js'
import { type EvaluateOptions, type Judged, Metric, placeOf, type Tally } from './metric.js'
import { Overlap } from './overlap.js'
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
    const results: SampleResult[] = []
    const waiting = new Map<string, [Subject, P][]>()
    await Overlap.of(async overlap => {
      const begin = (part: readonly [Subject, P][]) =>
        overlap.begin(async () => {
          const scores = await runs.run(
            part.map(([subject]) => subject),
            part.map(([, perturbation]) => perturbation),
          )
          for (const [at, [subject, perturbation]] of part.entries())
            results.push({ ...placeOf(subject), ...this.reduce(subject, scores[at]!, perturbation) })
        })
      for (const { sample, index, map } of group) {
        const subject = await prepareSubject(this.model, sample, index, map, {
          features: this.features,
          baseline: this.baseline,
          ...(layer === undefined ? {} : { layer }),
          ...(signal ? { signal } : {}),
        })
        const perturbation = await this.perturb(subject)
        const kind = passKind(subject, perturbation)
        const part = [...(waiting.get(kind) ?? []), [subject, perturbation] as [Subject, P]]
        waiting.delete(kind)
        if (part.length < PerturbedRuns.together(copiesOf(perturbation))) waiting.set(kind, part)
        else await begin(part)
      }
      for (const part of waiting.values()) await begin(part)
    })
    tally.forwardPasses += runs.passes
    for (const [code, notice] of runs.notices) tally.warnings.set(code, notice)
    return results
  }
}

/** What must be equal for copies of two samples to share passes. */
function passKind(subject: Subject, perturbation: Perturbation): string {
  const players = perturbation.kind === 'masked' ? perturbation.players : 0
  return `${players} ${copiesOf(perturbation)} ${kindOf(subject)}`
}
