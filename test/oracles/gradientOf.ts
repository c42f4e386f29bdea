import { GraphBuilder, Value } from '#lib/graph/builder.js'
import type { Model, Tensor } from '#lib/index.js'
import { bindSizes } from '#lib/model/bindSizes.js'
import { native, settle } from '#lib/native.js'
import type { GraphDescription, NativeTensor } from '#typings/addon.js'

/** The logit of one class of the first output (before its softmax), flattened, and its gradient in one input. */
export interface ClassGradient {
  logits: Float32Array | Float64Array
  gradient: Float32Array | Float64Array
}

/** A graph, and the first output's logits (before its softmax) flattened. */
function withLogits(model: Model, graph: GraphDescription) {
  const builder = new GraphBuilder()
  const values = builder.include(graph)
  const first = model.output(values, model.outputs[0]!.name)!
  // A saturated softmax loses the digits of 1 - p: what it is of is differentiated.
  const last = builder.nodes.find(node => node.outputs.includes(first.index))
  const behind = last?.op === 'softmax' ? new Value(builder, last.inputs[0]!) : first
  return { builder, values, output: builder.apply('reshape', [behind, builder.integers([1, -1])]) }
}

/** Those logits in double precision at many inputs of the same shapes, by one plan. */
export async function logitsAt(
  model: Model,
  points: readonly Readonly<Record<string, Tensor>>[],
  graph: GraphDescription = model.graph,
): Promise<Float64Array[]> {
  const { builder, output } = withLogits(model, graph)
  const plan = await settle(() =>
    native()
      .createGraph(builder.build([output]))
      .compile(model.nativeParameters, { sizes: bindSizes(model.inputs, points[0]!), precision: 'f64' }),
  )
  const all: Float64Array[] = []
  for (const point of points) {
    const { outputs } = await settle(() => plan.run(point as Record<string, NativeTensor>, {}))
    all.push(outputs[0]!.data as Float64Array)
  }
  plan.dispose()
  return all
}

/**
 * The gradient of a logit in one input, straight from the graph language: in single precision by the fast kernels, in
 * double by the reference kernels.
 *
 * @param graph Another graph with the model's inputs and outputs (gates replayed); default the model's own.
 */
export async function gradientOf(
  model: Model,
  input: string,
  inputs: Readonly<Record<string, Tensor>>,
  index: number,
  precision: 'f32' | 'f64',
  graph: GraphDescription = model.graph,
): Promise<ClassGradient> {
  const { builder, values, output } = withLogits(model, graph)
  const picked = builder.apply(
    'gather',
    [output, builder.constant('i64', [], BigInt64Array.of(BigInt(index)))],
    { axis: 1 },
  )
  const seed = builder.apply('expandLike', [builder.constant('f32', [1, 1], Float32Array.of(1)), picked], {
    leading: 1,
  })
  const [gradient] = builder.vjp([picked], [seed], [values.get(input)!])
  const plan = await settle(() =>
    native()
      .createGraph(builder.build([output, gradient!]))
      .compile(model.nativeParameters, { sizes: bindSizes(model.inputs, inputs), precision }),
  )
  const { outputs } = await settle(() => plan.run(inputs as Record<string, NativeTensor>, {}))
  plan.dispose()
  return {
    logits: outputs[0]!.data as Float64Array,
    gradient: outputs[1]!.data as Float64Array,
  }
}

/** The relative L2 distance |a - b| / |b|. */
export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, size] = [0, 0]
  for (let index = 0; index < b.length; index++) {
    difference += (a[index]! - b[index]!) ** 2
    size += b[index]! ** 2
  }
  return Math.sqrt(difference / size)
}
