import type { Model } from '../model/model.js'

/** Weights that are randomised together: those of one layer. */
export interface WeightLayer {
  /** The name of its first weight. */
  readonly name: string
  readonly parameters: readonly string[]
}

/**
 * A model's layers with weights, from its input to its output, by the order in which the graph reads them. A weight with
 * two axes or more begins a layer; biases and norms belong to the layer before them. A weight that several layers share
 * belongs to the first.
 */
export function weightLayers(model: Model): WeightLayer[] {
  const { values, nodes } = model.graph
  const ranks = new Map(model.parameters.list().map(({ name, shape }) => [name, shape.length]))
  const layers: { name: string; parameters: string[] }[] = []
  const seen = new Set<string>()
  for (const node of nodes) {
    const own = node.inputs.flatMap(index => {
      const value = values[index]
      return value?.kind === 'parameter' && ranks.has(value.name) && !seen.has(value.name) ? [value.name] : []
    })
    if (own.length === 0) continue
    for (const name of own) seen.add(name)
    const begins = own.some(name => ranks.get(name)! >= 2) || layers.length === 0
    if (begins) layers.push({ name: own[0]!, parameters: own })
    else layers.at(-1)!.parameters.push(...own)
  }
  return layers
}
