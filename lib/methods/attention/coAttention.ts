import type { GraphBuilder, Value } from '../../graph/builder.js'
import type { AttentionLayer } from './attentionPlan.js'

/** What rows of written tokens have of what was read, [N, 1, S], and of written ones, [N, 1, T], less the identity. */
export interface CoRelevance {
  readonly read: Value
  readonly written: Value
}

/**
 * Relevance through an encoder and its decoder (Chefer, Gur and Wolf, ICCV 2021, equations 5 to 10): from R = I, every layer adds its
 * matrix times R; one that looks from the one side to the other carries the encoder's relevance over, both sides scaled
 * (equation 8). Rows of zeros stay zeros, where the equation divides by 0.
 *
 * @param relevance Of each layer, [N, queries, keys], in the order of computation.
 * @param rows [N, 1, T]
 */
export function coRelevance(
  builder: GraphBuilder,
  layers: readonly AttentionLayer[],
  relevance: readonly Value[],
  rows: Value,
): CoRelevance {
  const matMul = (a: Value, b: Value, attributes = {}) => builder.apply('matMul', [a, b], attributes)
  const sum = (a: Value | undefined, b: Value) => (a === undefined ? b : builder.apply('add', [a, b]))
  /** matrix · (R + I) from R, where R is what there is beyond the identity. */
  const through = (matrix: Value, rest: Value | undefined) =>
    rest === undefined ? matrix : sum(matrix, matMul(matrix, rest))
  const scaled = (rest: Value): Value => {
    const sums = builder.apply('sum', [rest], { axes: [-1], keepDims: 1 })
    const isEmpty = builder.apply('equal', [sums, builder.scalar(0)])
    return builder.apply('div', [rest, builder.apply('where', [isEmpty, builder.scalar(1), sums])])
  }
  let [among, carried, written]: (Value | undefined)[] = []
  let encoder: Value | undefined
  for (const [at, { side }] of layers.entries()) {
    const matrix = relevance[at]!
    if (side === 'encoder') among = sum(among, through(matrix, among))
    else if (side === 'self') {
      written = sum(written, through(matrix, written))
      if (carried !== undefined) carried = sum(carried, matMul(matrix, carried))
    } else {
      encoder ??= among && scaled(among)
      const looks = through(matrix, encoder)
      const own = sum(looks, matMul(scaled(written!), looks, { transposeA: 1 }))
      carried = sum(carried, own)
    }
  }
  return { read: matMul(rows, carried!), written: matMul(rows, written!) }
}
