import type { Value } from '../../../graph/builder.js'
import type { OperationName } from '../../../graph/operations.js'
import type { OnnxNode, OperatorImport, OperatorTable } from '../node.js'

/** Two operands under numpy's broadcasting, or before operator set 7 under the `axis` of the second. */
export function pair(node: OnnxNode): [Value, Value] {
  const left = node.input(0)
  const right = node.input(1)
  if (node.opset >= 7) return [left, right]
  // Without `broadcast` the shapes are equal, with which broadcasting changes nothing.
  const isBroadcast = node.attributes.integer('broadcast', 0) !== 0
  node.attributes.ignore('consumed_inputs')
  if (!node.attributes.has('axis')) return [left, right]
  const given = node.attributes.integer('axis', 0)
  if (!isBroadcast) return [left, right]
  const rank = node.requireRank(left)
  const axis = given < 0 ? given + rank : given
  const trailing = rank - axis - node.requireRank(right)
  if (axis < 0 || trailing < 0) node.invalid(`axis ${given} does not fit its operands`)
  if (trailing === 0) return [left, right]
  const first = node.requireRank(right)
  return [
    left,
    node.apply('unsqueeze', [right], { axes: Array.from({ length: trailing }, (_, index) => first + index) }),
  ]
}

type Binary = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max'

const binary =
  (op: Binary): OperatorImport =>
  node =>
    node.apply(op, pair(node))

/** Any number of operands, folded from the left. */
export function fold(op: Binary): OperatorImport {
  return node => {
    node.attributes.ignore('consumed_inputs')
    const operands = node.inputs()
    // One operand passes through; a node of its own keeps the two names apart.
    if (operands.length === 1) return node.apply('identity', operands)
    return operands.reduce((left, right) => node.apply(op, [left, right]))
  }
}

const unary =
  (op: OperationName): OperatorImport =>
  node => {
    node.attributes.ignore('consumed_inputs')
    return node.apply(op, [node.input(0)])
  }

export const arithmetic: OperatorTable = {
  Add: binary('add'),
  Sub: binary('sub'),
  Mul: binary('mul'),
  Div: binary('div'),
  Pow: node => {
    const [base, exponent] = pair(node)
    const dtype = node.dtype(base)
    // The exponent may be of another type since operator set 12; the result is of the base's.
    return node.apply('pow', [base, dtype ? node.cast(exponent, dtype) : exponent])
  },
  Mod: node => node.apply('mod', pair(node), { truncated: node.attributes.integer('fmod', 0) }),
  Min: fold('min'),
  Max: fold('max'),
  Sum: fold('add'),
  Mean: node => {
    const total = fold('add')(node) as Value
    return node.inputCount === 1 ? total : node.apply('div', [total, node.scalar(node.inputCount, total)])
  },

  Abs: unary('abs'),
  Neg: unary('neg'),
  Sign: unary('sign'),
  Exp: unary('exp'),
  Log: unary('log'),
  Sqrt: unary('sqrt'),
  Reciprocal: unary('reciprocal'),
  Floor: unary('floor'),
  Ceil: unary('ceil'),
  Round: unary('round'),
  Erf: unary('erf'),
  Sin: unary('sin'),
  Cos: unary('cos'),
  Tan: unary('tan'),
  Asin: unary('asin'),
  Acos: unary('acos'),
  Atan: unary('atan'),
  Sinh: unary('sinh'),
  Cosh: unary('cosh'),
  Tanh: unary('tanh'),
  Asinh: unary('asinh'),
  Acosh: unary('acosh'),
  Atanh: unary('atanh'),
}
