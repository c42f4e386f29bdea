import type { GraphDescription, NodeDescription, ValueDescription } from '#typings/addon.js'

/** The leading dimension of inputs whose batch was fixed. */
export const batchSymbol = 'ascribe.batch'

type Shaped = { dtype: string; shape: number[] }

const shapeOf = (value: ValueDescription | undefined): readonly (number | string)[] | undefined => {
  if (value === undefined || value.kind === 'result') return undefined
  return value.kind === 'constant' && 'source' in value ? value.source.shape : (value as Shaped).shape
}

/**
 * A graph for batches of one fixed size made free: its inputs get a symbolic leading dimension, and constants that
 * repeat the fixed size follow it: shapes to reshape and expand to, and rows (a class token) that are joined to every
 * example. Whether the result is right is for the caller to find out; see `batchingOf`.
 */
export function withFreeBatch(graph: GraphDescription, size: number): GraphDescription {
  const values: ValueDescription[] = graph.values.map(value =>
    value.kind === 'input' ? { ...value, shape: [batchSymbol, ...value.shape.slice(1)] } : value,
  )
  const nodes: NodeDescription[] = []
  const varies = new Set(graph.inputs)
  const add = (value: ValueDescription): number => values.push(value) - 1
  const integers = (data: readonly number[]): number =>
    add({ kind: 'constant', dtype: 'i64', shape: [data.length], data: BigInt64Array.from(data, BigInt) })
  const apply = (op: string, inputs: number[], attributes: NodeDescription['attributes']): number => {
    const output = add({ kind: 'result' })
    nodes.push({ op, inputs, outputs: [output], attributes })
    return output
  }
  /** A copy of the constant shape that begins with the batch, with `leading` in its place. */
  const freed = (index: number, leading: number): number => {
    const value = values[index]
    if (value?.kind !== 'constant' || !('data' in value) || value.shape.length !== 1) return index
    const dims = Array.from(value.data, Number)
    return dims[0] === size ? integers([leading, ...dims.slice(1)]) : index
  }
  /** Rows that every example gets, repeated for the batch that `example` has. */
  const repeated = (index: number, example: number): number => {
    const shape = shapeOf(values[index])
    if (shape === undefined || shape.length < 2 || shape[0] !== 1) return index
    const batch = apply('shape', [example], { start: 0, end: 1 })
    const target = apply('concat', [batch, integers(shape.slice(1) as number[])], { axis: 0 })
    return apply('expand', [index, target], {})
  }
  for (const node of graph.nodes) {
    const example = node.inputs.find(input => varies.has(input))
    let { inputs } = node
    if (example !== undefined) {
      for (const output of node.outputs) varies.add(output)
      const [data, shape] = inputs as [number, number]
      if (node.op === 'reshape' && !node.attributes.allowZero && varies.has(data))
        inputs = [data, freed(shape, 0)]
      // An extent of 1 keeps what is there.
      if (node.op === 'expand' && varies.has(data)) inputs = [data, freed(shape, 1)]
      if (node.op === 'concat' && node.attributes.axis !== 0 && size === 1)
        inputs = inputs.map(input => (varies.has(input) ? input : repeated(input, example)))
    }
    nodes.push({ ...node, inputs: [...inputs] })
  }
  return { ...graph, values, nodes }
}
