const stabilisers = [0.01 ** 2, 0.03 ** 2] as const

/**
 * The mean structural similarity of two maps of equal size, in -1 to 1: over every window of 7 by 7 places that lies
 * inside. Both are first brought to the range 0 to 1 by their own least and greatest score; a map of one value is 0
 * everywhere.
 *
 * Source: Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004), with windows of
 * equal weights and population variances.
 */
export function structuralSimilarity(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  width: number,
): number {
  const [a, b] = [unitRange(first), unitRange(second)]
  const height = a.length / width
  const side = Math.min(7, width, height)
  const count = side * side
  let total = 0
  for (let top = 0; top + side <= height; top++)
    for (let left = 0; left + side <= width; left++) {
      let [sumA, sumB, squaresA, squaresB, products] = [0, 0, 0, 0, 0]
      for (let row = top; row < top + side; row++)
        for (let at = row * width + left; at < row * width + left + side; at++) {
          const [x, y] = [a[at]!, b[at]!]
          sumA += x
          sumB += y
          squaresA += x * x
          squaresB += y * y
          products += x * y
        }
      const [meanA, meanB] = [sumA / count, sumB / count]
      const covariance = products / count - meanA * meanB
      const variances = squaresA / count - meanA ** 2 + squaresB / count - meanB ** 2
      total +=
        ((2 * meanA * meanB + stabilisers[0]) * (2 * covariance + stabilisers[1])) /
        ((meanA ** 2 + meanB ** 2 + stabilisers[0]) * (variances + stabilisers[1]))
    }
  return total / ((height - side + 1) * (width - side + 1))
}

function unitRange(scores: ArrayLike<number>): Float64Array {
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (let at = 0; at < scores.length; at++) {
    least = Math.min(least, scores[at]!)
    greatest = Math.max(greatest, scores[at]!)
  }
  const range = greatest - least
  return Float64Array.from(scores, score => (range > 0 ? (score - least) / range : 0))
}
