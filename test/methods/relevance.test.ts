import { createRequire } from 'node:module'
import test from 'ava'
import { GraphBuilder } from '#lib/graph/builder.js'
import * as index from '#lib/index.js'
import { AscribeError, createTensor, InputXGradient, Target } from '#lib/index.js'
import { AttnLrp, LayerwiseRelevance, type LayerwiseRelevanceOptions } from '#lib/relevance.js'
import { runGraph } from '../oracles/runGraph.js'
import { exampleA, exampleB, inputA, inputB } from '../oracles/workedModels.js'

const target = Target.regression()
const relevanceOfA = async (options: LayerwiseRelevanceOptions) =>
  Array.from(
    (await new LayerwiseRelevance(await exampleA(), options).attribute(inputA(), { target })).scores()
      .data as Float32Array,
  )
const close = (actual: number[], expected: number[], tolerance = 2e-6) =>
  actual.length === expected.length &&
  expected.every((value, at) => Math.abs(actual[at]! - value) <= tolerance * Math.max(1, Math.abs(value)))

// Ignored, the head's bias is not taken from the hidden layer's relevance: 3.6 instead of 3.35 of the value go on.
const whole = 3.6 / 3.35
const examples: [string, LayerwiseRelevanceOptions, number[]][] = [
  ['epsilon', {}, [1.5, 0.75, 0.75]],
  ['gamma', { first: 'gamma' }, [1.53177458, 0.76588729, 0.683753]],
  [
    'zPlus without biases',
    { first: 'zPlus', bias: 'ignore' },
    [1.40666667 * whole, 0.70333333 * whole, 1.24 * whole],
  ],
  ["Captum's alpha 1, beta 0", { first: 'captumAlpha1Beta0' }, [1.97619047, 0.98809524, -0.25]],
  ['alpha 2, beta 1', { first: 'alphaBeta' }, [2.33333333, 1.16666667, 1.875]],
]
for (const [name, options, expected] of examples)
  test(`example A: ${name}`, async t => {
    const found = await relevanceOfA(options)
    t.true(close(found, expected), `${found}`)
  })

test('for networks of ReLUs epsilon is the input times the gradient', async t => {
  const model = await exampleB()
  const relevance = await new LayerwiseRelevance(model).attribute(inputB(), { target })
  const gradient = await new InputXGradient(model).attribute(inputB(), { target })
  t.true(
    close(
      Array.from(relevance.scores().data as Float32Array),
      Array.from(gradient.scores().data as Float32Array),
    ),
  )
})

test('without biases, and with theirs spread out, relevance adds up to the value', async t => {
  for (const bias of ['ignore', 'distribute'] as const)
    for (const rule of ['epsilon', 'gamma', 'zPlus', 'wSquare', 'flat'] as const) {
      const found = await relevanceOfA({ preset: 'epsilon', first: rule, bias })
      const sum = found.reduce((a, b) => a + b, 0)
      // A part of a layer that is empty has nothing to share out: z⁺ of a unit without positive contributions.
      t.true(Math.abs(sum - 3.6) < 2e-5, `${rule}, ${bias}: ${sum}`)
    }
})

test('the box rule counts from the bounds, and needs them', async t => {
  const found = await relevanceOfA({ first: 'box', bias: 'ignore', low: -1, high: [1, 1, 1] })
  t.true(Math.abs(found.reduce((a, b) => a + b, 0) - 3.6) < 2e-5)
  t.true(found.every(value => value >= 0 || Math.abs(value) > 0))
  await t.throwsAsync(() => relevanceOfA({ preset: 'epsilonGammaBox' }), {
    instanceOf: AscribeError,
    code: 'OPTION_RANGE',
  })
  await t.throwsAsync(() => relevanceOfA({ first: 'box', low: [0, 0], high: 1 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(() => relevanceOfA({ alpha: 2, beta: 2 }), { code: 'OPTION_RANGE' })
})

const constant = (graph: GraphBuilder, shape: number[], values: number[]) =>
  graph.constant('f32', shape, Float32Array.from(values))

test('example D: a product of two that move, and a softmax', async t => {
  const graph = new GraphBuilder()
  const a = graph.input('a', 'f32', [2, 2])
  const v = graph.input('v', 'f32', [2, 2])
  const o = graph.apply('matMul', [a, v])
  const relevance = constant(graph, [1, 2, 2], [1, 0.5, -0.2, 0.4])
  const found = graph.vjp([o], [relevance], [a, v], { rules: 'lrp', epsilon: 1e-9 })
  const x = graph.input('x', 'f32', [1, 3])
  const s = graph.apply('softmax', [x], { axis: -1 })
  const [r] = graph.vjp([s], [constant(graph, [1, 1, 3], [0.3, 0.5, -0.1])], [x], { rules: 'lrp' })
  const results = await runGraph(graph.build([...found, r!]), {
    a: createTensor('f32', [2, 2], Float32Array.of(0.7, 0.3, 0.4, 0.6)),
    v: createTensor('f32', [2, 2], Float32Array.of(1, -1, 2, 0.5)),
    x: createTensor('f32', [1, 3], Float32Array.of(1, 2, -0.5)),
  })
  t.true(close(results[0]!.data, [0.58741259, 0.16258741, 0.775, -0.675]))
  t.true(close(results[1]!.data, [0.24423077, 1.11818182, 0.15576923, -0.66818182]))
  t.true(close(results[2]!.data, [0.12239867, 0.03445908, 0.06981411], 2e-7))
})

test('AttnLRP as a gradient is the explicit rules: a norm, attention and a gate with residuals', async t => {
  const graph = new GraphBuilder()
  const wave = (shape: number[], phase: number) =>
    constant(
      graph,
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => Math.sin(1.7 * at + phase)),
    )
  const [tokens, size] = [3, 4]
  const x = graph.input('x', 'f32', [1, tokens, size])
  const product = (value: typeof x, phase: number) =>
    graph.apply('matMul', [value, wave([size, size], phase)])
  const normal = graph.apply('rmsNorm', [x, wave([size], 0.4)], { axis: -1, epsilon: 1e-5 })
  const read = graph.apply('attention', [product(normal, 1), product(normal, 2), product(normal, 3)], {
    scale: 0.5,
  })
  const first = graph.apply('add', [x, read])
  const again = graph.apply('rmsNorm', [first, wave([size], 0.9)], { axis: -1, epsilon: 1e-5 })
  const gated = graph.apply('mul', [graph.apply('silu', [product(again, 4)]), product(again, 5)])
  const y = graph.apply('sum', [graph.apply('add', [first, product(gated, 6)])], {
    axes: [0, 1, 2],
    keepDims: 0,
  })
  const one = constant(graph, [1], [1])
  const value = graph.apply('unsqueeze', [y], { axes: [0] })
  const [gradient] = graph.vjp([y], [one], [x], { rules: 'attnLrp' })
  const implicit = graph.apply('mul', [gradient!, x])
  const [explicit] = graph.vjp([y], [value], [x], { rules: 'lrp', epsilon: 1e-12 })
  const input = createTensor(
    'f64',
    [1, tokens, size],
    Float64Array.from({ length: tokens * size }, (_, at) => Math.cos(2.3 * at + 0.2)),
  )
  const [a, b] = await runGraph(
    graph.build([implicit, explicit!]),
    { x: input as never },
    {},
    { precision: 'f64' },
  )
  t.true(a!.data.some(element => Math.abs(element) > 0.01))
  const scale = Math.max(...b!.data.map(Math.abs))
  a!.data.forEach((element, at) => {
    t.true(Math.abs(element - b!.data[at]!) <= 1e-7 * scale, `${element} and ${b!.data[at]}`)
  })
})

test('AttnLRP of a network of ReLUs is the input times the gradient', async t => {
  const model = await exampleB()
  const found = await new AttnLrp(model).attribute(inputB(), { target })
  t.true(close(Array.from(found.scores().data as Float32Array), [-4, -4]))
})

test('relevance is in no default: another import, no entry among the methods', t => {
  t.false('LayerwiseRelevance' in index || 'AttnLrp' in index)
  t.false(index.methods.some(({ name }) => /lrp|relevance/i.test(name)))
  const required = createRequire(import.meta.url)('ascribe/relevance') as object
  t.true('LayerwiseRelevance' in required)
})

test('an addend that makes more rows of a product is no bias of it', async t => {
  const graph = new GraphBuilder()
  const x = graph.input('x', 'f32', [1, 2])
  const product = graph.apply('matMul', [x, constant(graph, [2, 2], [1, 2, -1, 1])])
  const rows = graph.apply('add', [product, constant(graph, [3, 2], [1, 2, 3, 4, 5, 6])])
  const y = graph.apply('sum', [rows], { axes: [0, 1], keepDims: 0 })
  const value = graph.apply('unsqueeze', [y], { axes: [0] })
  const [relevance] = graph.vjp([y], [value], [x], { rules: 'lrp', epsilon: 1e-9 })
  const [gradient] = graph.vjp([y], [constant(graph, [1], [1])], [x])
  const [found, slope] = await runGraph(graph.build([relevance!, gradient!]), {
    x: createTensor('f32', [1, 2], Float32Array.of(2, 0.5)),
  })
  t.true(close(found!.data, [2 * slope!.data[0]!, 0.5 * slope!.data[1]!]))
})

for (const moves of ['the bias', 'the picture and the bias'])
  test(`a convolution of which ${moves} follow from the input`, async t => {
    const graph = new GraphBuilder()
    const x = graph.input('x', 'f32', [2])
    const bias = graph.apply('mul', [x, constant(graph, [2], [3, -2])])
    const picture =
      moves === 'the bias'
        ? constant(graph, [1, 1, 2], [1, 2])
        : graph.apply('reshape', [x, graph.integers([1, 1, 2])])
    const y = graph.apply('sum', [graph.apply('conv', [picture, constant(graph, [2, 1, 1], [1, 2]), bias])], {
      axes: [0, 1, 2],
      keepDims: 0,
    })
    const value = graph.apply('unsqueeze', [y], { axes: [0] })
    const [relevance] = graph.vjp([y], [value], [x], { rules: 'lrp', epsilon: 1e-9 })
    const [gradient] = graph.vjp([y], [constant(graph, [1], [1])], [x])
    const [found, slope] = await runGraph(graph.build([relevance!, gradient!]), {
      x: createTensor('f32', [2], Float32Array.of(2, 0.5)),
    })
    t.true(close(found!.data, [2 * slope!.data[0]!, 0.5 * slope!.data[1]!]), `${found!.data}`)
  })

test('CP-LRP is the gradient with attention weights and gates as constants', async t => {
  const build = (isDetached: boolean) => {
    const graph = new GraphBuilder()
    const wave = (shape: number[], phase: number) =>
      constant(
        graph,
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => Math.sin(1.7 * at + phase)),
      )
    const x = graph.input('x', 'f32', [1, 3, 4])
    const product = (value: typeof x, phase: number) => graph.apply('matMul', [value, wave([4, 4], phase)])
    const detached = (value: typeof x) => (isDetached ? graph.apply('stopGradient', [value]) : value)
    const keys = graph.apply('transpose', [product(x, 2)], { permutation: [0, 2, 1] })
    const weights = graph.apply('softmax', [graph.apply('matMul', [product(x, 1), keys])], { axis: -1 })
    const first = graph.apply('add', [x, graph.apply('matMul', [detached(weights), product(x, 3)])])
    const gate = graph.apply('sigmoid', [product(first, 4)])
    const gated = graph.apply('mul', [detached(gate), product(first, 5)])
    const y = graph.apply('sum', [graph.apply('add', [first, product(gated, 6)])], {
      axes: [0, 1, 2],
      keepDims: 0,
    })
    const rules = isDetached ? {} : { rules: 'attnLrp', variant: 'cpLrp' }
    const [gradient] = graph.vjp([y], [constant(graph, [1], [1])], [x], rules)
    return graph.build([gradient!])
  }
  const x = createTensor(
    'f32',
    [1, 3, 4],
    Float32Array.from({ length: 12 }, (_, at) => Math.cos(0.9 * at)),
  )
  const [found, expected] = await Promise.all(
    [false, true].map(async isDetached => (await runGraph(build(isDetached), { x }))[0]!.data),
  )
  t.true(close(Array.from(found as ArrayLike<number>), Array.from(expected as ArrayLike<number>)))
  const model = await exampleB()
  t.notThrows(() => new AttnLrp(model, { variant: 'cpLrp' }))
  t.throws(() => new AttnLrp(model, { variant: 'other' as never }), { code: 'OPTION_RANGE' })
})
