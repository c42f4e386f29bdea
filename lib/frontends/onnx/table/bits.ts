import type { Value } from '../../../graph/builder.js'
import { elementType } from '../dataTypes.js'
import type { OnnxNode, OperatorTable } from '../node.js'

function bitCast(node: OnnxNode): Value {
  const { name, compute, storage } = elementType(node.attributes.integer('to', 0))
  // Half-wide floats are wider here than in the file: they have not the bits that are meant.
  if (compute === undefined || compute !== storage) node.unsupported(`to ${name}`)
  return node.apply('bitCast', [node.input(0)], { to: compute })
}

/** Integers as the bits that they are. */
export const bits: OperatorTable = {
  BitwiseAnd: node => node.apply('bitwiseAnd', [node.input(0), node.input(1)]),
  BitwiseOr: node => node.apply('bitwiseOr', [node.input(0), node.input(1)]),
  BitwiseXor: node => node.apply('bitwiseXor', [node.input(0), node.input(1)]),
  BitwiseNot: node => node.apply('bitwiseNot', [node.input(0)]),
  BitShift: node => {
    if (!node.attributes.has('direction')) node.invalid('direction is missing')
    const direction = node.attributes.text<string>('direction', '', ['LEFT', 'RIGHT'])
    return node.apply('bitShift', [node.input(0), node.input(1)], {
      direction: direction === 'LEFT' ? 'left' : 'right',
    })
  },
  BitCast: bitCast,
}
