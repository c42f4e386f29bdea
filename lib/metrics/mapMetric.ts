import { Attribution } from '../attribution/attribution.js'
import type { Units } from '../attribution/units.js'
import { AscribeError } from '../errors.js'
import { type FeatureKind, featureScores, featuresOf } from './features.js'
import { type EvaluateOptions, type Judged, Metric, placeOf, type Tally } from './metric.js'
import type { SampleResult } from './result.js'
import type { RecordedMap } from './sample.js'

/** The scores of a map by feature; a bare list is taken as it is. */
export function mapScores(map: RecordedMap, kind: FeatureKind): Float64Array {
  if (!(map instanceof Attribution)) {
    const plain = { kind: 'tensor' as const, shape: [map.length] }
    return featureScores(map, featuresOf(plain, [map.length], kind), map.length, 'map')
  }
  if (map.hasTargetAxis && map.targets.length > 1)
    throw new AscribeError('OPTION_RANGE', `The map has ${map.targets.length} targets; slice one of them`)
  return valueScores(
    map.inputs.map(({ name, units, scores }) => ({ name, units, scores: scores.data })),
    kind,
  )
}

/** The same of scores by explained value. */
export function valueScores(
  values: readonly { name: string; units: Units; scores: ArrayLike<number> }[],
  kind: FeatureKind,
): Float64Array {
  const parts = values.map(({ name, units, scores }) => {
    // The last token axis has no batch axis in front.
    const shape =
      units.kind === 'tokens'
        ? [1, units.tokens.length, scores.length / units.tokens.length]
        : [scores.length]
    return featureScores(scores, featuresOf(units, shape, kind), scores.length, name)
  })
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  return all
}

/** A metric that looks at the map alone, and runs no model. */
export abstract class MapMetric extends Metric {
  protected abstract readonly features: FeatureKind
  protected abstract valuesOf(scores: Float64Array, judged: Judged): Record<string, number>

  protected override async judge(
    group: readonly Judged[],
    _options: EvaluateOptions,
    tally: Tally,
  ): Promise<SampleResult[]> {
    return group.map(judged => {
      if (judged.map instanceof Attribution) tally.forwardPasses += judged.map.cost.forwardPasses
      return { ...placeOf(judged), values: this.valuesOf(mapScores(judged.map, this.features), judged) }
    })
  }
}
