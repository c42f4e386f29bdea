import type { GraphDescription, NodeDescription } from '#typings/addon.js'

/** Operations that do something beside what they return. */
const effects = new Set(['assignState', 'appendState'])

/**
 * The graph without what its outputs do not follow from: a branch that could not be compiled (its shapes depend on
 * data) is in nobody's way then.
 */
export function onlyNeeded(graph: GraphDescription): GraphDescription {
  const needed = new Set(graph.outputs)
  const nodes = graph.nodes
    .toReversed()
    .filter(({ op, inputs, outputs }) => {
      if (!effects.has(op) && !outputs.some(output => needed.has(output))) return false
      for (const input of inputs) needed.add(input)
      return true
    })
    .toReversed()
  return { ...graph, nodes }
}

/** The nodes that another output takes beside those that the graph's outputs need. */
export function nodesFor(graph: GraphDescription, output: number): NodeDescription[] {
  const needed = new Set(onlyNeeded(graph).nodes)
  return onlyNeeded({ ...graph, outputs: [output] }).nodes.filter(node => !needed.has(node))
}
