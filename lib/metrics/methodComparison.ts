import type { Attribution } from '../attribution/attribution.js'
import type { Cost, OutputEntry, TargetDescription } from '../attribution/types.js'
import type { Units } from '../attribution/units.js'
import type { Image } from '../data/image.js'
import { greatestPositions, spearmanCorrelation } from '../data/rankStatistics.js'
import { AscribeError } from '../errors.js'
import type { Model } from '../model/model.js'
import { throwIfAborted } from './metric.js'
import { sobelOf } from './nullMaps.js'
import { withFixedTarget } from './randomisedMaps.js'
import { randomStream } from './randomStream.js'
import type { MetricEntry } from './registry.js'
import type { Summary } from './result.js'
import type { Attributer, MetricSample } from './sample.js'
import { prepareSubject, type Subject } from './subject.js'

/** A method under comparison, by the name that it goes by. */
export interface ComparedMethod {
  readonly name: string
  readonly method: Attributer
}

export interface CompareOptions {
  /** Metrics by their entries; those that need masks are left out. */
  metrics: readonly MetricEntry[]
  layer?: string | readonly string[]
  seed?: number
  /** Maps that are kept for drawing: of so many samples. Default 24. */
  shown?: number
  signal?: AbortSignal
  onProgress?: (done: number, total: number) => void
}

/** One method, or one kind of map that knows nothing of the model. */
export interface ComparisonRow {
  readonly name: string
  readonly isNull: boolean
  /** Values by metric, then by name; absent where a metric cannot ask (a null row has no method). */
  readonly metrics: Readonly<Record<string, Readonly<Record<string, Summary>>>>
  /** Of one sample, on average. */
  readonly cost?: Pick<Cost, 'forwardPasses' | 'backwardPasses' | 'milliseconds'>
  readonly warnings: readonly string[]
}

/** A sample and its maps, row by row, for drawing. */
export interface ShownSample {
  readonly name: string
  readonly target: TargetDescription
  readonly output: readonly OutputEntry[]
  readonly picture?: Image
  /** One score a unit. */
  readonly units: Units
  readonly maps: readonly Float32Array[]
}

export interface MethodComparison {
  readonly model: string
  readonly samples: number
  readonly metrics: readonly MetricEntry[]
  readonly rows: readonly ComparisonRow[]
  /** Means over samples, row by row: rank correlation of the scores, and shared part of the k strongest units. */
  readonly spearman: readonly (readonly number[])[]
  readonly topOverlap: readonly (readonly number[])[]
  /** The k of the overlap, as a share of the units. */
  readonly topShare: number
  readonly shown: readonly ShownSample[]
}

const topShare = 0.05
const asIs = { features: 'unit', baseline: 0 } as const

const nullNames: readonly string[] = ['random map', 'edge map']

/** Maps that know nothing of the model: random numbers, and the edges of a picture. */
function nullMaps(subject: Subject, seed: number): [string, Float64Array][] {
  const stream = randomStream(seed, subject.id, 'null map')
  const maps: [string, Float64Array][] = [
    ['random map', Float64Array.from(subject.scores, () => stream.uniform())],
  ]
  const [name] = subject.explained.names as [string]
  const units = subject.explained.units[name]!
  if (subject.explained.names.length > 1 || units.kind !== 'grid') return maps
  const { width, height, layout } = units
  const { data } = subject.explained.tensors[name]!
  const area = width * height
  const channels = data.length / area
  const at = layout.endsWith('C')
    ? (pixel: number, channel: number) => pixel * channels + channel
    : (pixel: number, channel: number) => channel * area + pixel
  const brightness = (pixel: number): number => {
    let sum = 0
    for (let channel = 0; channel < channels; channel++) sum += Number(data[at(pixel, channel)])
    return sum
  }
  return [...maps, ['edge map', sobelOf(width, height, brightness)]]
}

/**
 * Maps of several methods for the same samples, beside maps that know nothing: their metrics with intervals, how much
 * they agree, and what they cost. The class that the model gives a sample is the target of all.
 *
 * @throws AscribeError `INPUT_MISSING` without samples or methods, `OPTION_RANGE` for names that are not unique, and what methods and metrics throw
 */
export async function compareMethods(
  model: Model,
  samples: readonly MetricSample[],
  methods: readonly ComparedMethod[],
  options: CompareOptions,
): Promise<MethodComparison> {
  if (samples.length === 0 || methods.length === 0)
    throw new AscribeError('INPUT_MISSING', 'There is nothing to compare: give inputs and methods')
  const repeated = methods.find(({ name }, at) => methods.findIndex(each => each.name === name) < at)
  if (repeated !== undefined)
    throw new AscribeError('OPTION_RANGE', `Two of the compared methods are called "${repeated.name}"`)
  const reserved = methods.find(({ name }) => nullNames.includes(name))
  if (reserved !== undefined)
    throw new AscribeError('OPTION_RANGE', `"${reserved.name}" is the name of a map that knows nothing`)
  const { layer, signal, onProgress, seed = 0, shown: mostShown = 24 } = options
  const metrics = options.metrics.filter(({ needs }) => needs !== 'mask')
  const fixed: MetricSample[] = []
  const maps: { name: string; isNull: boolean; scores: Float32Array[] }[] = []
  const costs = methods.map(() => ({ forwardPasses: 0, backwardPasses: 0, milliseconds: 0 }))
  const warnings = methods.map(() => new Set<string>())
  const shown: ShownSample[] = []
  let [done, total] = [0, samples.length * methods.length]
  const step = () => onProgress?.(++done, total)
  const put = (name: string, isNull: boolean, scores: Float64Array) => {
    const row = maps.find(each => each.name === name) ?? { name, isNull, scores: [] }
    if (row.scores.length === 0) maps.push(row)
    row.scores.push(Float32Array.from(scores))
  }
  for (const [index, given] of samples.entries()) {
    let sample = given
    let first: { subject: Subject; map: Attribution } | undefined
    for (const [at, { name, method }] of methods.entries()) {
      throwIfAborted(signal)
      const map = await method.attribute(sample.input, {
        ...(sample.target === undefined ? {} : { target: sample.target }),
        ...(layer === undefined ? {} : { layer }),
        ...(signal ? { signal } : {}),
      })
      sample = withFixedTarget(sample, map)
      const subject = await prepareSubject(model, sample, index, map, {
        ...asIs,
        ...(layer === undefined ? {} : { layer }),
        ...(signal ? { signal } : {}),
      })
      first ??= { subject, map }
      put(name, false, subject.scores)
      for (const key of ['forwardPasses', 'backwardPasses', 'milliseconds'] as const)
        costs[at]![key] += map.cost[key] / samples.length
      for (const { code } of map.warnings) warnings[at]!.add(code)
      step()
    }
    const { subject, map } = first!
    for (const [name, scores] of nullMaps(subject, seed)) put(name, true, scores)
    fixed.push(sample)
    if (index >= mostShown) continue
    const [value] = subject.explained.names as [string]
    const picture = subject.prepared.picture
    shown.push({
      name: sample.id ?? `input ${index + 1}`,
      target: map.targets[0]!,
      output: map.output,
      ...(picture === undefined ? {} : { picture }),
      units: flatUnits(subject, value),
      maps: maps.map(({ scores }) => scores[index]!),
    })
  }
  total += metrics.length * maps.length
  const rows: ComparisonRow[] = []
  for (const [at, { name, isNull, scores }] of maps.entries()) {
    const found: Record<string, Readonly<Record<string, Summary>>> = {}
    for (const entry of metrics) {
      if (!(entry.needs === 'method' && isNull)) {
        const result = await entry.create(model, {}).evaluate(
          fixed.map((sample, index) => ({ ...sample, map: scores[index]! })),
          {
            ...(layer === undefined ? {} : { layer }),
            ...(signal ? { signal } : {}),
            ...(entry.needs === 'method' ? { maps: methods[at]!.method } : {}),
          },
        )
        found[entry.name] = result.summary
      }
      step()
    }
    const methodAt = isNull ? -1 : at
    rows.push({
      name,
      isNull,
      metrics: found,
      ...(methodAt < 0 ? {} : { cost: costs[methodAt]! }),
      warnings: methodAt < 0 ? [] : [...warnings[methodAt]!],
    })
  }
  const pairs = (measure: (a: Float32Array, b: Float32Array) => number) =>
    maps.map(a =>
      maps.map(b => {
        const values = a.scores.map((scores, index) => measure(scores, b.scores[index]!))
        return values.reduce((sum, value) => sum + value, 0) / values.length
      }),
    )
  return {
    model: model.name,
    samples: samples.length,
    metrics,
    rows,
    spearman: pairs(spearmanCorrelation),
    topOverlap: pairs(overlap),
    topShare,
    shown,
  }
}

/** The part of the strongest units that two maps have in common, by the size of their scores. */
function overlap(a: Float32Array, b: Float32Array): number {
  const k = Math.max(1, Math.round(topShare * a.length))
  const top = new Set(greatestPositions(a.map(Math.abs), k))
  return greatestPositions(b.map(Math.abs), k).filter(place => top.has(place)).length / k
}

/** Units with one score each: a picture's pixels, tokens, else a row of numbers. */
function flatUnits({ explained, count }: Subject, value: string): Units {
  const units = explained.units[value]!
  if (explained.names.length > 1) return { kind: 'tensor', shape: [count] }
  if (units.kind === 'grid') return { ...units, layout: 'HW', channels: 1 }
  return units.kind === 'tokens'
    ? { kind: 'tokens', tokens: units.tokens }
    : { kind: 'tensor', shape: [count] }
}
