import type { GraphDescription } from '#typings/addon.js'

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
