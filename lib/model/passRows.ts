/** What the caches of a processor hold, about. Not asked of the machine: the rows of a pass, and so the bits of results, are the same on all. */
export const cacheBytes = 32 << 20

/** Fewer examples than this leave kernels idle. */
const fewExamples = 4

/**
 * Examples of one pass, forwards and back, at which each moves least between memory and caches: weights are read once a
 * pass, and of the activations what the caches do not hold is written and read again.
 *
 * @param most As many as there are, or fit the memory bound.
 */
export function cachedExamples(exampleBytes: number, weightBytes: number, most: number): number {
  const moved = (examples: number) =>
    weightBytes / examples + 2 * Math.max(0, exampleBytes - cacheBytes / examples)
  let best = most
  for (let examples = most; examples >= Math.min(fewExamples, most); --examples)
    if (moved(examples) < moved(best)) best = examples
  return best
}
