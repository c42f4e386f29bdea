import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { classIndex, type Target } from '../graph/target.js'

/** The explained scalar of one row of an output, computed here as a compiled target computes it in a plan. */
export type RowReader = (row: ArrayLike<number>, shape: readonly number[], item: number) => number

/**
 * How a target is read off the outputs of a black box. There is no looking behind its softmax: a `logit` is the output
 * as it comes.
 *
 * @param classes The class of each item, for targets of a class or the top class.
 * @throws AscribeError `TARGET_INVALID`; `MODEL_CAPABILITY` for targets that need a graph.
 */
export function rowReader(
  target: Target,
  labels: readonly string[] | undefined,
  classes: readonly number[],
): RowReader {
  const { description, options } = target
  const scored = (row: ArrayLike<number>): ArrayLike<number> => {
    if (options.score !== 'probability' && options.score !== 'logProbability') return row
    let greatest = Number.NEGATIVE_INFINITY
    for (let at = 0; at < row.length; at++) greatest = Math.max(greatest, row[at]!)
    let sum = 0
    for (let at = 0; at < row.length; at++) sum += Math.exp(row[at]! - greatest)
    const logarithm = greatest + Math.log(sum)
    const log = Float64Array.from(row, value => value - logarithm)
    return options.score === 'probability' ? log.map(Math.exp) : log
  }
  const entry = (row: ArrayLike<number>, index: number): number => {
    if (index >= row.length)
      throw new AscribeError('TARGET_INVALID', `Class ${index} is outside the ${row.length} outputs`)
    return row[index]!
  }
  switch (description.kind) {
    case 'top':
    case 'class':
      return (row, _, item) => entry(scored(row), classes[item]!)
    case 'weighted': {
      const terms = description.terms.map(([of, weight]) => [classIndex(of, labels), weight] as const)
      return row => {
        const scores = scored(row)
        return terms.reduce((sum, [index, weight]) => sum + weight * entry(scores, index), 0)
      }
    }
    case 'regression':
      return row => {
        if (row.length !== 1)
          throw new AscribeError(
            'TARGET_INVALID',
            `The output has ${row.length} numbers for an example, not one`,
          )
        return row[0]!
      }
    case 'token':
      return (row, [tokens, vocabulary]) => {
        const { position, id } = description
        const at = position < 0 ? tokens! + position : position
        if (vocabulary === undefined || at < 0 || at >= tokens! || id >= vocabulary)
          throw new AscribeError('TARGET_INVALID', `There is no token ${id} at ${position} in the output`)
        return row[at * vocabulary + id]!
      }
    case 'region':
    case 'mask':
      return (row, [channels, height, width]) => {
        const [left, top, right, bottom] =
          description.kind === 'region' ? description.box : [0, 0, description.width, description.height]
        if (width === undefined || description.channel >= channels! || right > width || bottom > height!)
          throw new AscribeError('TARGET_INVALID', 'The target reaches outside the output')
        let sum = 0
        for (let y = top; y < bottom; y++)
          for (let x = left; x < right; x++) {
            const share = description.kind === 'mask' ? description.mask[y * width + x]! : 1
            sum += share * row[(description.channel * height! + y) * width + x]!
          }
        return sum
      }
    default:
      throw new AscribeError(
        'MODEL_CAPABILITY',
        `A black box has no graph for a target of kind ${description.kind}`,
        {
          hint: 'Compute the number in the function, as an output of its own, and give Target.regression.',
        },
      )
  }
}

/** One example's part of an output. */
export interface OutputRow {
  readonly row: ArrayLike<number>
  /** Without the batch. */
  readonly shape: readonly number[]
}

/** One example's part of an output as numbers. */
export function rowOf({ shape, data }: Tensor, row: number): OutputRow {
  const each = shape.slice(1)
  const size = each.reduce((product, length) => product * length, 1)
  const part = data.slice(row * size, (row + 1) * size)
  return { row: part instanceof BigInt64Array ? Float64Array.from(part, Number) : part, shape: each }
}
