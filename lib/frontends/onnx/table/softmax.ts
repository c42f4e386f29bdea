import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'

/**
 * Since operator set 13 along one axis. Before, the axes from `axis` on are taken together: the operand is seen as
 * a matrix, which is the same for the last axis only.
 */
function along(node: OnnxNode, op: 'softmax' | 'logSoftmax'): Value {
  const x = node.input(0)
  const axis = node.attributes.integer('axis', node.opset >= 13 ? -1 : 1)
  const rank = node.rank(x)
  if (axis === -1 || (rank !== undefined && axis === rank - 1)) return node.apply(op, [x], { axis: -1 })
  if (node.opset >= 13) return node.apply(op, [x], { axis })
  const rows = node.apply('flatten', [x], { axis })
  return node.apply('reshapeLike', [node.apply(op, [rows], { axis: -1 }), x])
}

/** 1 at the first of the greatest elements along the axis, 0 elsewhere; see {@link along} for the axes. */
function hardmax(node: OnnxNode): Value {
  const x = node.input(0)
  const isOld = node.opset < 13
  const seen = isOld ? node.apply('flatten', [x], { axis: node.attributes.integer('axis', 1) }) : x
  const axis = isOld ? -1 : node.attributes.integer('axis', -1)
  const greatest = node.apply('argMax', [seen], { axis, keepDims: 0 })
  const depth = node.apply('shape', [seen], axis === -1 ? { start: -1 } : { start: axis, end: axis + 1 })
  const values = node.apply(
    'concat',
    [
      node.apply('unsqueeze', [node.scalar(0, x)], { axes: [0] }),
      node.apply('unsqueeze', [node.scalar(1, x)], { axes: [0] }),
    ],
    { axis: 0 },
  )
  const hot = node.apply('oneHot', [greatest, depth, values], { axis })
  return isOld ? node.apply('reshapeLike', [hot, x]) : hot
}

export const softmax: OperatorTable = {
  Hardmax: hardmax,
  Softmax: node => along(node, 'softmax'),
  LogSoftmax: node => along(node, 'logSoftmax'),
}
