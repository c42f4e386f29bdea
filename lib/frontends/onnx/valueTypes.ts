import type { DTypeName, NodeDescription } from '#typings/addon.js'
import type { GraphBuilder, Value } from '../../graph/builder.js'

/** What is known of a value before its graph is specialised; undefined where only the sizes will tell. */
interface ValueType {
  dtype: DTypeName | undefined
  rank: number | undefined
  /** Number of elements of a vector: a reshape's rank is the length of its shape operand. */
  length: number | undefined
}

const broadcasting = new Set([
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'min',
  'max',
  'mod',
  'and',
  'or',
  'xor',
  'prelu',
  'equal',
  'less',
  'lessOrEqual',
  'greater',
  'greaterOrEqual',
  'where',
])
const boolean = new Set(['equal', 'less', 'lessOrEqual', 'greater', 'greaterOrEqual', 'isNan', 'isInf'])
const indices = new Set(['shape', 'size', 'argMax', 'argMin', 'nonZero', 'nonMaxSuppression'])
const reductions = new Set(['sum', 'mean', 'reduceMax', 'reduceMin', 'prod'])

/** Element types and ranks of the values of a graph under construction: some ONNX operators mean different things by rank. */
export class ValueTypes {
  readonly #known: ValueType[] = []
  #nodesSeen = 0

  constructor(private readonly builder: GraphBuilder) {}

  dtype(value: Value): DTypeName | undefined {
    return this.#of(value.index).dtype
  }

  rank(value: Value): number | undefined {
    return this.#of(value.index).rank
  }

  /** Number of elements of a vector. */
  length(value: Value): number | undefined {
    return this.#of(value.index).length
  }

  /** Says what a value is of which the graph itself says nothing or too much. */
  define(value: Value, dtype: DTypeName | undefined, rank: number | undefined): void {
    this.#of(value.index)
    this.#known[value.index] = { dtype, rank, length: undefined }
  }

  #of(index: number): ValueType {
    // Nodes are appended in order, so every operand of a new one is known by then.
    for (; this.#nodesSeen < this.builder.nodes.length; this.#nodesSeen++)
      this.#infer(this.builder.nodes[this.#nodesSeen]!)
    return this.#known[index] ?? this.#leaf(index)
  }

  #leaf(index: number): ValueType {
    const value = this.builder.values[index]
    if (!value || value.kind === 'result') return { dtype: undefined, rank: undefined, length: undefined }
    const { dtype, shape } = 'source' in value ? value.source : value
    const first = shape[0]
    return {
      dtype,
      rank: shape.length,
      length: shape.length === 1 && typeof first === 'number' ? first : undefined,
    }
  }

  #infer(node: NodeDescription): void {
    const operands = node.inputs.map(index =>
      index < 0 ? undefined : (this.#known[index] ?? this.#leaf(index)),
    )
    const length = resultLength(node, operands)
    const rank = resultRank(node, operands)
    for (const output of node.outputs)
      this.#known[output] = { dtype: resultType(node, operands), rank, length }
  }
}

type Operands = (ValueType | undefined)[]

function resultType({ op, attributes }: NodeDescription, operands: Operands): DTypeName | undefined {
  if (boolean.has(op)) return 'bool'
  if (indices.has(op)) return 'i64'
  if (op === 'cast' || op === 'bitCast') return attributes.to as DTypeName
  if (op === 'constantOfShape') return (attributes.dtype ?? 'f32') as DTypeName
  return operands[op === 'where' ? 1 : op === 'oneHot' ? 2 : 0]?.dtype
}

function resultLength({ op, attributes }: NodeDescription, operands: Operands): number | undefined {
  const first = operands[0]
  switch (op) {
    case 'shape': {
      if (first?.rank === undefined) return undefined
      const bound = (at: number) => Math.min(Math.max(at < 0 ? at + first.rank! : at, 0), first.rank!)
      return Math.max(
        0,
        bound((attributes.end as number | undefined) ?? first.rank) -
          bound((attributes.start as number | undefined) ?? 0),
      )
    }
    case 'concat':
      return operands.reduce<number | undefined>(
        (sum, o) => (sum === undefined || o?.length === undefined ? undefined : sum + o.length),
        0,
      )
    case 'unsqueeze':
      return first?.rank === 0 && (attributes.axes as number[] | undefined)?.length === 1 ? 1 : undefined
    case 'cast':
    case 'identity':
    case 'neg':
    case 'abs':
      return first?.length
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
    case 'max':
    case 'min': {
      const [a, b] = operands
      if (a?.rank === 0) return b?.length
      if (b?.rank === 0) return a?.length
      return a?.length !== undefined && b?.length !== undefined ? Math.max(a.length, b.length) : undefined
    }
    case 'gather':
      return first?.rank === 1 ? operands[1]?.length : undefined
    default:
      return undefined
  }
}

function resultRank({ op, attributes }: NodeDescription, operands: Operands): number | undefined {
  const rank = operands[0]?.rank
  if (broadcasting.has(op)) return largest(operands.map(o => o?.rank))
  if (reductions.has(op)) {
    if ((attributes.keepDims ?? 1) !== 0 || rank === undefined) return rank
    if (operands.length > 1) return operands[1]?.length === undefined ? undefined : rank - operands[1].length
    const axes = attributes.axes as number[] | undefined
    return axes?.length ? rank - axes.length : 0
  }
  switch (op) {
    case 'argMax':
    case 'argMin':
      return (attributes.keepDims ?? 1) !== 0 || rank === undefined ? rank : rank - 1
    case 'shape':
    case 'range':
      return 1
    case 'size':
      return 0
    case 'flatten':
      return 2
    case 'reshape':
      return operands[1]?.length
    case 'constantOfShape':
      return operands[0]?.length
    case 'expand':
      return largest([rank, operands[1]?.length])
    case 'reshapeLike':
    case 'expandLike':
    case 'sumTo':
      return operands[1]?.rank
    case 'determinant':
      return rank === undefined ? undefined : rank - 2
    case 'unsqueeze':
      return sum(rank, operands.length > 1 ? operands[1]?.length : (attributes.axes as number[]).length)
    case 'squeeze': {
      if (operands.length > 1)
        return sum(rank, operands[1]?.length === undefined ? undefined : -operands[1].length)
      const axes = attributes.axes as number[] | undefined
      return rank === undefined || !axes?.length ? undefined : rank - axes.length
    }
    case 'matMul': {
      const other = operands[1]?.rank
      if (rank === undefined || other === undefined) return undefined
      return Math.max(rank, other, 2) - (rank === 1 ? 1 : 0) - (other === 1 ? 1 : 0)
    }
    case 'gather':
      return sum(rank, operands[1]?.rank, -1)
    case 'gatherElements':
      return operands[1]?.rank
    case 'oneHot':
      return sum(rank, 1)
    case 'gatherNd':
      return undefined
    default:
      return rank
  }
}

function largest(ranks: (number | undefined)[]): number | undefined {
  return ranks.some(rank => rank === undefined) ? undefined : Math.max(...(ranks as number[]))
}

function sum(...terms: (number | undefined)[]): number | undefined {
  return terms.some(term => term === undefined) ? undefined : (terms as number[]).reduce((a, b) => a + b, 0)
}
