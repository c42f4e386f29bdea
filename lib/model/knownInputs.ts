import type { GraphDescription, NodeDescription, OperationInfo } from '#typings/addon.js'
import { isFloating } from '../data/tensor.js'
import { native } from '../native.js'

let operations: ReadonlyMap<string, OperationInfo> | undefined

const isSet = (bits: number | undefined, position: number): boolean =>
  (((bits ?? 0) >>> Math.min(position, 31)) & 1) === 1

/** The operation of this name, of the list that the native side has. */
export function operationOf(name: string): OperationInfo | undefined {
  operations ??= new Map(
    native()
      .operations()
      .map(operation => [operation.name, operation]),
  )
  return operations.get(name)
}

/** True where a node reads no more than the shape of this operand. */
export const readsShapeOnly = (node: NodeDescription, operand: number): boolean =>
  isSet(operationOf(node.op)?.shapeOperands, operand)

/** Operands of a node that must be known when a plan is compiled; those of its bodies among them. */
export function knownOperands(node: NodeDescription, graph: GraphDescription, conditions: boolean): number[] {
  const inBody = (attribute: string, first: number): number[] => {
    const body = graph.subgraphs?.[node.attributes[attribute] as string]
    if (body === undefined) return []
    const needed = neededInputs(body, conditions)
    return body.inputs.flatMap((value, at) => (needed.has(value) ? [at + first] : []))
  }
  if (node.op === 'if')
    return [...(conditions ? [0] : []), ...inBody('thenBranch', 1), ...inBody('elseBranch', 1)]
  if (node.op === 'loop') return [...(conditions ? [0, 1] : []), ...inBody('body', 0).filter(at => at >= 2)]
  const bits = operationOf(node.op)?.knownOperands
  return node.inputs.flatMap((_, at) => (isSet(bits, at) ? [at] : []))
}

/** Values that something which must be known is computed from, walked back from the last node to the first. */
function neededInputs(graph: GraphDescription, conditions: boolean): Set<number> {
  const needed = new Set<number>()
  for (const node of graph.nodes.toReversed()) {
    for (const at of knownOperands(node, graph, conditions)) needed.add(node.inputs[at] ?? -1)
    if (!node.outputs.some(output => needed.has(output))) continue
    for (const [at, input] of node.inputs.entries()) if (!readsShapeOnly(node, at)) needed.add(input)
  }
  return needed
}

/**
 * Names of inputs whose contents decide shapes, axes, counts or conditions: a plan is compiled for the contents that are
 * given, as it is for sizes. Data are not among them, or every example would need a plan of its own: what a shape
 * is computed from data for is run in stages.
 */
export function knownInputs(graph: GraphDescription): string[] {
  const deciding = neededInputs(graph, true)
  return graph.inputs.flatMap(index => {
    const value = graph.values[index]
    if (value?.kind !== 'input') return []
    const isData = isFloating(value.dtype)
    return deciding.has(index) && !isData ? [value.name] : []
  })
}
