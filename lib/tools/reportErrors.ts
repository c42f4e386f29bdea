import type { Image } from '../data/image.js'
import { AscribeError } from '../errors.js'
import { type ClassName, classIndex } from '../graph/target.js'
import type { Baseline } from '../methods/inputs/gradientMethod.js'
import {
  type ErrorExplanation,
  type ErrorSummary,
  summarizeErrors,
} from '../methods/regions/errorExplanation.js'
import type { RegionSearchMethod } from '../methods/regions/regionSearchMethod.js'
import { classify } from '../model/classify.js'
import { errorCase, errorsPage } from '../report/errorsPage.js'
import { expectInteger } from '../validate.js'
import { libraryVersion } from '../version.js'

/** A picture whose class is known. */
export interface KnownPicture {
  /** What it is called in the report. */
  readonly name: string
  readonly truth: ClassName
  /** Reads it; called once to classify it and once more where it is wrong. */
  read(): Promise<Image>
}

export interface ReportErrorsOptions {
  /** What the pictures are called together, for example their folder. */
  folder?: string
  /** The most wrong predictions that are explained, default 50; all are counted. */
  limit?: number
  /** Rows of one pass through the model; default as many as fit. */
  chunk?: number | undefined
  /** What absence looks like, in the model's space; default black. */
  baseline?: Baseline | undefined
  signal?: AbortSignal | undefined
  /** Pictures classified, then errors explained: thousandths. */
  onProgress?: ((done: number, total: number) => void) | undefined
}

/** One wrong prediction, in short. */
export interface ReportedError {
  readonly name: string
  readonly truth: ErrorExplanation['truth']
  readonly prediction: ErrorExplanation['prediction']
  readonly highestConfidence: ErrorExplanation['highestConfidence']
  readonly peak: ErrorExplanation['peak']
  readonly misleading: ErrorExplanation['misleading']
}

export interface ErrorReport {
  readonly pictures: number
  readonly wrong: number
  /** The errors that were explained. */
  readonly errors: readonly ReportedError[]
  readonly summary: ErrorSummary
  /** One self-contained page. */
  readonly html: string
}

/** Explained side by side, and let go of before the next ones. */
const together = 16

/**
 * The wrong predictions among pictures whose classes are known, explained on one page: the picture, prediction and
 * truth, what of the picture shows the truth, which regions misled, and the confidence along the way.
 *
 * @throws AscribeError `INPUT_MISSING` where there are no pictures; what the model and the search throw.
 */
export async function reportErrors(
  method: RegionSearchMethod,
  pictures: readonly KnownPicture[],
  options: ReportErrorsOptions = {},
): Promise<ErrorReport> {
  const { model } = method
  const { signal, onProgress, folder = 'these pictures' } = options
  const limit = expectInteger('limit', options.limit ?? 50, 0)
  if (pictures.length === 0) throw new AscribeError('INPUT_MISSING', 'There are no pictures')
  const truths = pictures.map(({ truth }) => classIndex(truth, model.labels))
  const wrong: number[] = []
  for (const [at, picture] of pictures.entries()) {
    const [top] = await classify(model, await picture.read(), { count: 1, ...(signal ? { signal } : {}) })
    if (top!.index !== truths[at]) wrong.push(at)
    onProgress?.(Math.round((100 * (at + 1)) / pictures.length), 1000)
  }
  const explained = wrong.slice(0, limit)
  const kept: ErrorExplanation[] = []
  const cases: string[] = []
  for (let first = 0; first < explained.length; first += together) {
    const part = explained.slice(first, first + together)
    const inputs: { input: Image; truth: number }[] = []
    for (const at of part) inputs.push({ input: await pictures[at]!.read(), truth: truths[at]! })
    const explanations = await method.explainErrors(inputs, {
      ...(signal ? { signal } : {}),
      ...(options.chunk === undefined ? {} : { chunk: options.chunk }),
      ...(options.baseline === undefined ? {} : { baseline: options.baseline }),
      onProgress: (done, total) => {
        const share = (first + (part.length * done) / total) / explained.length
        onProgress?.(100 + Math.round(900 * share), 1000)
      },
    })
    for (const [place, explanation] of explanations.entries()) {
      cases.push(await errorCase(pictures[part[place]!]!.name, explanation))
      kept.push(explanation)
    }
  }
  const summary = summarizeErrors(kept)
  const head = {
    model: model.name,
    method: method.identity().name,
    folder,
    pictures: pictures.length,
    wrong: wrong.length,
  }
  return {
    pictures: pictures.length,
    wrong: wrong.length,
    errors: kept.map((explanation, at) => ({
      name: pictures[explained[at]!]!.name,
      truth: explanation.truth,
      prediction: explanation.prediction,
      highestConfidence: explanation.highestConfidence,
      peak: explanation.peak,
      misleading: explanation.misleading,
    })),
    summary,
    html: errorsPage(head, summary, cases, libraryVersion),
  }
}
