/** The mean of the `count` greatest of values [from, to), or of all where there are fewer. */
export function topMean(values: ArrayLike<number>, from: number, to: number, count: number): number {
  const own = Float64Array.from({ length: to - from }, (_, at) => values[from + at]!)
  if (own.length === 0) return 0
  if (count < own.length) own.sort().reverse()
  const taken = Math.min(count, own.length)
  let sum = 0
  for (let at = 0; at < taken; at++) sum += own[at]!
  return sum / taken
}
