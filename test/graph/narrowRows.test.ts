import test from 'ava'
import { GraphBuilder, type Value } from '#lib/graph/builder.js'
import { native, settle } from '#lib/native.js'
import type { CompileOptions, GraphDescription } from '#typings/addon.js'

const [tokens, width, heads] = [5, 8, 2]
const wave = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, at) => Math.sin(at * 0.7 + seed) + 0.4 * Math.cos(at * 2.3 - seed))

/** The last layer of a transformer, of which `read` makes the outputs. */
function layer(read: (builder: GraphBuilder, last: Value) => Value[]): GraphDescription {
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
  const attended = builder.apply('transpose', [builder.apply('attention', [q, k, v], { scale: 0.5 })], {
    permutation: [0, 2, 1, 3],
  })
  const joined = builder.apply('reshape', [attended, builder.integers([0, 0, width])])
  const middle = builder.apply('add', [x, linear(joined, width, width)])
  const hidden = builder.named(builder.apply('gelu', [linear(norm(middle), width, 12)]), 'hidden')
  return builder.build(read(builder, norm(builder.apply('add', [middle, linear(hidden, 12, width)]))))
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
