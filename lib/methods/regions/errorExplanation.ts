import type { Attribution } from '../../attribution/attribution.js'
import { AscribeError } from '../../errors.js'
import { confidenceShares, type MisleadingRegion, type RegionSearch } from './regionSearch.js'
import { coveredShares } from './searchCurves.js'

/** The probability of the truth, and of what was predicted, as regions are shown. */
export interface PathPoint {
  /** Share of the area that is shown. */
  readonly area: number
  readonly truth: number
  readonly prediction: number
}

/**
 * What made a model miss the right class. Regions are ordered by what they do for the truth: it is most probable at the
 * peak, and regions shown behind it mislead.
 */
export class ErrorExplanation {
  readonly search: RegionSearch
  /** The class that is right, and its label. */
  readonly truth: { readonly index: number; readonly label?: string; readonly probability: number }
  /** The class that the model gives, and its label. */
  readonly prediction: { readonly index: number; readonly label?: string; readonly probability: number }
  /** Scores of the places for the true class. */
  readonly attribution: Attribution

  constructor(init: {
    search: RegionSearch
    truth: number
    labels: readonly string[] | undefined
    attribution: Attribution
  }) {
    const { search, truth, labels, attribution } = init
    const named = (index: number, probability: number) => ({
      index,
      ...(labels?.[index] === undefined ? {} : { label: labels[index] }),
      probability,
    })
    this.search = search
    this.attribution = attribution
    this.truth = named(truth, search.result.original)
    const [predicted] = search.output
    if (predicted === undefined) throw new AscribeError('INTERNAL', 'A search has no prediction')
    this.prediction = named(predicted.index, search.result.originalTracked[0] ?? predicted.probability ?? 0)
  }

  /** Whether the model is wrong about this input. */
  get isWrong(): boolean {
    return this.truth.index !== this.prediction.index
  }

  /** The highest probability of the truth within 25, 50, 75 and 100 % of the area; absent where no region fits. */
  get highestConfidence(): readonly { share: number; probability: number; area: number }[] {
    return confidenceShares.flatMap(share => {
      const highest = this.search.highestConfidence(share)
      return highest === undefined ? [] : [{ share, ...highest }]
    })
  }

  /** Where the truth is most probable: its probability, and the share of the area that shows it. */
  get peak(): { probability: number; area: number } | undefined {
    return this.search.highestConfidence()
  }

  /** Regions behind the peak that lower the truth, the worst one first. */
  get misleading(): readonly MisleadingRegion[] {
    return this.search.misleading()
  }

  /** Both probabilities along the order. */
  get path(): readonly PathPoint[] {
    const { order, prefixes } = this.search.result
    const shares = coveredShares(order, this.search.areas)
    return prefixes.flatMap((scores, at) =>
      scores === undefined
        ? []
        : [
            {
              area: shares[at]!,
              truth: scores.consistency,
              prediction: scores.tracked[0] ?? scores.consistency,
            },
          ],
    )
  }
}

/** Averages over explained errors. */
export interface ErrorSummary {
  readonly count: number
  /** For each share of the area: the mean highest probability of the truth over the samples that have one. */
  readonly highestConfidence: readonly { share: number; mean: number; samples: number }[]
  /** Mean share of the area at which the truth is most probable. */
  readonly peakArea: number
}

/** The average highest confidence, and the mean area of the peak. Samples without a region inside a share are skipped. */
export function summarizeErrors(explanations: readonly ErrorExplanation[]): ErrorSummary {
  const mean = (values: readonly number[]) =>
    values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    count: explanations.length,
    highestConfidence: confidenceShares.map(share => {
      const found = explanations.flatMap(({ search }) => search.highestConfidence(share)?.probability ?? [])
      return { share, mean: mean(found), samples: found.length }
    }),
    peakArea: mean(explanations.flatMap(({ peak }) => peak?.area ?? [])),
  }
}
