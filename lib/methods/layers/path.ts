import type { Value } from '../../graph/builder.js'
import type { ExplainedParts, PassParts } from '../inputs/pass.js'

/** A point on the straight path of what is explained: baseline + t (x - baseline), t [N, 1]. */
export function pointOnPath({ builder, explained, values, baselines }: PassParts, t: Value): Value[] {
  return values.map((value, at) => {
    const rank = explained.tensors[explained.names[at]!]!.shape.length
    const axes = Array.from({ length: rank - 2 }, (_, axis) => axis + 2)
    const wide = axes.length > 0 ? builder.apply('unsqueeze', [t], { axes }) : t
    const way = builder.apply('sub', [value, baselines[at]!])
    return builder.apply('add', [baselines[at]!, builder.apply('mul', [wide, way])])
  })
}

/** One column of the numbers of a point, [N, 1]. */
export const positionColumn = ({ builder, position }: PassParts, column: number): Value =>
  builder.apply('gather', [position!, builder.integers([column])], { axis: 1 })

/**
 * How a value changes as what the model sees moves along the path: the derivative of the backward pass, which is linear in
 * its cotangent, in that cotangent.
 */
export function alongPath({ builder, values, baselines, seen }: ExplainedParts, value: Value): Value {
  const zero = builder.constant('f32', [1], Float32Array.of(0))
  const cotangent = builder.apply('expandLike', [zero, value], { leading: 1 })
  const backward = builder.vjp([value], [cotangent], [...seen])
  const ways = values.map((end, at) =>
    builder.apply('unsqueeze', [builder.apply('sub', [end, baselines[at]!])], { axes: [0, 1] }),
  )
  const [slope] = builder.vjp(backward, ways, [cotangent])
  return builder.apply('squeeze', [slope!], { axes: [0, 1] })
}
