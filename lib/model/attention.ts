import type { GraphDescription, NodeDescription, ValueDescription } from '#typings/addon.js'
import { attentionApart } from './attentionApart.js'

/** A model in which every matrix of attention probabilities has a name. */
export interface NamedAttention {
  readonly graph: GraphDescription
  /** The values that hold probabilities, [..., queries, keys], in the order of computation. */
  readonly names: readonly string[]
}

/** Operations between a softmax and its product with the values that leave rows of probabilities what they are. */
const passing: Readonly<Record<string, readonly number[]>> = {
  identity: [0],
  dropout: [0],
  cast: [0],
  reshape: [0],
  reshapeLike: [0],
  squeeze: [0],
  unsqueeze: [0],
  // Exporters and operators put zeros where a query may read nothing.
  where: [1, 2],
}

/**
 * Finds attention in a model as it was exported: products softmax(...) · V. Fused attention is written out first. What is named is the operand of that
 * product, behind whatever masks a softmax of nothing; it keeps its name in the file where it has one. Attention inside
 * the bodies of loops and conditions is not looked for.
 */
export function namedAttention(given: GraphDescription): NamedAttention {
  const graph = attentionApart(given)
  const producers = new Map<number, NodeDescription>()
  for (const node of graph.nodes) for (const output of node.outputs) producers.set(output, node)
  const isProbabilities = (index: number): boolean => {
    const node = producers.get(index)
    if (node === undefined) return false
    if (node.op === 'softmax') return (node.attributes.axis ?? -1) === -1
    return (passing[node.op] ?? []).some(operand => isProbabilities(node.inputs[operand] ?? -1))
  }
  const values: ValueDescription[] = [...graph.values]
  const taken = new Set(values.map(value => value.name))
  const names: string[] = []
  for (const node of graph.nodes) {
    const [index] = node.inputs
    if (node.op !== 'matMul' || node.attributes.transposeA || index === undefined) continue
    if (!isProbabilities(index)) continue
    const value = values[index]!
    let { name } = value
    if (name === undefined) {
      name = `attention.${names.length}`
      while (taken.has(name)) name += '_'
      taken.add(name)
      values[index] = { ...value, name } as ValueDescription
    }
    // Probabilities that weigh two sets of values are one attention.
    if (!names.includes(name)) names.push(name)
  }
  return { graph: { ...graph, values }, names }
}
