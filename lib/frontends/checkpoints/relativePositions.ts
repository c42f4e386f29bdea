import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import type { Network } from './network.js'
import { integer } from './sequence.js'

/** How distances between tokens are put into buckets (Raffel et al. 2020, section 2.1). */
export interface RelativeBuckets {
  readonly count: number
  readonly greatestDistance: number
  /** Whether a token reads those behind it too. */
  readonly bothWays: boolean
}

const { fround } = Math

/** Reads the buckets of a config.json. */
export function relativeBuckets(config: Config, bothWays: boolean): RelativeBuckets {
  const count = config.integer('relative_attention_num_buckets', 32, 4, 1 << 12)
  const exact = bothWays ? Math.floor(count / 4) : Math.floor(count / 2)
  // Past exact distances the logarithm begins; it needs somewhere to go.
  const greatestDistance = config.integer('relative_attention_max_distance', 128, exact + 1, 1 << 16)
  return { count, greatestDistance, bothWays }
}

/** The bucket of each distance from -greatest to +greatest (key before query: negative), rounded as PyTorch rounds. */
export function bucketTable({ count, greatestDistance, bothWays }: RelativeBuckets): number[] {
  const half = bothWays ? Math.floor(count / 2) : count
  const exact = Math.floor(half / 2)
  const spread = fround(Math.log(greatestDistance / exact))
  return Array.from({ length: 2 * greatestDistance + 1 }, (_, at) => {
    const distance = at - greatestDistance
    const size = bothWays ? Math.abs(distance) : Math.max(0, -distance)
    const logarithm = fround(Math.log(fround(size / exact)))
    const far = exact + Math.trunc(fround(fround(logarithm / spread) * (half - exact)))
    const bucket = size < exact ? size : Math.min(far, half - 1)
    return bucket + (bothWays && distance > 0 ? half : 0)
  })
}

/**
 * What is added to the scores of attention: one number for each bucket and head.
 *
 * @param queries Positions of queries, i64 [Q] or [B, Q].
 * @param keys Positions of keys, i64 [K] or [B, K].
 * @returns [1 or B, heads, Q, K]
 */
export function relativeBias(
  net: Network,
  table: Value,
  buckets: RelativeBuckets,
  queries: Value,
  keys: Value,
  perExample: boolean,
): Value {
  const { greatestDistance } = buckets
  const distance = net.apply('sub', [net.unsqueeze(keys, -2), net.unsqueeze(queries, -1)])
  const bounded = net.apply('max', [
    net.apply('min', [distance, integer(net, greatestDistance)]),
    integer(net, -greatestDistance),
  ])
  const bucket = net.apply(
    'gather',
    [net.graph.integers(bucketTable(buckets)), net.add(bounded, integer(net, greatestDistance))],
    { axis: 0 },
  )
  const rows = net.apply('gather', [table, bucket], { axis: 0 })
  const each = perExample ? rows : net.unsqueeze(rows, 0)
  return net.apply('transpose', [each], { permutation: [0, 3, 1, 2] })
}
