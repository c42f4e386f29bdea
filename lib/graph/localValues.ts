import type { GraphDescription, NodeDescription } from '#typings/addon.js'

/** Along one axis: place i of a value reads places i * step + first … i * step + last of the input. */
export interface Reach {
  readonly step: number
  readonly first: number
  readonly last: number
  /** Places that the value has. */
  readonly size: number
}

/** A value [N, C, height, width] each place of which reads a window of one input, and nothing else of any input. */
export interface LocalValue {
  readonly name: string
  readonly index: number
  readonly channels: number
  readonly reach: readonly [Reach, Reach]
  /** Multiplications that its making takes, for one example. */
  readonly work: number
}

/** A local value, with a name or without. */
export interface Local extends Omit<LocalValue, 'name' | 'index' | 'work'> {
  /** Nodes that it follows from, by their places in the graph, ascending. */
  readonly nodes: readonly number[]
  /** Multiplications of the last of them, for one example … */
  readonly own: number
  /** … and of all. */
  readonly work: number
}

type Extent = Pick<Local, 'channels' | 'reach'>

/** Operations whose result at a place follows from their operands at that place. */
export const elementwise: ReadonlySet<string> = new Set(
  'relu leakyRelu elu celu selu thresholdedRelu hardSigmoid gelu clip sigmoid tanh erf exp log sqrt reciprocal neg abs softplus softsign silu hardSwish mish identity stopGradient dropout add sub mul div pow min max prelu batchNorm lrn'.split(
    ' ',
  ),
)

/** A list of numbers among a node's attributes. */
export function numbers(node: NodeDescription, name: string, fallback: readonly number[]): readonly number[] {
  const given = node.attributes[name]
  return Array.isArray(given) && given.length > 0 ? given : fallback
}

/** A window that slides over an axis of an operand: place o of the result reads o * stride - begin and so many behind. */
export interface Sliding {
  readonly stride: number
  readonly begin: number
  readonly extent: number
  /** Places of the result. */
  readonly size: number
}

/** Spatial sizes of the kernel of a convolution or pooling. */
export function kernelOf(graph: GraphDescription, node: NodeDescription): readonly number[] {
  const isPool = node.op === 'maxPool' || node.op === 'averagePool'
  const sizes = isPool ? numbers(node, 'kernel', []) : (shapeOf(graph, node.inputs[1]!)?.slice(2) ?? [])
  return sizes.map(Number)
}

/** How a convolution or pooling slides over an axis of so many places; undefined where it does not fit. */
export function slidingAlong(
  node: NodeDescription,
  places: number,
  axis: number,
  kernel: number,
): Sliding | undefined {
  const stride = numbers(node, 'strides', [1, 1])[axis]!
  const dilation = numbers(node, 'dilations', [1, 1])[axis]!
  const extent = (kernel - 1) * dilation + 1
  const mode = node.attributes.autoPad ?? 'explicit'
  let [begin, end] = [0, 0]
  if (mode === 'explicit') {
    const pads = numbers(node, 'pads', [0, 0, 0, 0])
    begin = pads[axis]!
    end = pads[axis + 2]!
  } else if (mode !== 'valid') {
    const total = Math.max(0, (Math.ceil(places / stride) - 1) * stride + extent - places)
    const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)]
    begin = mode === 'sameUpper' ? less : more
    end = total - begin
  }
  const room = places + begin + end - extent
  if (!(room >= 0)) return undefined
  let size = Math.floor(room / stride) + 1
  // No window starts in the padding behind.
  if (node.attributes.ceilMode === 1) {
    size = Math.ceil(room / stride) + 1
    if ((size - 1) * stride >= places + begin) --size
  }
  return { stride, begin, extent, size }
}

/** What is read behind a sliding window. */
export function slide(node: NodeDescription, before: Reach, axis: number, kernel: number): Reach | undefined {
  const sliding = slidingAlong(node, before.size, axis, kernel)
  if (sliding === undefined) return undefined
  const { stride, begin, extent, size } = sliding
  return {
    step: before.step * stride,
    first: before.first - begin * before.step,
    last: before.last + (extent - 1 - begin) * before.step,
    size,
  }
}

/** The declared shape of what is no result. */
export function shapeOf(graph: GraphDescription, index: number): readonly (number | string)[] | undefined {
  const value = graph.values[index]
  if (value === undefined || value.kind === 'result') return undefined
  return 'source' in value ? value.source.shape : value.shape
}

/**
 * Values of a graph that are local in one input [N, C, height, width]: convolutions, poolings and elementwise operations
 * over it, up to the first that looks further. An input that changes only outside of a place's window leaves the place
 * as it is.
 *
 * @param input Index of the input among the graph's values.
 * @param shape Of one example: channels, height, width.
 * @returns by their index among the graph's values, the input itself first.
 */
export function localReaches(
  graph: GraphDescription,
  input: number,
  shape: readonly [number, number, number],
): Map<number, Local> {
  const whole = (size: number): Reach => ({ step: 1, first: 0, last: 0, size })
  const local = new Map<number, Local>([
    [input, { channels: shape[0], reach: [whole(shape[1]), whole(shape[2])], nodes: [], own: 0, work: 0 }],
  ])
  // What follows from an input or a state is no constant, even where it is not local.
  const varies = new Set<number>(graph.inputs)
  for (const [index, { kind }] of graph.values.entries()) if (kind === 'state') varies.add(index)
  /** Multiplications of each node. */
  const cost: number[] = []

  const follow = (node: NodeDescription): { local: Extent; cost: number } | undefined => {
    const [first] = node.inputs as [number]
    const varying = node.inputs.filter(index => varies.has(index))
    const operands = varying.map(index => local.get(index))
    if (operands.length === 0 || operands.some(operand => operand === undefined)) return undefined
    const [one] = operands as [Local]
    const isAlike = (operands as Local[]).every(({ reach }) =>
      reach.every((each, axis) => each.step === one.reach[axis]!.step && each.size === one.reach[axis]!.size),
    )
    if (!isAlike) return undefined
    const joined = [0, 1].map(axis => ({
      ...one.reach[axis]!,
      first: Math.min(...(operands as Local[]).map(({ reach }) => reach[axis]!.first)),
      last: Math.max(...(operands as Local[]).map(({ reach }) => reach[axis]!.last)),
    })) as [Reach, Reach]
    if (node.op === 'concat') {
      if (node.attributes.axis !== 1 || varying.length !== node.inputs.length) return undefined
      const channels = (operands as Local[]).reduce((sum, operand) => sum + operand.channels, 0)
      return { local: { channels, reach: joined }, cost: 0 }
    }
    if (elementwise.has(node.op)) {
      // A constant of more channels or places than the value would stretch it.
      for (const index of node.inputs) {
        if (index < 0 || varies.has(index)) continue
        const [height, width] = joined
        const own = shapeOf(graph, index)
        const limits = [1, one.channels, height.size, width.size]
        const fits =
          own === undefined
            ? false
            : node.op === 'batchNorm' ||
              (own.length <= 4 && own.every((size, at) => size === 1 || size === limits[4 - own.length + at]))
        if (!fits) return undefined
      }
      if ((operands as Local[]).some(({ channels }) => channels !== one.channels)) return undefined
      return { local: { channels: one.channels, reach: joined }, cost: 0 }
    }
    const isPool = node.op === 'maxPool' || node.op === 'averagePool'
    if ((node.op !== 'conv' && !isPool) || varying.length !== 1 || varying[0] !== first) return undefined
    const weights = isPool ? undefined : shapeOf(graph, node.inputs[1]!)
    const kernel = kernelOf(graph, node)
    if (kernel.length !== 2 || !kernel.every(Number.isInteger)) return undefined
    const [down, across] = [0, 1].map(axis => slide(node, joined[axis]!, axis, kernel[axis]!))
    if (down === undefined || across === undefined) return undefined
    const reach = [down, across] as const
    if (weights === undefined) return { local: { channels: one.channels, reach }, cost: 0 }
    const count = weights.reduce((product: number, size) => product * Number(size), 1)
    return { local: { channels: Number(weights[0]), reach }, cost: count * down.size * across.size }
  }

  for (const [at, node] of graph.nodes.entries()) {
    const followed = follow(node)
    cost[at] = followed?.cost ?? 0
    if (node.inputs.some(index => varies.has(index))) for (const output of node.outputs) varies.add(output)
    const [output] = node.outputs as [number]
    if (followed === undefined || node.outputs.length !== 1) continue
    const behind = new Set(node.inputs.flatMap(index => local.get(index)?.nodes ?? []))
    const nodes = [...behind, at].sort((a, b) => a - b)
    const work = nodes.reduce((sum, index) => sum + cost[index]!, 0)
    local.set(output, { ...followed.local, nodes, own: followed.cost, work })
  }
  return local
}

/** Those of them that have a name. */
export function localValues(
  graph: GraphDescription,
  input: number,
  shape: readonly [number, number, number],
): LocalValue[] {
  return [...localReaches(graph, input, shape)].flatMap(
    ([index, { channels, reach, work }]): LocalValue[] => {
      const value = graph.values[index]
      const isNamed = value?.kind === 'result' && value.name !== undefined
      return isNamed ? [{ name: value.name!, index, channels, reach, work }] : []
    },
  )
}

/** Whether every way from an input to the outputs leads through a value. */
export function isPassage(graph: GraphDescription, input: number, value: number): boolean {
  const reached = new Set([input])
  for (const node of graph.nodes)
    if (node.inputs.some(index => reached.has(index)))
      for (const output of node.outputs) if (output !== value) reached.add(output)
  return !graph.outputs.some(output => reached.has(output))
}
