import { sortedPositions } from './sortedPositions.js'

type Numbers = ArrayLike<number>

/** The ranks of some numbers, from 1; equal numbers share the mean of their ranks. */
export function ranks(values: Numbers): Float64Array {
  const order = sortedPositions(values)
  const result = new Float64Array(values.length)
  for (let start = 0; start < order.length; ) {
    let end = start + 1
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++
    for (let index = start; index < end; index++) result[order[index]!] = (start + 1 + end) / 2
    start = end
  }
  return result
}

/** The cosine of the angle between two vectors; NaN where one of them is zero. */
export function cosineSimilarity(first: Numbers, second: Numbers): number {
  let product = 0
  let firstSquares = 0
  let secondSquares = 0
  for (let index = 0; index < first.length; index++) {
    product += first[index]! * second[index]!
    firstSquares += first[index]! ** 2
    secondSquares += second[index]! ** 2
  }
  return product / Math.sqrt(firstSquares) / Math.sqrt(secondSquares)
}

/** Pearson's correlation; NaN where one of the vectors is constant. */
export function pearsonCorrelation(first: Numbers, second: Numbers): number {
  return cosineSimilarity(centred(first), centred(second))
}

/** Spearman's rank correlation, with mean ranks for ties; NaN where one of the vectors is constant. */
export function spearmanCorrelation(first: Numbers, second: Numbers): number {
  return pearsonCorrelation(ranks(first), ranks(second))
}

/** The positions of the `count` greatest keys, greatest first; among equal keys the earlier position comes first. */
export function greatestPositions(keys: Numbers, count: number): Uint32Array {
  const positions = sortedPositions(keys, 'falling')
  return count < positions.length ? positions.slice(0, count) : positions
}

function centred(values: Numbers): Float64Array {
  const list = new Float64Array(values)
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length
  return list.map(value => value - mean)
}
