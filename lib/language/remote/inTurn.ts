/**
 * Does work for each of a list, so many at once, in their order. Once one fails nothing more is begun; what is under way is
 * waited for, so that its answers are paid for once and kept, and then the first failure is thrown.
 */
export async function inTurn<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length)
  const failures: unknown[] = []
  let next = 0
  const one = async () => {
    while (next < items.length && failures.length === 0) {
      const at = next++
      try {
        results[at] = await work(items[at]!)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, one))
  if (failures.length > 0) throw failures[0]
  return results
}
