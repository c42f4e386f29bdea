import { AscribeError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../graph/builder.js'
import type { AttentionReading } from './attentionReading.js'

/**
 * How much each of a layer's queries is read, [N, 1, queries]: rows of a plan's examples, each adding up to 1.
 *
 * @param gradient The target's gradient in the last attention, [N, heads, queries, keys]: the queries whose rows it
 *   depends on are those that the target reads (one for a class token, all that are no padding for a mean). Where it is
 *   zero throughout, every query counts.
 */
export function rowWeights(
  builder: GraphBuilder,
  { row, position, name }: AttentionReading,
  queries: number,
  chunk: number,
  gradient: Value | undefined,
): Value {
  if (position !== undefined && position >= queries)
    throw new AscribeError(
      'OPTION_RANGE',
      `${name}: position ${position} is beyond the last of ${queries} tokens`,
    )
  if (position === undefined && row === 'auto' && gradient !== undefined) {
    const zero = builder.scalar(0)
    const size = builder.apply('sum', [builder.apply('abs', [gradient])], { axes: [1, 3], keepDims: 0 })
    const read = builder.apply('cast', [builder.apply('greater', [size, zero])], { to: 'f32' })
    const total = builder.apply('sum', [read], { axes: [-1], keepDims: 1 })
    const share = builder.apply('div', [read, builder.apply('max', [total, builder.scalar(1)])])
    const none = builder.apply('equal', [total, zero])
    const weights = builder.apply('where', [none, builder.scalar(1 / queries), share])
    return builder.apply('unsqueeze', [weights], { axes: [1] })
  }
  const at = position ?? (row === 'first' ? 0 : row === 'last' ? queries - 1 : undefined)
  const one = Float32Array.from({ length: queries }, (_, query) =>
    at === undefined ? 1 / queries : query === at ? 1 : 0,
  )
  const all = new Float32Array(chunk * queries)
  for (let example = 0; example < chunk; example++) all.set(one, example * queries)
  return builder.constant('f32', [chunk, 1, queries], all)
}
