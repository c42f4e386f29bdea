import type { GraphDescription } from '#typings/addon.js'
import { embeddingLookups } from './embeddings.js'

/**
 * What a layer of attention does in a model that reads one text and writes another: tokens of the one look at each other
 * (`encoder`), those of the other do (`self`), or those of the other look at the one (`cross`).
 */
export type AttentionSide = 'encoder' | 'self' | 'cross'

/**
 * The sides of attention by its values' names, told by which tokens probabilities and what they weigh are computed from; none
 * where all tokens look at each other.
 */
export function attentionSides(
  graph: GraphDescription,
  names: readonly string[],
): ReadonlyMap<string, AttentionSide> {
  const texts = [...new Set(embeddingLookups({ graph }).map(({ input }) => input))]
  const sides = new Map<string, AttentionSide>()
  if (texts.length < 2) return sides
  /** Of each value, the texts that it is computed from, one bit each. */
  const from = new Map<number, number>()
  for (const [index, value] of graph.values.entries())
    if (value.kind === 'input' && texts.includes(value.name)) from.set(index, 1 << texts.indexOf(value.name))
  const textsOf = (indices: readonly (number | undefined | null)[]): number =>
    indices.reduce<number>((all, index) => all | (from.get(index ?? -1) ?? 0), 0)
  const wanted = new Set(names)
  const layers: { name: string; looks: number; read: number }[] = []
  for (const node of graph.nodes) {
    const all = textsOf(node.inputs)
    for (const output of node.outputs) from.set(output, all)
    const name = node.op === 'matMul' ? graph.values[node.inputs[0] ?? -1]?.name : undefined
    if (name === undefined || !wanted.has(name)) continue
    layers.push({ name, looks: textsOf([node.inputs[0]]), read: textsOf([node.inputs[1]]) })
  }
  const isCross = ({ looks, read }: { looks: number; read: number }) =>
    read !== 0 && read !== looks && (looks & read) === read
  const encoded = layers.find(isCross)?.read
  if (encoded === undefined) return sides
  for (const layer of layers) {
    const isEncoder = layer.looks === encoded && layer.read === encoded
    sides.set(layer.name, isCross(layer) ? 'cross' : isEncoder ? 'encoder' : 'self')
  }
  return sides
}
