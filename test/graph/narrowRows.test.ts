import test from 'ava'
import { GraphBuilder, type Value } from '#lib/graph/builder.js'
import { createTensor } from '#lib/index.js'
import { native, settle } from '#lib/native.js'
import type { CompileOptions, GraphDescription } from '#typings/addon.js'
import { runGraph } from '../oracles/runGraph.js'

const [tokens, width, heads] = [5, 8, 2]
const wave = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, at) => Math.sin(at * 0.7 + seed) + 0.4 * Math.cos(at * 2.3 - seed))

/** The last layer of a transformer, of which `read` makes the outputs; `mask` makes what is added to its scores. */
function layer(
  read: (builder: GraphBuilder, last: Value, x: Value) => Value[],
  { causal = 0, mask }: { causal?: number; mask?: number[] } = {},
): GraphDescription {
  const builder = new GraphBuilder()
  let seed = 0
  const weight = (...shape: number[]) =>
    builder.constant(
      'f32',
      shape,
      wave(
        shape.reduce((a, b) => a * b, 1),
        ++seed,
      ),
    )
  const norm = (x: Value) =>
    builder.apply('layerNorm', [x, weight(width), weight(width)], { axis: -1, epsilon: 1e-6 })
  const linear = (x: Value, from: number, to: number) =>
    builder.apply('add', [builder.apply('matMul', [x, weight(from, to)]), weight(to)])
  const split = (x: Value) =>
    builder.apply(
      'transpose',
      [builder.apply('reshape', [x, builder.integers([0, 0, heads, width / heads])])],
      {
        permutation: [0, 2, 1, 3],
      },
    )
  const x = builder.input('x', 'f32', ['N', tokens, width])
  const first = norm(x)
  const [q, k, v] = [0, 1, 2].map(() => split(linear(first, width, width))) as [Value, Value, Value]
  const operands = mask ? [q, k, v, weight(...mask)] : [q, k, v]
  const attended = builder.apply(
    'transpose',
    [builder.apply('attention', operands, { scale: 0.5, causal })],
    { permutation: [0, 2, 1, 3] },
  )
  const joined = builder.apply('reshape', [attended, builder.integers([0, 0, width])])
  const middle = builder.apply('add', [x, linear(joined, width, width)])
  const hidden = builder.named(builder.apply('gelu', [linear(norm(middle), width, 12)]), 'hidden')
  return builder.build(read(builder, norm(builder.apply('add', [middle, linear(hidden, 12, width)])), x))
}

const row = (builder: GraphBuilder, x: Value, at: number) =>
  builder.apply('gather', [x, builder.constant('i64', [], BigInt64Array.of(BigInt(at)))], { axis: 1 })

async function run(graph: GraphDescription, options: CompileOptions = {}) {
  const plan = await settle(() =>
    native()
      .createGraph(graph)
      .compile(native().createParameters([]), { sizes: { N: 3 }, precision: 'f64', ...options }),
  )
  const x = {
    dtype: 'f64' as const,
    shape: [3, tokens, width],
    data: Float64Array.from(wave(3 * tokens * width, 0)),
  }
  const { outputs } = await settle(() => plan.run({ x }, {}))
  const shapes = plan.describe().nodes.map(({ op, shape }) => `${op} ${shape}`)
  return { outputs: outputs.map(({ data }) => [...(data as Float64Array)]), shapes }
}

for (const at of [0, 3, -1])
  test(`where row ${at} alone is read, the last layer makes that row, with the same numbers`, async t => {
    const graph = layer((builder, last) => [row(builder, last, at)])
    const whole = await run(graph, { withoutPasses: ['narrow-rows'] })
    const narrow = await run(graph)
    t.true(whole.shapes.includes(`gelu 3,${tokens},12`))
    t.true(narrow.shapes.includes('gelu 3,1,12'))
    // Queries alone become one row: keys and values are read whole.
    t.true(narrow.shapes.includes(`attention 3,${heads},1,4`))
    t.is(narrow.shapes.filter(each => each === `matMul 3,${tokens},8`).length, 2)
    t.deepEqual(narrow.outputs, whole.outputs)
  })

const sees = `attention 3,${heads},1,4`

test('a mask gives its row, and of causal queries the last one stands for itself', async t => {
  const last = (builder: GraphBuilder, value: Value) => [row(builder, value, -1)]
  for (const options of [
    { mask: [tokens, tokens] },
    { mask: [1, 1, tokens] },
    { mask: [heads, tokens, tokens] },
    { causal: 1 },
    { causal: 1, mask: [tokens, tokens] },
  ]) {
    const graph = layer(last, options)
    const narrow = await run(graph)
    t.true(narrow.shapes.includes(sees), JSON.stringify(options))
    t.deepEqual(narrow.outputs, (await run(graph, { withoutPasses: ['narrow-rows'] })).outputs)
  }
  for (const at of [0, -2]) {
    const earlier = await run(layer((builder, value) => [row(builder, value, at)], { causal: 1 }))
    t.false(earlier.shapes.includes(sees), `${at}`)
  }
})

/** The row's gradient in the layer's input, and in `wanted` others. */
const gradientOf =
  (at: number, options: Parameters<GraphBuilder['vjp']>[3] = {}) =>
  (builder: GraphBuilder, last: Value, x: Value) => {
    const y = row(builder, last, at)
    return builder.vjp([y], [builder.apply('unsqueeze', [y, builder.integers([0])])], [x], options)
  }

test('the gradient of a row is made by that row too', async t => {
  for (const options of [{}, { mask: [1, 1, tokens] }, { causal: 1 }]) {
    const graph = layer(gradientOf(-1), options)
    const whole = await run(graph, { withoutPasses: ['narrow-rows'] })
    const narrow = await run(graph)
    t.true(whole.shapes.includes(`geluGrad 1,3,${tokens},12`))
    t.true(narrow.shapes.includes('geluGrad 1,3,1,12'), narrow.shapes.join('; '))
    t.true(narrow.shapes.includes(sees))
    const [expected, found] = [whole.outputs[0]!, narrow.outputs[0]!]
    t.is(found.length, 3 * tokens * width)
    const most = Math.max(...expected.map(Math.abs))
    t.true(most > 0.1)
    t.true(Math.max(...expected.map((each, i) => Math.abs(each - found[i]!))) < 1e-13 * most)
  }
})

test('where a rule set decides what layers pass back, they stay as the model has them', async t => {
  const graph = layer(gradientOf(0, { rules: 'attnLrp' }))
  t.true((await run(graph)).shapes.includes(`gelu 3,${tokens},12`))
})

test('a value that is read elsewhere, or that must stay observable, stays whole', async t => {
  const both = layer((builder, last) => [row(builder, last, 0), builder.apply('sum', [last], { axes: [1] })])
  t.true((await run(both)).shapes.includes(`gelu 3,${tokens},12`))
  const two = layer((builder, last) => [row(builder, last, 0), row(builder, last, 1)])
  const found = await run(two)
  t.true(found.shapes.includes(`gelu 3,${tokens},12`))
  t.deepEqual(found.outputs, (await run(two, { withoutPasses: ['narrow-rows'] })).outputs)
  const pinned = layer((builder, last) => [row(builder, last, 0)])
  t.true((await run(pinned, { pinned: ['hidden'] })).shapes.includes(`gelu 3,${tokens},12`))
  // The same row twice is one row.
  const same = layer((builder, last) => [row(builder, last, 2), row(builder, last, 2)])
  t.true((await run(same)).shapes.includes('gelu 3,1,12'))
})

test('a row that is not there is refused, not left out', async t => {
  for (const at of [tokens, -tokens - 1])
    await t.throwsAsync(run(layer((builder, last) => [row(builder, last, at)])), { code: 'INPUT_VALUE' })
})

/** One row, along an axis, of what `make` makes of x. */
function rowOf(axis: number, make: (builder: GraphBuilder, x: Value) => Value): GraphDescription {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'f32', ['N', tokens, width])
  const index = builder.constant('i64', [], BigInt64Array.of(1n))
  return builder.build([builder.apply('gather', [make(builder, x), index], { axis })])
}
const weights = (builder: GraphBuilder, ...shape: number[]) =>
  builder.constant(
    'f32',
    shape,
    wave(
      shape.reduce((a, b) => a * b, 1),
      1,
    ),
  )

/** What makes rows that depend on others, and the axis along which one of them is read. */
const dependent: Record<string, [number, (builder: GraphBuilder, x: Value) => Value]> = {
  'a product whose left factor is transposed': [
    1,
    (builder, x) =>
      builder.apply('matMul', [builder.apply('tanh', [x]), weights(builder, tokens, 12)], { transposeA: 1 }),
  ],
  'a product whose right factor has the axis too': [
    0,
    (builder, x) => builder.apply('matMul', [builder.apply('tanh', [x]), weights(builder, 3, width, 12)]),
  ],
  'a softmax along the axis': [1, (builder, x) => builder.apply('softmax', [x], { axis: 1 })],
  'a norm along the axis': [
    1,
    (builder, x) =>
      builder.apply('layerNorm', [x, weights(builder, tokens, width)], { axis: 1, epsilon: 1e-6 }),
  ],
  'a norm over axes from one before it on': [
    2,
    (builder, x) =>
      builder.apply('layerNorm', [x, weights(builder, tokens, width)], { axis: 1, epsilon: 1e-6 }),
  ],
  'a reshape that makes rows of parts of others': [
    1,
    (builder, x) =>
      builder.apply('reshape', [builder.apply('tanh', [x]), builder.integers([0, width, tokens])]),
  ],
  'a reshape that makes the axis': [
    2,
    (builder, x) =>
      builder.apply('reshape', [
        builder.apply('sum', [builder.apply('tanh', [x]), builder.integers([2])], { keepDims: 0 }),
        builder.integers([3, 1, tokens]),
      ]),
  ],
}
for (const [what, [axis, make]] of Object.entries(dependent))
  test(`${what} stays whole`, async t => {
    const graph = rowOf(axis, make)
    const [whole, narrow] = [await run(graph, { withoutPasses: ['narrow-rows'] }), await run(graph)]
    t.deepEqual(narrow.shapes, whole.shapes)
    t.deepEqual(narrow.outputs, whole.outputs)
  })

test('factors of a parameter have all the rows that the model has', async t => {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'f32', ['N', tokens, width])
  const w = builder.parameter('w', 'f32', [width, 12])
  const y = row(builder, builder.apply('tanh', [builder.apply('matMul', [x, w])]), 1)
  const seed = builder.apply('unsqueeze', [y, builder.integers([0])])
  const graph = builder.build(
    builder.vjpFactors([y], [seed], [w]).flatMap(({ input, outputGradient }) => [input, outputGradient]),
  )
  const inputs = { x: createTensor('f32', [3, tokens, width], wave(3 * tokens * width, 0)) }
  const values = { w: createTensor('f32', [width, 12], wave(width * 12, 2)) }
  const factors = (options: CompileOptions) =>
    runGraph(graph, inputs, values, { sizes: { N: 3 }, ...options })
  const found = await factors({})
  t.is(found[0]!.data.length, 3 * tokens * width)
  t.deepEqual(found, await factors({ withoutPasses: ['narrow-rows'] }))
})
