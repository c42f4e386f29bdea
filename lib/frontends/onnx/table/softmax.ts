import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'

/**
 * Since operator set 13 along one axis. Before, the axes from `axis` on are taken together: the operand is seen as
 * a matrix, which is the same for the last axis only.
 */
function along(node: OnnxNode, op: 'softmax' | 'logSoftmax'): Value {
  const x = node.input(0)
  if (node.opset >= 13) return node.apply(op, [x], { axis: node.attributes.integer('axis', -1) })
  const axis = node.attributes.integer('axis', 1)
  const rank = node.rank(x)
  if (axis === -1 || (rank !== undefined && axis === rank - 1)) return node.apply(op, [x], { axis: -1 })
  const rows = node.apply('flatten', [x], { axis })
  return node.apply('reshapeLike', [node.apply(op, [rows], { axis: -1 }), x])
}

export const softmax: OperatorTable = {
  Softmax: node => along(node, 'softmax'),
  LogSoftmax: node => along(node, 'logSoftmax'),
}
