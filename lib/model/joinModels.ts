import type { GraphDescription, ValueDescription } from '#typings/addon.js'
import type { Model } from './model.js'

/** Equal for values that hold the same: weights and inputs by name, constants by the very numbers. */
function isSame(a: ValueDescription, b: ValueDescription): boolean {
  if (a.kind === 'result' || b.kind === 'result' || a.kind !== b.kind) return false
  if (a.kind === 'constant' && b.kind === 'constant') {
    if ('source' in a || 'source' in b) return 'source' in a && 'source' in b && a.source === b.source
    return a.data === b.data && a.dtype === b.dtype && a.shape.join() === b.shape.join()
  }
  return a.name === b.name
}

/**
 * One graph of two that stand on the same weights: what both compute alike is there once.
 *
 * @returns The graph, whose outputs are those of the first and then the second's, and the places of the second's outputs.
 */
function joinGraphs(
  first: GraphDescription,
  second: GraphDescription,
): { graph: GraphDescription; shared: number } {
  const values = [...first.values]
  const nodes = [...first.nodes]
  const mapped = new Map<number, number>()
  const given = first.values.flatMap((value, at) => (value.kind === 'result' ? [] : [at]))
  const taken = new Set(first.values.map(value => value.name))
  const add = (value: ValueDescription): number => {
    if (value.name === undefined) return values.push(value) - 1
    let name = value.name
    while (taken.has(name)) name = `second.${name}`
    taken.add(name)
    // Aliases may be names of the first.
    return (
      values.push(
        value.kind === 'result' ? { kind: 'result', name } : ({ ...value, name } as ValueDescription),
      ) - 1
    )
  }
  for (const [at, value] of second.values.entries()) {
    if (value.kind === 'result') continue
    const same = given.find(index => isSame(first.values[index]!, value))
    mapped.set(at, same ?? add(value))
  }
  const keyOf = (op: string, attributes: object, inputs: readonly number[]) =>
    JSON.stringify([op, Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)), inputs])
  const known = new Map(first.nodes.map(node => [keyOf(node.op, node.attributes, node.inputs), node.outputs]))
  let shared = 0
  for (const node of second.nodes) {
    const inputs = node.inputs.map(input => (input < 0 ? input : mapped.get(input)!))
    const same = known.get(keyOf(node.op, node.attributes, inputs))
    if (same?.length === node.outputs.length) {
      ++shared
      for (const [place, output] of node.outputs.entries()) mapped.set(output, same[place]!)
      continue
    }
    for (const output of node.outputs) mapped.set(output, add(second.values[output]!))
    nodes.push({ ...node, inputs, outputs: node.outputs.map(output => mapped.get(output)!) })
  }
  const inputs = [...new Set([...first.inputs, ...second.inputs.map(input => mapped.get(input)!)])]
  const outputs = [...first.outputs, ...second.outputs.map(output => mapped.get(output)!)]
  return { graph: { values, nodes, inputs, outputs }, shared }
}

/**
 * Two models that stand on one file's weights (one composed from the other, or both from a third) as one, so that what
 * they share is computed once.
 *
 * @returns The joined model, with the first's outputs, and the name of the second's first output there; undefined where
 *   they share nothing.
 */
export function joinModels(first: Model, second: Model): { model: Model; output: string } | undefined {
  if (!first.sharesWeightsWith(second)) return undefined
  if (first.graph.subgraphs !== undefined || second.graph.subgraphs !== undefined) return undefined
  if (first.inputs.map(({ name }) => name).join() !== second.inputs.map(({ name }) => name).join())
    return undefined
  const { graph, shared } = joinGraphs(first.graph, second.graph)
  const name = graph.values[graph.outputs[first.outputs.length]!]?.name
  if (shared === 0 || name === undefined || graph.inputs.length !== first.graph.inputs.length)
    return undefined
  const kept = graph.outputs.slice(0, first.outputs.length + 1)
  const output = first.outputs.some(each => each.name === name) ? `second.${name}` : name
  return {
    model: first.withGraph({
      graph: { ...graph, outputs: kept },
      outputs: [...first.outputs, { name: output }],
      name: first.name,
      composition: `joined ${second.outputs[0]!.name}`,
      ...(first.labels === undefined ? {} : { labels: [...first.labels] }),
    }),
    output,
  }
}
