import type { NodeDescription } from '#typings/addon.js'
import type { Explainable } from './explainable.js'

/** Where a model looks rows up in a table by the integers of an input: what stands for a token inside. */
export interface EmbeddingLookup {
  /** The integer input. */
  readonly input: string
  /** The value with the rows, [N, T, features]. */
  readonly layer: string
}

/** Operations that pass ids on as they are, or in another shape or element type. */
const passing = new Set(['identity', 'cast', 'reshape', 'squeeze', 'unsqueeze', 'flatten'])

/** Every lookup of a model's integer inputs in a weight; none where the inside of the model is not known. */
export function embeddingLookups({ graph }: Pick<Explainable, 'graph'>): EmbeddingLookup[] {
  if (graph === undefined) return []
  const { values, nodes } = graph
  const producers = new Map<number, NodeDescription>()
  for (const node of nodes) for (const output of node.outputs) producers.set(output, node)
  const inputBehind = (index: number): string | undefined => {
    for (let at = index; ; ) {
      const value = values[at]
      if (value?.kind === 'input')
        return value.dtype === 'i64' || value.dtype === 'i32' ? value.name : undefined
      const node = producers.get(at)
      if (node === undefined || !passing.has(node.op)) return undefined
      at = node.inputs[0]!
    }
  }
  return nodes.flatMap(node => {
    if (node.op !== 'gather' || values[node.inputs[0]!]?.kind !== 'parameter') return []
    const input = inputBehind(node.inputs[1]!)
    const layer = values[node.outputs[0]!]?.name
    return input === undefined || layer === undefined ? [] : [{ input, layer }]
  })
}
