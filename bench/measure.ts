import { type InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { createTensor, type Model, type Tensor } from '#lib/index.js'
import type { GraphDescription } from '#typings/addon.js'
import { gradientOf, logitsAt, relativeDistance } from '../test/oracles/gradientOf.js'
import { replayGates } from '../test/oracles/replayGates.js'
import { randomFloats } from './harness.js'

const ortTypes: Record<string, string> = { f32: 'float32', i64: 'int64' }

/** A value inside the model becomes an input, so that it can be explained and moved. */
function cut(graph: GraphDescription, layer: string, shape: readonly number[]): GraphDescription {
  const at = graph.values.findIndex(value => value.name === layer)
  if (graph.values[at]?.kind === 'input') return graph
  const values = [...graph.values]
  values[at] = { kind: 'input', name: layer, dtype: 'f32', shape: [...shape] }
  const nodes = graph.nodes.filter(node => !node.outputs.includes(at))
  return { ...graph, values, nodes, inputs: [...graph.inputs, at] }
}

/** Relative errors of one example. */
export interface Errors {
  forward: number
  topFive: boolean
  replayed: number
  unreplayed: number
  differences: number
}

/** Forward against the session's; single gradients against double ones; double ones against differences. */
export async function measure(
  model: Model,
  session: InferenceSession,
  inputs: Record<string, Tensor>,
  explained: string,
): Promise<Errors> {
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, data, shape }]) => [
      name,
      new OrtTensor(ortTypes[dtype] as 'float32', data as Float32Array, shape),
    ]),
  )
  const theirs = await session.run(feeds)
  const { outputs } = await model.run(inputs)
  let forward = 0
  let topFive = true
  const order = (scores: ArrayLike<number>) =>
    Array.from(scores)
      .map((value, at) => [value, at] as const)
      .sort((a, b) => b[0] - a[0] || a[1] - b[1])
  for (const { name } of model.outputs) {
    const [a, b] = [outputs[name]!.data as Float32Array, theirs[name]!.data as Float32Array]
    const greatest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    for (const [at, value] of b.entries()) forward = Math.max(forward, Math.abs(value - a[at]!) / greatest)
    const [mine, peer] = [order(a).slice(0, 5), order(b).slice(0, 5)]
    // A place may differ where two scores are a near-tie.
    topFive &&= mine.every(
      ([, at], place) => at === peer[place]![1] || Math.abs(b[at]! - peer[place]![0]) <= 1e-5 * greatest,
    )
  }
  const scores = outputs[model.outputs[0]!.name]!.data as Float32Array
  const top = scores.indexOf(scores.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY))

  const all: Record<string, Tensor> = { ...inputs }
  if (!(explained in all))
    all[explained] = (await model.run(inputs, { outputs: [explained] })).outputs[explained]!
  const graph = cut(model.graph, explained, all[explained]!.shape)
  const single = await gradientOf(model, explained, all, top, 'f32', graph)
  const double = await gradientOf(model, explained, all, top, 'f64', graph)
  const fixed = cut(await replayGates(model, inputs), explained, all[explained]!.shape)
  const replayed = await gradientOf(model, explained, all, top, 'f64', fixed)
  return {
    forward,
    topFive,
    replayed: relativeDistance(single.gradient, replayed.gradient),
    unreplayed: relativeDistance(single.gradient, double.gradient),
    differences: await againstDifferences(model, fixed, all, explained, top, replayed.gradient),
  }
}

/** With the gates fixed, since pixels that are exactly 0 lie on kinks. The best of three steps: a small one loses digits. */
async function againstDifferences(
  model: Model,
  graph: GraphDescription,
  inputs: Record<string, Tensor>,
  explained: string,
  top: number,
  gradient: ArrayLike<number>,
): Promise<number> {
  const base = Float64Array.from(inputs[explained]!.data as Float32Array)
  const direction = randomFloats(base.length, 7)
  const expected = direction.reduce((sum, value, at) => sum + value * gradient[at]!, 0)
  const moved = (step: number): Record<string, Tensor> => {
    const there = base.map((value, at) => value + step * direction[at]!)
    return { ...inputs, [explained]: createTensor('f64', inputs[explained]!.shape, there) as Tensor }
  }
  const steps = [1e-5, 1e-6, 1e-7]
  const logits = await logitsAt(
    model,
    steps.flatMap(step => [moved(step), moved(-step)]),
    graph,
  )
  const errors = steps.map((step, at) => {
    const [ahead, behind] = [logits[2 * at]![top]!, logits[2 * at + 1]![top]!]
    return Math.abs((ahead - behind) / (2 * step) - expected) / Math.abs(expected)
  })
  return Math.min(...errors)
}
