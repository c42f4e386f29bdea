import type { AttributeValue, GraphDescription, NodeDescription, ValueDescription } from '#typings/addon.js'

/** Far below every score, and finite, so that a row without keys has no NaN. */
const hidden = -1e30

/**
 * A graph in which every fused attention is written out as products, mask and softmax, so that its probabilities are a
 * value: `NAME.weights` where the node has a name.
 */
export function attentionApart(graph: GraphDescription): GraphDescription {
  if (!graph.nodes.some(({ op }) => op === 'attention')) return graph
  const values: ValueDescription[] = [...graph.values]
  const nodes: NodeDescription[] = []
  const taken = new Set(values.flatMap(value => (value.name === undefined ? [] : [value.name])))
  const add = (description: ValueDescription): number => values.push(description) - 1
  const apply = (
    op: string,
    inputs: number[],
    attributes: Record<string, AttributeValue> = {},
    output = add({ kind: 'result' }),
  ): number => {
    nodes.push({ op, inputs, outputs: [output], attributes })
    return output
  }
  const scalar = (value: number) =>
    add({ kind: 'constant', dtype: 'f32', shape: [], data: Float32Array.of(value) })
  const integer = (value: number) =>
    add({ kind: 'constant', dtype: 'i64', shape: [], data: BigInt64Array.of(BigInt(value)) })
  const length = (value: number) =>
    apply('squeeze', [apply('shape', [value], { start: -2, end: -1 })], { axes: [0] })
  const counted = (count: number) => apply('range', [integer(0), count, integer(1)])

  /** Zeros where a query may read a key, sequences aligned at their ends. */
  const causalMask = (queries: number, keys: number) => {
    const [rows, columns] = [length(queries), length(keys)]
    const own = apply('add', [counted(rows), apply('sub', [columns, rows])])
    const isRead = apply('lessOrEqual', [counted(columns), apply('unsqueeze', [own], { axes: [1] })])
    return apply('where', [isRead, scalar(0), scalar(hidden)])
  }

  for (const node of graph.nodes) {
    if (node.op !== 'attention') {
      nodes.push(node)
      continue
    }
    const [queries, keys, contents, mask = -1] = node.inputs as [number, number, number, number?]
    const product = apply('matMul', [queries, keys], { transposeB: 1 })
    const { scale = 1, causal = 0 } = node.attributes
    let scores = apply('mul', [product, scalar(scale as number)])
    if (mask >= 0) scores = apply('add', [scores, mask])
    if (causal) scores = apply('add', [scores, causalMask(queries, keys)])
    let name = node.name ? `${node.name}.weights` : undefined
    while (name !== undefined && taken.has(name)) name += '_'
    if (name !== undefined) taken.add(name)
    const weights = add({ kind: 'result', ...(name === undefined ? {} : { name }) })
    apply('softmax', [scores], { axis: -1 }, weights)
    nodes.push({
      op: 'matMul',
      ...(node.name ? { name: node.name } : {}),
      inputs: [weights, contents],
      outputs: node.outputs,
      attributes: {},
    })
  }
  return { ...graph, values, nodes }
}
