import type { Model, Tensor } from '#lib/index.js'
import { bindSizes } from '#lib/model/bindSizes.js'
import { native, settle } from '#lib/native.js'
import type { GraphDescription, NodeDescription, TensorData, ValueDescription } from '#typings/addon.js'

/** Piecewise linear operations, in which an input near a kink may take the other piece in another precision. */
const gates = new Set(['relu', 'clip', 'leakyRelu'])

/**
 * The model with every ReLU, clip and max pool fixed to the pieces and places that a single-precision run took. In
 * double precision it is what a perfect single-precision gradient would be compared with: a gate that flips moves even
 * that by 1e-3.
 */
export async function replayGates(
  model: Model,
  inputs: Readonly<Record<string, Tensor>>,
): Promise<GraphDescription> {
  const graph: { values: ValueDescription[]; nodes: NodeDescription[]; inputs: number[]; outputs: number[] } =
    {
      ...model.graph,
      values: [...model.graph.values],
      nodes: model.graph.nodes.map(node => ({ ...node })),
    }
  const wanted: { node: number; value: number; isPlace: boolean }[] = []
  graph.nodes.forEach((node, at) => {
    // By what came out of it: asked for what went in, a plan would not fuse it, and fused and bare convolutions differ in
    // their last bits.
    if (gates.has(node.op)) wanted.push({ node: at, value: node.outputs[0]!, isPlace: false })
    if (node.op !== 'maxPool') return
    if (node.outputs.length < 2) {
      graph.values.push({ kind: 'result' })
      node.outputs = [node.outputs[0]!, graph.values.length - 1]
    }
    wanted.push({ node: at, value: node.outputs[1]!, isPlace: true })
  })
  const sizes = bindSizes(model.inputs, inputs)
  const plan = await settle(() =>
    native()
      .createGraph({ ...graph, outputs: wanted.map(({ value }) => value) })
      .compile(model.nativeParameters, { sizes }),
  )
  const { outputs } = await settle(() => plan.run(inputs as never, {}))
  plan.dispose()

  const constant = (dtype: 'f32' | 'i64', shape: number[], data: TensorData): number =>
    graph.values.push({ kind: 'constant', dtype, shape, data }) - 1
  const result = (): number => graph.values.push({ kind: 'result' }) - 1
  const insert = new Map<number, NodeDescription[]>()
  wanted.forEach(({ node: at, isPlace }, index) => {
    const node = graph.nodes[at]!
    const { data, shape } = outputs[index]!
    const [x] = node.inputs as [number]
    const y = node.outputs[0]!
    if (isPlace) {
      // y = x.flat per plane at the recorded places.
      const [n, c] = shape as [number, number]
      const places = BigInt64Array.from(data as Int32Array, BigInt)
      const [planes, picked] = [result(), result()]
      insert.set(at, [
        {
          op: 'reshape',
          inputs: [x, constant('i64', [3], BigInt64Array.of(BigInt(n), BigInt(c), -1n))],
          outputs: [planes],
          attributes: {},
        },
        {
          op: 'gatherElements',
          inputs: [planes, constant('i64', [n, c, places.length / (n * c)], places)],
          outputs: [picked],
          attributes: { axis: 2 },
        },
        {
          op: 'reshape',
          inputs: [picked, constant('i64', [shape.length], BigInt64Array.from(shape, BigInt))],
          outputs: [y],
          attributes: {},
        },
      ])
      return
    }
    const { slope, offset } = pieces(node, data as Float32Array)
    const scaled = result()
    insert.set(at, [
      { op: 'mul', inputs: [x, constant('f32', [...shape], slope)], outputs: [scaled], attributes: {} },
      { op: 'add', inputs: [scaled, constant('f32', [...shape], offset)], outputs: [y], attributes: {} },
    ])
  })
  return { ...graph, nodes: graph.nodes.flatMap((node, at) => insert.get(at) ?? [node]) }
}

/** y = slope * x + offset, element by element, on the piece that gave y. */
function pieces(node: NodeDescription, y: Float32Array): { slope: Float32Array; offset: Float32Array } {
  const slope = new Float32Array(y.length)
  const offset = new Float32Array(y.length)
  const {
    alpha = 0.01,
    min = Number.NEGATIVE_INFINITY,
    max = Number.POSITIVE_INFINITY,
  } = node.attributes as Record<string, number>
  for (const [at, value] of y.entries()) {
    if (node.op === 'relu') slope[at] = value > 0 ? 1 : 0
    else if (node.op === 'leakyRelu') slope[at] = value > 0 ? 1 : alpha
    else if (value > min && value < max) slope[at] = 1
    else offset[at] = value
  }
  return { slope, offset }
}
