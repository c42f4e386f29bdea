import { GraphBuilder } from '#lib/graph/builder.js'
import type { Model } from '#lib/index.js'
import { namedAttention } from '#lib/model/attention.js'
import { bindSizes } from '#lib/model/bindSizes.js'
import { idsTensor } from './recordedCheckpoints.js'

/** Whole attention matrices of a text, one [heads, T, T] for each layer, by the double reference. */
export async function modelAttention(
  model: Model,
  ids: readonly number[],
): Promise<{ heads: number; data: ArrayLike<number> }[]> {
  const input = { input_ids: idsTensor([ids]) }
  const { graph, names } = namedAttention(model.graph)
  const builder = new GraphBuilder()
  const values = builder.include(graph)
  const found = await model.runPlan(
    `whole attention ${ids.length}`,
    () => builder.build(names.map(name => values.get(name)!)),
    input,
    { sizes: bindSizes(model.inputs, input), precision: 'f64' },
  )
  return found.map(({ shape, data }) => ({ heads: shape[1]!, data: data as Float64Array }))
}

/** The weighted sum of rows [first, end) over heads and layers, [rows, T], from whole matrices. */
export function weightedRows(
  layers: readonly { heads: number; data: ArrayLike<number> }[],
  weights: ArrayLike<number>,
  length: number,
  first: number,
  end: number,
): Float64Array {
  const sum = new Float64Array((end - first) * length)
  let head = 0
  for (const { heads, data } of layers)
    for (let h = 0; h < heads; h++, head++)
      for (let row = first; row < end; row++)
        for (let at = 0; at < length; at++)
          sum[(row - first) * length + at]! += weights[head]! * data[(h * length + row) * length + at]!
  return sum
}
