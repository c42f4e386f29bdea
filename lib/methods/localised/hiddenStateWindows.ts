/** Vectors one behind the other, [count, width]. */
export interface Vectors {
  readonly data: Float32Array | Float64Array
  readonly width: number
}

const row = ({ data, width }: Vectors, at: number) => data.subarray(at * width, (at + 1) * width)

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let at = 0; at < a.length; at++) sum += a[at]! * b[at]!
  return sum
}

export const norm = (a: ArrayLike<number>): number => Math.sqrt(dot(a, a))

/** 0 where either is nothing. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const size = norm(a) * norm(b)
  return size > 0 ? dot(a, b) / size : 0
}

/** How the highlighted tokens are asked about together: the mean of their unit vectors, of their raw ones, or each by itself. */
export type QueryPooling = 'unit' | 'raw' | 'vote'

/** The vectors that windows are compared with. */
export function queryVectors(
  states: Vectors,
  tokens: readonly number[],
  pooling: QueryPooling,
): Float64Array[] {
  if (pooling === 'vote') return tokens.map(at => Float64Array.from(row(states, at)))
  const mean = new Float64Array(states.width)
  for (const at of tokens) {
    const own = row(states, at)
    const size = pooling === 'unit' ? norm(own) || 1 : 1
    for (let k = 0; k < mean.length; k++) mean[k]! += own[k]! / size / tokens.length
  }
  return [mean]
}

/** The token among `allowed` that is most like one of the highlighted ones, and how much; the first of equal ones. */
export function anchorOf(
  states: Vectors,
  allowed: readonly number[],
  highlighted: readonly number[],
): { anchor: number; similarity: number } | undefined {
  let best: { anchor: number; similarity: number } | undefined
  for (const at of allowed) {
    const similarity = Math.max(...highlighted.map(token => cosine(row(states, at), row(states, token))))
    if (best === undefined || similarity > best.similarity) best = { anchor: at, similarity }
  }
  return best
}

/** A window of tokens, from `start` to before `end`. */
export interface TokenWindow {
  readonly start: number
  readonly end: number
  readonly score: number
}

/**
 * The best window around an anchor: the greatest cosine of the query and the mean of the window's vectors, less `lambda` for
 * each token as a share of the highlighted ones. Sums grow token by token.
 *
 * @param first The first token that a window may have; `last`: the one that it ends before.
 */
export function bestWindow(
  states: Vectors,
  anchor: number,
  query: readonly Float64Array[],
  highlighted: number,
  { first, last, longest, lambda }: { first: number; last: number; longest: number; lambda: number },
): TokenWindow {
  const sizes = query.map(norm)
  let best: TokenWindow | undefined
  const before = new Float64Array(states.width)
  for (let start = anchor; start >= Math.max(first, anchor - longest + 1); start--) {
    const own = row(states, start)
    for (let k = 0; k < before.length; k++) before[k]! += own[k]!
    const sum = before.slice()
    for (let end = anchor + 1; end <= Math.min(last, start + longest); end++) {
      if (end > anchor + 1) {
        const next = row(states, end - 1)
        for (let k = 0; k < sum.length; k++) sum[k]! += next[k]!
      }
      const size = norm(sum)
      let similarity = 0
      for (const [at, vector] of query.entries())
        similarity += size * sizes[at]! > 0 ? dot(sum, vector) / size / sizes[at]! / query.length : 0
      const score = similarity - (lambda * (end - start)) / highlighted
      if (best === undefined || score > best.score) best = { start, end, score }
    }
  }
  return best!
}
