import { arrayConstructors, createTensor, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import type { AttributedInput } from './attributedInput.js'
import type { Units } from './units.js'

/**
 * How the scores of one unit's channels or features become one score. `sum` keeps signs and completeness; `absmax`
 * is the greatest absolute score; `l2` the Euclidean norm; `none` leaves them.
 */
export const aggregations = ['sum', 'mean', 'absmax', 'l2', 'none'] as const

/** The name of an aggregation. */
export type Aggregation = (typeof aggregations)[number]

const reducers: Record<Exclude<Aggregation, 'none'>, (values: Float64Array) => number> = {
  sum: values => values.reduce((total, value) => total + value, 0),
  mean: values => values.reduce((total, value) => total + value, 0) / values.length,
  absmax: values => values.reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 0),
  l2: values => Math.sqrt(values.reduce((total, value) => total + value * value, 0)),
}

/** Where the axis that goes away lies, counted from the end, and the units without it. */
function reduction(
  units: Units,
  axis: number | undefined,
  name: string,
): { axis: number; units: Units } | undefined {
  if (units.kind === 'grid') {
    if (!units.layout.includes('C')) return undefined
    return {
      axis: units.layout.indexOf('C') - units.layout.length,
      units: { ...units, layout: 'HW', channels: 1 },
    }
  }
  if (units.kind === 'tokens') {
    if (units.features === undefined) return undefined
    const { features: _, ...own } = units
    return { axis: -1, units: own }
  }
  if (axis === undefined)
    throw new AscribeError('OPTION_RANGE', `input ${name} is a tensor: say which axis is aggregated`, {
      hint: `Give { axis } from 0 to ${units.shape.length - 1}.`,
    })
  if (!Number.isInteger(axis) || axis < 0 || axis >= units.shape.length)
    throw new AscribeError(
      'OPTION_RANGE',
      `axis ${axis} is not one of [${units.shape.join(', ')}] (input ${name})`,
    )
  return {
    axis: axis - units.shape.length,
    units: { ...units, shape: units.shape.filter((_, at) => at !== axis) },
  }
}

/** One input with its channels, features, or a named axis of a tensor aggregated. */
export function aggregateInput(
  input: AttributedInput,
  how: Exclude<Aggregation, 'none'>,
  axis: number | undefined,
): AttributedInput {
  const reduced = reduction(input.units, axis, input.name)
  if (reduced === undefined) return input
  const { scores, units } = input
  const at = scores.shape.length + reduced.axis
  // NCHW and NHWC lose their batch axis of 1 as well.
  const kept = scores.shape.filter((_, index) => index !== at)
  if (units.kind === 'grid' && units.layout.startsWith('N')) kept.splice(kept.length - 3, 1)
  return { ...input, units: reduced.units, scores: reduceAxis(scores, at, kept, reducers[how]) }
}

function reduceAxis(
  scores: Tensor<'f32' | 'f64'>,
  axis: number,
  shape: number[],
  reduce: (values: Float64Array) => number,
): Tensor<'f32' | 'f64'> {
  const length = scores.shape[axis]!
  const inner = scores.shape.slice(axis + 1).reduce((product, size) => product * size, 1)
  const count = shape.reduce((product, size) => product * size, 1)
  const result = new arrayConstructors[scores.dtype](count)
  const values = new Float64Array(length)
  for (let index = 0; index < count; index++) {
    const start = Math.floor(index / inner) * length * inner + (index % inner)
    for (let item = 0; item < length; item++) values[item] = scores.data[start + item * inner]!
    result[index] = reduce(values)
  }
  return createTensor(scores.dtype, shape, result)
}
