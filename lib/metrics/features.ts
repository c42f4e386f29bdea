import type { Units } from '../attribution/units.js'
import { AscribeError } from '../errors.js'

/** What is removed at once: a unit (a pixel with its channels, a token with its features), or each number alone. */
export type FeatureKind = 'unit' | 'element'

/** The features of one explained value, whose numbers lie in `shape` [1, …]. */
export interface FeatureMap {
  readonly kind: FeatureKind
  readonly count: number
  /** The shape in which one number a feature broadcasts over the value: axes that a feature spans are 1. */
  readonly shape: readonly number[]
  /** Rows and columns where features are the pixels of a picture. */
  readonly grid?: { readonly height: number; readonly width: number }
  /** Numbers of one feature. */
  readonly span: number
  /** The feature of an element. */
  of(element: number): number
}

/** Features of a value with some units. Values of no known structure have their elements as units. */
export function featuresOf(units: Units, shape: readonly number[], kind: FeatureKind): FeatureMap {
  const elements = shape.reduce((product, size) => product * size, 1)
  const single: FeatureMap = {
    kind: 'element',
    count: elements,
    shape,
    span: 1,
    of: element => element,
  }
  if (units.kind === 'grid') {
    const { height, width } = units
    const area = height * width
    const grid = { height, width }
    const channels = elements / area
    if (kind === 'element') return channels === 1 ? { ...single, grid } : single
    const isLast = units.layout.endsWith('C')
    return {
      kind,
      count: area,
      shape: isLast ? [1, height, width, 1] : [1, 1, height, width],
      span: channels,
      grid,
      of: isLast ? element => Math.floor(element / channels) : element => element % area,
    }
  }
  if (units.kind === 'tokens' && kind === 'unit') {
    const length = shape[1]!
    const features = elements / length
    return {
      kind,
      count: length,
      shape: [1, length, 1],
      span: features,
      of: element => Math.floor(element / features),
    }
  }
  return single
}

/** Scores by feature: those of a feature's elements added up; scores that are by feature already stay. */
export function featureScores(
  scores: ArrayLike<number>,
  features: FeatureMap,
  elements: number,
  name: string,
): Float64Array {
  const result = new Float64Array(features.count)
  if (scores.length !== elements && scores.length !== features.count)
    throw new AscribeError(
      'INPUT_SHAPE',
      `The map of "${name}" has ${scores.length} scores, expected ${elements}${features.count === elements ? '' : ` or ${features.count}`}`,
    )
  const isPlain = scores instanceof Float32Array || scores instanceof Float64Array
  if (isPlain && scores.length === features.count) {
    result.set(scores)
    // Nothing less itself is 0, of NaN and infinity NaN, which a sum keeps.
    let odd = 0
    for (let at = 0; at < result.length; at++) odd += result[at]! - result[at]!
    if (odd === 0) return result
    result.fill(0)
  }
  for (let at = 0; at < scores.length; at++) {
    const score = Number(scores[at])
    if (!Number.isFinite(score))
      throw new AscribeError('NOT_FINITE', `Score ${at} of the map of "${name}" is ${score}`)
    const feature = scores.length === elements ? features.of(at) : at
    result[feature]! += score
  }
  return result
}
