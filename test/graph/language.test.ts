import test from 'ava'
import { GraphBuilder, type Value } from '#lib/graph/builder.js'
import { createTensor } from '#lib/index.js'
import { native, settle } from '#lib/native.js'
import type { NativeTensor } from '#typings/addon.js'
import { parametersOf, runGraph as run } from '../oracles/runGraph.js'

/** What the graph language can say beyond a forward pass, end to end through the addon. */

const f32 = (shape: number[], data: number[]) => createTensor('f32', shape, data)
const ones = (graph: GraphBuilder, shape: number[]): Value =>
  graph.constant('f32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1))

test('one backward pass serves several cotangents: the rows of a Jacobian', async t => {
  const graph = new GraphBuilder()
  const x = graph.input('x', 'f32', [3])
  const y = graph.apply('mul', [x, x])
  const seeds = graph.constant('f32', [3, 3], Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1))
  const [jacobian] = graph.vjp([y], [seeds], [x])
  const [result] = await run(graph.build([jacobian!]), { x: f32([3], [1, 2, 3]) })
  t.deepEqual(result, { shape: [3, 3], data: [2, 0, 0, 0, 4, 0, 0, 0, 6] })
})

test('parameter gradients: summed, for each example, and as factors', async t => {
  const make = (kind: 'summed' | 'perExample' | 'factors') => {
    const graph = new GraphBuilder()
    const x = graph.input('x', 'f32', [2, 3])
    const w = graph.parameter('w', 'f32', [3, 2])
    const y = graph.apply('matMul', [x, w])
    const seed = graph.constant('f32', [1, 2, 2], Float32Array.of(1, 0, 0, 10))
    if (kind !== 'factors') return graph.build(graph.vjp([y], [seed], [w], { parameters: kind }))
    const [{ input, outputGradient }] = graph.vjpFactors([y], [seed], [w]) as [
      { input: Value; outputGradient: Value },
    ]
    return graph.build([input, outputGradient])
  }
  const inputs = { x: f32([2, 3], [1, 2, 3, 4, 5, 6]) }
  const weights = { w: f32([3, 2], [1, 1, 1, 1, 1, 1]) }
  const [summed] = await run(make('summed'), inputs, weights)
  t.deepEqual(summed, { shape: [1, 3, 2], data: [1, 40, 2, 50, 3, 60] })
  const [each] = await run(make('perExample'), inputs, weights)
  t.deepEqual(each, { shape: [1, 2, 3, 2], data: [1, 0, 2, 0, 3, 0, 0, 40, 0, 50, 0, 60] })
  const [input, gradient] = await run(make('factors'), inputs, weights)
  t.deepEqual(input!.data, [1, 2, 3, 4, 5, 6])
  t.deepEqual(gradient!.data, [1, 0, 0, 10])
})

test('a gradient stops where it is told to', async t => {
  const graph = new GraphBuilder()
  const x = graph.input('x', 'f32', [2])
  const y = graph.apply('mul', [x, graph.apply('stopGradient', [x])])
  const [gradient] = graph.vjp([y], [ones(graph, [1, 2])], [x])
  const [result] = await run(graph.build([gradient!]), { x: f32([2], [3, -4]) })
  t.deepEqual(result!.data, [3, -4])
})

test('a function may bring a derivative of its own: straight through a rounding', async t => {
  const forward = new GraphBuilder()
  const rounded = forward.apply('round', [forward.input('x', 'f32', [3])])
  const backward = new GraphBuilder()
  backward.input('x', 'f32', [3])
  backward.input('y', 'f32', [3])
  const cotangent = backward.input('g', 'f32', ['K', 3])
  const graph = new GraphBuilder()
  const x = graph.input('x', 'f32', [3])
  const [y] = graph.customDerivative('round', [x], forward.build([rounded]), backward.build([cotangent]))
  const tripled = graph.apply('mul', [y!, graph.scalar(3)])
  const [gradient] = graph.vjp([tripled], [ones(graph, [1, 3])], [x])
  const [value, slope] = await run(graph.build([tripled, gradient!]), { x: f32([3], [0.4, 1.6, -2.2]) })
  t.deepEqual(value!.data, [0, 6, -6])
  t.deepEqual(slope!.data, [3, 3, 3])
})

test('the derivative of a derivative: d²(x³)/dx² = 6x', async t => {
  const graph = new GraphBuilder()
  const x = graph.input('x', 'f32', [2])
  const y = graph.apply('mul', [graph.apply('mul', [x, x]), x])
  const [first] = graph.vjp([y], [ones(graph, [1, 2])], [x])
  const [second] = graph.vjp([first!], [ones(graph, [1, 1, 2])], [x])
  const [a, b] = await run(graph.build([first!, second!]), { x: f32([2], [2, -1]) })
  t.deepEqual(a!.data, [12, 3])
  t.deepEqual(b!.data, [12, -6])
})

test('dropout drops in training and passes in evaluation, by seed and never by place', async t => {
  const graph = new GraphBuilder()
  const x = graph.input('x', 'f32', [1000])
  const built = graph.build([graph.apply('dropout', [x], { ratio: 0.25, seed: 5 })])
  const inputs = { x: f32([1000], new Array(1000).fill(1)) }
  const [evaluated] = await run(built, inputs)
  t.true(evaluated!.data.every(value => value === 1))
  const [trained] = await run(built, inputs, {}, { train: true })
  const kept = trained!.data.filter(value => value !== 0)
  t.true(kept.length > 690 && kept.length < 810, `${kept.length} kept`)
  t.true(kept.every(value => Math.abs(value - 4 / 3) < 1e-6))
  const [again] = await run(built, inputs, {}, { train: true })
  t.deepEqual(again, trained)
})

test('batch normalisation normalises by its batch in training, and by what it learnt in evaluation', async t => {
  const graph = new GraphBuilder()
  const x = graph.input('x', 'f32', [4, 1])
  const weights = ['scale', 'bias', 'mean', 'variance'].map(name => graph.parameter(name, 'f32', [1]))
  const y = graph.apply('batchNorm', [x, ...weights], { epsilon: 0 })
  const built = graph.build([y])
  const values = { scale: f32([1], [2]), bias: f32([1], [1]), mean: f32([1], [10]), variance: f32([1], [4]) }
  const inputs = { x: f32([4, 1], [1, 3, 5, 7]) }
  const [evaluated] = await run(built, inputs, values)
  t.deepEqual(evaluated!.data, [-8, -6, -4, -2])
  const [trained] = await run(built, inputs, values, { train: true })
  // Mean 4, variance 5.
  for (const [at, expected] of [-3, -1, 1, 3].entries())
    t.true(Math.abs(trained!.data[at]! - ((2 * expected) / Math.sqrt(5) + 1)) < 1e-5)
})

test('plans of mutable parameters read what was written since', async t => {
  const graph = new GraphBuilder()
  const x = graph.input('x', 'f32', [2])
  const w = graph.parameter('w', 'f32', [2])
  const store = parametersOf({ w: f32([2], [1, 2]) })
  const plan = await settle(() =>
    native()
      .createGraph(graph.build([graph.apply('mul', [x, w])]))
      .compile(store, { parameters: 'mutable' }),
  )
  const once = async () =>
    Array.from(
      (await settle(() => plan.run({ x: f32([2], [10, 10]) as NativeTensor }, {}))).outputs[0]!
        .data as Float32Array,
    )
  t.deepEqual(await once(), [10, 20])
  store.write('w', f32([2], [5, 6]) as NativeTensor)
  t.deepEqual(await once(), [50, 60])
})

test('a state is carried from run to run, and lengths vary within the capacity of one plan', async t => {
  const graph = new GraphBuilder()
  const x = graph.input('x', 'f32', ['T', 2])
  const total = graph.state('total', 'f32', [2])
  const sum = graph.apply('add', [total, graph.apply('sum', [x], { axes: [0], keepDims: 0 })])
  const native_ = native().createGraph(graph.build([graph.apply('assignState', [total, sum])]))
  const plan = await settle(() => native_.compile(parametersOf({}), { sizes: { T: 4 }, runLengths: ['T'] }))
  const session = native_.session({})
  const feed = async (rows: number[]) => {
    const length = rows.length / 2
    const { outputs } = await settle(() =>
      plan.run({ x: f32([length, 2], rows) as NativeTensor }, { session, runLengths: { T: length } }),
    )
    return Array.from(outputs[0]!.data as Float32Array)
  }
  t.deepEqual(await feed([1, 10]), [1, 10])
  t.deepEqual(await feed([1, 1, 2, 2, 3, 3, 4, 4]), [11, 20])
  t.deepEqual(await feed([0, 5, 1, 5]), [12, 30])
  t.deepEqual([...(session.read('total').data as Float32Array)], [12, 30])
  await t.throwsAsync(feed(new Array(10).fill(0)), { code: 'OPTION_RANGE' })
})
