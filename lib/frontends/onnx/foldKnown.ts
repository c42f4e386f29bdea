import { elementCount, type Known } from './elements.js'
import type { ModelNode } from './nodes.js'

/**
 * Carries small constants through the nodes that exporters put between a constant and the operand it is for
 * (axes, bounds). Arithmetic is not among them: it is folded natively.
 */
export function foldKnown(
  node: ModelNode,
  knownOf: (name: string) => Known | undefined,
  outputs: readonly { rank: number | undefined }[],
): Known | undefined {
  const inputs = node.inputs.map(knownOf)
  const first = inputs[0]
  if (!first) return undefined
  switch (node.operator) {
    case 'Identity':
      return first
    case 'Squeeze':
    case 'Unsqueeze': {
      // A single element: the operators between a number and the vector of one that holds it.
      if (first.data.length !== 1 || outputs[0]?.rank === undefined) return undefined
      return { ...first, shape: Array.from({ length: outputs[0].rank }, () => 1) }
    }
    case 'Concat': {
      if (inputs.some(one => one?.dtype !== 'i64' || one.shape.length !== 1)) return undefined
      const data = BigInt64Array.from(inputs.flatMap(one => Array.from(one!.data as BigInt64Array)))
      return { dtype: 'i64', shape: [data.length], data }
    }
    case 'Reshape': {
      const wanted = inputs[1] && Array.from(inputs[1].data as BigInt64Array, Number)
      if (!wanted || wanted.length > 1 || elementCount(first.shape) !== 1) return undefined
      return { ...first, shape: wanted.length === 0 ? [] : [1] }
    }
    default:
      return undefined
  }
}
