import test from 'ava'
import { GraphBuilder } from '#lib/graph/builder.js'
import {
  createTensor,
  hessianVectorProduct,
  jacobianVectorProduct,
  loadModel,
  type Model,
  Target,
  type Tensor,
  vectorJacobianProduct,
} from '#lib/index.js'
import { floats, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { runGraph } from '../oracles/runGraph.js'

/** Two outputs of a network with a smooth and a kinked layer, and a weight by name. */
const network = () =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] },
        { op: 'Tanh', inputs: ['z'], outputs: ['h'] },
        { op: 'MatMul', inputs: ['h', 'v'], outputs: ['s'] },
        { op: 'Softmax', inputs: ['s'], outputs: ['p'], attributes: { axis: -1 } },
        { op: 'Mul', inputs: ['s', 's'], outputs: ['q'] },
      ],
      tensors: [floats('w', [3, 4], at => Math.sin(at * 1.7)), floats('v', [4, 2], at => Math.cos(at * 1.1))],
      inputs: [valueInfo('x', ['N', 3])],
      outputs: [valueInfo('p', ['N', 2]), valueInfo('q', ['N', 2])],
    }),
  )

const f64 = (shape: number[], values: number[]) => createTensor('f64', shape, Float64Array.from(values))
const wave = (shape: number[], phase: number) =>
  f64(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => Math.sin(1.3 * at + phase)),
  )
const x = wave([2, 3], 0.4)
const numbers = (tensor: Tensor | undefined) => Array.from((tensor?.data ?? []) as Float64Array)
const double = { precision: 'f64' } as const
const inner = (a: Tensor | undefined, b: Tensor | undefined) =>
  numbers(a).reduce((sum, value, at) => sum + value * numbers(b)[at]!, 0)

const outputsAt = async (model: Model, input: Tensor) => (await model.run(input, double)).outputs

test('a Jacobian-vector product is how the outputs change', async t => {
  const model = await network()
  const tangent = wave([2, 3], 2)
  const products = await jacobianVectorProduct(model, x, { x: tangent }, undefined, double)
  t.deepEqual(Object.keys(products), ['p', 'q'])
  const step = 1e-6
  const moved = (sign: number) =>
    f64(
      [2, 3],
      numbers(x).map((value, at) => value + sign * step * numbers(tangent)[at]!),
    )
  const [after, before] = [await outputsAt(model, moved(1)), await outputsAt(model, moved(-1))]
  for (const name of ['p', 'q']) {
    t.deepEqual(products[name]!.shape, [2, 2])
    numbers(products[name]).forEach((value, at) => {
      const expected = (numbers(after[name])[at]! - numbers(before[name])[at]!) / (2 * step)
      t.true(Math.abs(value - expected) <= 1e-8 * Math.max(1, Math.abs(expected)), `${name} ${at}`)
    })
  }
})

test('forwards and backwards are one Jacobian: <u, J v> = <Jᵀ u, v>, of inputs and weights', async t => {
  const model = await network()
  const vectors = { x: wave([2, 3], 2), w: wave([3, 4], 3) }
  const cotangents = { p: wave([2, 2], 4), q: wave([2, 2], 5) }
  const forward = await jacobianVectorProduct(model, x, vectors, undefined, double)
  const backward = await vectorJacobianProduct(model, x, cotangents, ['x', 'w'], double)
  const left = inner(forward.p, cotangents.p) + inner(forward.q, cotangents.q)
  const right = inner(backward.x, vectors.x) + inner(backward.w, vectors.w)
  t.true(Math.abs(left) > 0.01)
  t.true(Math.abs(left - right) <= 1e-13 * Math.max(1, Math.abs(left)))
})

test('a Hessian-vector product is how the gradient changes; mixed ones are symmetric', async t => {
  const model = await network()
  const target = Target.class(1, { output: 'q' })
  const vector = wave([2, 3], 2)
  const product = await hessianVectorProduct(model, x, target, { x: vector }, undefined, double)
  const gradientAt = (input: Tensor) =>
    vectorJacobianProduct(model, input, { q: f64([2, 2], [0, 1, 0, 1]) }, ['x'], double)
  const step = 1e-6
  const moved = (sign: number) =>
    f64(
      [2, 3],
      numbers(x).map((value, at) => value + sign * step * numbers(vector)[at]!),
    )
  const [after, before] = [await gradientAt(moved(1)), await gradientAt(moved(-1))]
  numbers(product.x).forEach((value, at) => {
    const expected = (numbers(after.x)[at]! - numbers(before.x)[at]!) / (2 * step)
    t.true(Math.abs(value - expected) <= 1e-8 * Math.max(1, Math.abs(expected)), `${at}`)
  })
  const weights = wave([3, 4], 3)
  const intoWeights = await hessianVectorProduct(model, x, target, { x: vector }, ['w'], double)
  const intoInputs = await hessianVectorProduct(model, x, target, { w: weights }, ['x'], double)
  const [a, b] = [inner(intoWeights.w, weights), inner(intoInputs.x, vector)]
  t.true(Math.abs(a) > 0.01)
  t.true(Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(a)))
})

test('single precision agrees, and what does not fit is refused by name', async t => {
  const model = await network()
  const single = createTensor('f32', [2, 3], Float32Array.from(numbers(x)))
  const vector = createTensor('f32', [2, 3], Float32Array.from(numbers(wave([2, 3], 2))))
  const fast = await jacobianVectorProduct(model, single, { x: vector })
  const exact = await jacobianVectorProduct(model, x, { x: wave([2, 3], 2) }, undefined, double)
  numbers(fast.q).forEach((value, at) => {
    t.true(Math.abs(value - numbers(exact.q)[at]!) < 2e-6)
  })
  await t.throwsAsync(jacobianVectorProduct(model, single, { nothing: vector }), { code: 'LAYER_NOT_FOUND' })
  await t.throwsAsync(jacobianVectorProduct(model, single, {}), { code: 'OPTION_RANGE' })
  await t.throwsAsync(
    jacobianVectorProduct(model, single, { x: createTensor('f32', [3, 2], new Float32Array(6)) }),
    { code: 'INPUT_SHAPE' },
  )
  await t.throwsAsync(hessianVectorProduct(model, single, Target.top(), { x: vector }), {
    code: 'TARGET_REQUIRED',
  })
})

test('the second-order example: how integrated gradients change with the weights', async t => {
  // f = w2 tanh(w1 · x); four midpoints, baseline 0; the loss |IG - prior|².
  const graph = new GraphBuilder()
  const number = (value: number) => graph.constant('f64', [], Float64Array.of(value))
  const input = (name: string, shape: number[]) => graph.input(name, 'f64', shape)
  const [at, w1, w2] = [input('x', [2]), input('w1', [2]), input('w2', [])]
  const one = graph.constant('f64', [1], Float64Array.of(1))
  const sum = (value: typeof at) => graph.apply('sum', [value], { axes: [0], keepDims: 0 })
  const gradients = [0.125, 0.375, 0.625, 0.875].map(point => {
    const place = graph.apply('mul', [at, number(point)])
    const f = graph.apply('mul', [w2, graph.apply('tanh', [sum(graph.apply('mul', [w1, place]))])])
    const [gradient] = graph.vjp([f], [one], [place])
    return graph.apply('squeeze', [gradient!], { axes: [0] })
  })
  const mean = graph.apply('mul', [gradients.reduce((a, b) => graph.apply('add', [a, b])), number(0.25)])
  const integrated = graph.apply('mul', [mean, at])
  const off = graph.apply('sub', [integrated, graph.constant('f64', [2], Float64Array.of(0.3, 0.7))])
  const loss = sum(graph.apply('mul', [off, off]))
  const [d1, d2] = graph.vjp([loss], [one], [w1, w2])
  const results = await runGraph(
    graph.build([integrated, loss, d1!, d2!]),
    { x: f64([2], [1, 2]), w1: f64([2], [0.5, -1]), w2: f64([], [1.5]) } as never,
    {},
    { precision: 'f64' },
  )
  const expected = [[0.453525103, -1.814100412], [6.34427084], [4.613349625, -0.451981844], [6.17394411]]
  results.forEach(({ data }, which) => {
    data.forEach((value, index) => {
      t.true(Math.abs(value - expected[which]![index]!) <= 5.1e-10, `${value}`)
    })
  })
})

test('values whose gradients are one and the same each get it', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [
        { op: 'Add', inputs: ['a', 'b'], outputs: ['s'] },
        { op: 'Tanh', inputs: ['s'], outputs: ['y'] },
      ],
      inputs: [valueInfo('a', ['N', 2]), valueInfo('b', ['N', 2])],
      outputs: [valueInfo('y', ['N', 2])],
    }),
  )
  const row = (...values: number[]) => createTensor('f32', [1, 2], Float32Array.from(values))
  const found = await vectorJacobianProduct(model, { a: row(0.1, 0.2), b: row(0.3, 0.4) }, { y: row(1, 1) }, [
    'a',
    'b',
    's',
    'a',
  ])
  const expected = [0.4, 0.6].map(sum => 1 - Math.tanh(sum) ** 2)
  for (const name of ['a', 'b', 's'])
    numbers(found[name]).forEach((value, at) => {
      t.true(Math.abs(value - expected[at]!) < 1e-6, `${name} ${at}: ${value}`)
    })
})

test('two expressions are two targets', async t => {
  const model = await network()
  const scaled = (factor: number) =>
    Target.expression('scaled', (graph, outputs) =>
      graph.apply('sum', [graph.apply('mul', [outputs.get('q')!, graph.scalar(factor)])], {
        axes: [1],
        keepDims: 0,
      }),
    )
  const vector = wave([2, 3], 2)
  const once = await hessianVectorProduct(model, x, scaled(1), { x: vector }, undefined, double)
  const twice = await hessianVectorProduct(model, x, scaled(2), { x: vector }, undefined, double)
  numbers(once.x).forEach((value, at) => {
    t.true(Math.abs(2 * value - numbers(twice.x)[at]!) <= 1e-12 * Math.max(1, Math.abs(value)))
  })
})

test('models of double precision have derivatives too', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [
        { op: 'Tanh', inputs: ['x'], outputs: ['h'] },
        { op: 'MatMul', inputs: ['h', 'v'], outputs: ['y'] },
      ],
      tensors: [tensor('v', [2, 1], Float64Array.of(1, 2))],
      inputs: [valueInfo('x', ['N', 2], 11)],
      outputs: [valueInfo('y', ['N', 1], 11)],
    }),
  )
  const at = f64([1, 2], [0.5, -1])
  const slopes = [0.5, -1].map((value, index) => (index + 1) * (1 - Math.tanh(value) ** 2))
  const forward = await jacobianVectorProduct(model, at, { x: f64([1, 2], [1, 1]) }, undefined, double)
  t.true(Math.abs(numbers(forward.y)[0]! - slopes[0]! - slopes[1]!) < 1e-14)
  const second = await hessianVectorProduct(model, at, Target.regression(), { x: f64([1, 2], [1, 1]) })
  numbers(second.x).forEach((value, index) => {
    const expected = -2 * Math.tanh([0.5, -1][index]!) * slopes[index]!
    t.true(Math.abs(value - expected) < 1e-6, `${value}`)
  })
})
