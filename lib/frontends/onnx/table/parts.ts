import type { Value } from '../../../graph/builder.js'
import type { OnnxNode } from '../node.js'

/** One dimension of a tensor, as a vector of one. */
export const dimension = (node: OnnxNode, x: Value, axis: number): Value =>
  node.apply('shape', [x], axis === -1 ? { start: -1 } : { start: axis, end: axis + 1 })

/** One dimension of a tensor, as a scalar. */
export const lengthOf = (node: OnnxNode, x: Value, axis: number): Value =>
  node.apply('squeeze', [dimension(node, x, axis)], { axes: [0] })

/** 0, 1, … below a scalar of int64. */
export const counted = (node: OnnxNode, count: Value): Value =>
  node.apply('range', [node.number(0), count, node.number(1)])

type Bound = number | bigint | Value

const vector = (node: OnnxNode, bound: Bound): Value =>
  typeof bound === 'object' ? bound : node.graph.integers([bound])

/** As far as an axis goes. */
export const theEnd = 2n ** 62n

/** Elements [from, to) of one axis; computed bounds are vectors of one. */
export const between = (node: OnnxNode, x: Value, from: Bound, to: Bound, axis: number): Value =>
  node.apply('slice', [x, vector(node, from), vector(node, to), node.graph.integers([axis])])

/** Vectors one after the other, numbers among them. */
export const joined = (node: OnnxNode, ...parts: Bound[]): Value =>
  node.apply(
    'concat',
    parts.map(part => vector(node, part)),
    { axis: 0 },
  )

/** A scalar of int64 as a vector of one. */
export const asVector = (node: OnnxNode, x: Value): Value => node.apply('unsqueeze', [x], { axes: [0] })

/** An operand that is one number, of rank 0 or 1, as a scalar of int64 that may decide shapes. */
export const hostScalar = (node: OnnxNode, index: number): Value =>
  node.apply('reshape', [node.cast(node.host(index), 'i64'), node.graph.integers([])])

export const flag = (node: OnnxNode, name: string, fallback = 0): 0 | 1 =>
  node.attributes.integer(name, fallback) === 0 ? 0 : 1
