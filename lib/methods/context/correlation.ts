/** Below this a product of deviations counts as no variance. */
const guard = 1e-8

/** Pearson correlation of two lists, and its gradient in the first; 0 where one of them does not vary. */
export function correlation(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): { value: number; gradient: Float64Array; isDefined: boolean } {
  const count = x.length
  const centred = (values: ArrayLike<number>) => {
    let mean = 0
    for (let at = 0; at < count; at++) mean += values[at]! / count
    return Float64Array.from({ length: count }, (_, at) => values[at]! - mean)
  }
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, at) => sum + value * b[at]!, 0)
  const [a, b] = [centred(x), centred(y)]
  const [aa, bb] = [dot(a, a), dot(b, b)]
  const scale = Math.sqrt(aa * bb)
  const value = dot(a, b) / Math.max(scale, guard)
  const isDefined = scale > guard
  const gradient = a.map((own, at) => (isDefined ? b[at]! / scale - (value * own) / aa : 0))
  return { value, gradient, isDefined }
}
