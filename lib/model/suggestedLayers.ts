import type { GraphDescription, NodeDescription } from '#typings/addon.js'

/** A layer that methods on layers do well with, and why. */
export interface SuggestedLayer {
  readonly name: string
  /**
   * `last-convolution`: what the last convolution gives; `last-maps`: the same behind its norm and activation, where
   * class activation maps are taken; `last-block`: the tokens that the last attention reads, behind their norm.
   */
  readonly kind: 'last-convolution' | 'last-maps' | 'last-block'
}

/** Operations that keep a map a map, place by place. */
const pointwise = new Set(
  'batchNorm relu leakyRelu prelu clip elu celu selu silu hardSwish mish gelu sigmoid hardSigmoid tanh add mul identity dropout'.split(
    ' ',
  ),
)
/** What stands between the projection of a query and the softmax over its scores. */
const between = new Set(
  'identity cast reshape transpose squeeze unsqueeze mul div add sub where slice concat gather dropout clip'.split(
    ' ',
  ),
)
const views = new Set(['identity', 'cast', 'reshape', 'transpose', 'squeeze', 'unsqueeze'])
const greatestDistance = 40

/**
 * Good layers of a model.
 *
 * @param shapes Of its values by name, where they are known: convolutions that give one place are left out then.
 */
export function suggestedLayers(
  graph: GraphDescription,
  shapes: ReadonlyMap<string, readonly number[]> = new Map(),
): SuggestedLayer[] {
  const nameOf = (index: number | undefined) => (index === undefined ? undefined : graph.values[index]?.name)
  const readers = new Map<number, NodeDescription[]>()
  const producers = new Map<number, NodeDescription>()
  for (const node of graph.nodes) {
    for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node])
    for (const output of node.outputs) producers.set(output, node)
  }
  const found: SuggestedLayer[] = []
  const add = (index: number | undefined, kind: SuggestedLayer['kind']) => {
    const name = nameOf(index)
    if (name !== undefined) found.push({ name, kind })
  }
  const isMoving = (index: number) => producers.has(index) || graph.values[index]?.kind === 'input'
  const block = queryOrigin(graph, producers)
  const hasPlaces = (index: number): boolean => {
    const shape = shapes.get(nameOf(index) ?? '')
    return shape === undefined || shape.slice(2).some(size => size > 1)
  }
  const pooled = behindPooling(graph)
  const convolutions = graph.nodes.filter(
    ({ op, inputs, outputs }) =>
      op === 'conv' && isMoving(inputs[0]!) && !pooled.has(inputs[0]!) && hasPlaces(outputs[0]!),
  )
  // In front of attention a convolution cuts patches, or embeds; what it gives are no maps of a classifier.
  const last = block === undefined ? convolutions.at(-1) : undefined
  if (last) {
    add(last.outputs[0], 'last-convolution')
    let maps = last.outputs[0]!
    for (let step = 0; step < greatestDistance; step++) {
      const next: NodeDescription | undefined = (readers.get(maps) ?? []).find(({ op }) => pointwise.has(op))
      if (next === undefined || nameOf(next.outputs[0]) === undefined) break
      maps = next.outputs[0]!
    }
    if (maps !== last.outputs[0]) add(maps, 'last-maps')
  }
  add(block, 'last-block')
  return found
}

/** Values of which one place is left: a pooling over all of them, and what is computed of it alone. */
function behindPooling({ nodes, values }: GraphDescription): ReadonlySet<number> {
  const found = new Set<number>()
  const isWeight = (index: number) => index < 0 || ['parameter', 'constant'].includes(values[index]!.kind)
  for (const { op, inputs, outputs } of nodes) {
    const isOfPooled = inputs.some(index => found.has(index))
    if (op.startsWith('global') || (isOfPooled && inputs.every(index => found.has(index) || isWeight(index))))
      for (const output of outputs) found.add(output)
  }
  return found
}

/** What the query of the last attention is a projection of. */
function queryOrigin(
  graph: GraphDescription,
  producers: ReadonlyMap<number, NodeDescription>,
): number | undefined {
  const isWeight = (index: number): boolean => {
    for (let at = index, step = 0; step < greatestDistance; step++) {
      const value = graph.values[at]
      if (value?.kind === 'parameter' || value?.kind === 'constant') return true
      const node = producers.get(at)
      if (node === undefined || !views.has(node.op)) return false
      at = node.inputs[0]!
    }
    return false
  }
  const origin = (from: number): number | undefined => {
    for (let at = from, step = 0; step < greatestDistance; step++) {
      const node = producers.get(at)
      if (node === undefined) return undefined
      const [a, b] = node.inputs
      if (node.op === 'matMul' && isWeight(b!)) return a
      if (node.op === 'matMul' || !between.has(node.op)) return undefined
      at = isWeight(a!) && b !== undefined && b >= 0 ? b : a!
    }
    return undefined
  }
  for (const node of graph.nodes.toReversed()) {
    if (node.op === 'attention') {
      const projected = origin(node.inputs[0]!)
      if (projected !== undefined) return projected
    }
    if (node.op !== 'softmax') continue
    // Back to the product of queries and keys.
    for (let at = node.inputs[0]!, step = 0; step < greatestDistance; step++) {
      const before = producers.get(at)
      if (before === undefined) break
      if (before.op === 'matMul') {
        const projected = origin(before.inputs[0]!)
        if (projected !== undefined) return projected
        break
      }
      if (!between.has(before.op)) break
      at = isWeight(before.inputs[0]!) ? before.inputs[1]! : before.inputs[0]!
    }
  }
  return undefined
}
