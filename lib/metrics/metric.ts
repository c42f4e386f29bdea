import { AscribeError } from '../errors.js'
import type { MethodIdentity } from '../methods/inputs/gradientMethod.js'
import { expectLayer } from '../model/layerNames.js'
import { expectInteger, expectKnownKeys, expectObject, typeError } from '../validate.js'
import { type MetricResult, meanCurves, type SampleResult, summariseAll } from './result.js'
import {
  checkMap,
  checkSample,
  type MapSource,
  type MetricSample,
  mapsOf,
  type RecordedMap,
} from './sample.js'

/** How samples are judged. */
export interface EvaluateOptions {
  /** Where maps come from: a method, or a function of the sample. Default: the `map` of each sample. */
  maps?: MapSource
  /** Values inside the model that the maps explain, where they explain no inputs. */
  layer?: string | readonly string[]
  /** Perturbed copies of one pass at most; default as many as fit the memory bound and are computed best, 32 at most. */
  chunk?: number
  signal?: AbortSignal
  /** Samples done, and how many there are where that is known. */
  onProgress?: (done: number, total: number | undefined) => void
}

/** What an evaluation adds up while it runs. */
export interface Tally {
  forwardPasses: number
  readonly warnings: Map<string, { code: string; message: string }>
}

/** A sample and the map that is judged. */
export interface Judged {
  readonly sample: MetricSample
  readonly index: number
  readonly map: RecordedMap
}

/** Samples that are read, explained and judged at once. */
const groupSize = 16

export const throwIfAborted = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted) throw new AscribeError('ABORTED', 'The work was aborted', { cause: signal.reason })
}

function check(options: EvaluateOptions): void {
  expectObject('evaluate options', options)
  expectKnownKeys('evaluate options', options, ['maps', 'layer', 'chunk', 'signal', 'onProgress'])
  if (options.chunk !== undefined) expectInteger('chunk', options.chunk, 1, 1 << 20)
  if (options.layer !== undefined) expectLayer(options.layer)
  const { maps } = options
  const attributes = typeof (maps as { attribute?: unknown } | undefined)?.attribute === 'function'
  if (maps !== undefined && typeof maps !== 'function' && !attributes)
    throw typeError('maps', 'a method (something with `attribute`) or a function', maps)
}

/**
 * Judges maps, sample by sample. What it says of a sample does not depend on the others, on their order, or on how many
 * share a pass (beyond the rounding of another batch, 1e-5 relative).
 */
export abstract class Metric {
  abstract identity(): MethodIdentity
  /** Names of values that are 1 for a hit and 0 for a miss: their means are shares, with intervals of shares. */
  protected readonly shares: readonly string[] = []
  /** The maps of some samples, in their order. */
  protected async explain(
    samples: readonly MetricSample[],
    first: number,
    { maps, layer, signal }: EvaluateOptions,
  ): Promise<RecordedMap[]> {
    return mapsOf(samples, first, maps, {
      ...(layer === undefined ? {} : { layer }),
      ...(signal ? { signal } : {}),
    })
  }
  /** Judges some samples; results in any order. */
  protected abstract judge(
    group: readonly Judged[],
    options: EvaluateOptions,
    tally: Tally,
  ): Promise<SampleResult[]>

  /** Results one by one, in the order of the samples; memory does not grow with their number. */
  async *stream(
    samples: Iterable<MetricSample> | AsyncIterable<MetricSample>,
    options: EvaluateOptions = {},
  ): AsyncGenerator<SampleResult> {
    check(options)
    yield* this.#stream(samples, options, { forwardPasses: 0, warnings: new Map() })
  }

  /**
   * Judges all samples.
   *
   * @returns Every sample's values, and their means with 95 % intervals.
   * @throws AscribeError `INPUT_MISSING` without samples or maps, `INPUT_SHAPE`, `NOT_FINITE`, `ABORTED`
   */
  async evaluate(
    samples: Iterable<MetricSample> | AsyncIterable<MetricSample>,
    options: EvaluateOptions = {},
  ): Promise<MetricResult> {
    check(options)
    const started = performance.now()
    const tally: Tally = { forwardPasses: 0, warnings: new Map() }
    const total = Array.isArray(samples) ? samples.length : undefined
    const results: SampleResult[] = []
    for await (const result of this.#stream(samples, options, tally)) {
      results.push(result)
      options.onProgress?.(results.length, total)
    }
    if (results.length === 0) throw new AscribeError('INPUT_MISSING', 'There are no samples')
    const { name, seed, options: own } = this.identity()
    return {
      metric: name,
      options: own,
      ...(seed === undefined ? {} : { seed }),
      samples: results,
      summary: summariseAll(results, this.shares),
      curves: meanCurves(results),
      cost: { forwardPasses: tally.forwardPasses, milliseconds: performance.now() - started },
      warnings: [...tally.warnings.values()],
    }
  }

  async *#stream(
    samples: Iterable<MetricSample> | AsyncIterable<MetricSample>,
    options: EvaluateOptions,
    tally: Tally,
  ): AsyncGenerator<SampleResult> {
    let group: MetricSample[] = []
    let first = 0
    for await (const sample of samples) {
      group.push(sample)
      if (group.length < groupSize) continue
      yield* await this.#judge(group, first, options, tally)
      first += group.length
      group = []
    }
    if (group.length > 0) yield* await this.#judge(group, first, options, tally)
  }

  async #judge(
    samples: readonly MetricSample[],
    first: number,
    options: EvaluateOptions,
    tally: Tally,
  ): Promise<SampleResult[]> {
    throwIfAborted(options.signal)
    for (const [at, sample] of samples.entries()) checkSample(sample, first + at)
    const found = await this.explain(samples, first, options)
    for (const [at, map] of found.entries()) checkMap(`the map of sample ${first + at}`, map)
    const judged = samples.map((sample, at) => ({ sample, index: first + at, map: found[at]! }))
    const results = await this.judge(judged, options, tally)
    return results.toSorted((a, b) => a.index - b.index)
  }
}

/** The place and name of a sample, for its result. */
export const placeOf = ({
  index,
  sample,
}: Pick<Judged, 'index' | 'sample'>): { index: number; id?: string } => ({
  index,
  ...(sample.id === undefined ? {} : { id: sample.id }),
})
