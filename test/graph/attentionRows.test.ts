import test from 'ava'
import { GraphBuilder, type Value } from '#lib/graph/builder.js'
import { createTensor, type Tensor } from '#lib/index.js'
import { native, settle } from '#lib/native.js'
import type { NativeTensor } from '#typings/addon.js'
import { relativeDistance } from '../oracles/gradientOf.js'

async function run(
  build: (builder: GraphBuilder, inputs: Record<string, Value>) => Value[],
  inputs: Record<string, Tensor>,
  precision: 'f32' | 'f64' = 'f32',
) {
  const builder = new GraphBuilder()
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, shape }]) => [name, builder.input(name, dtype, [...shape])]),
  )
  const graph = builder.build(build(builder, values))
  const plan = await settle(() =>
    native().createGraph(graph).compile(native().createParameters([]), { precision }),
  )
  const { outputs } = await settle(() => plan.run(inputs as Record<string, NativeTensor>, {}))
  const description = plan.describe()
  plan.dispose()
  return { outputs: outputs.map(({ data }) => data as Float32Array | Float64Array), description }
}

const integers = (values: number[]) =>
  createTensor('i64', [values.length], BigInt64Array.from(values, BigInt))
const wave = (shape: number[], phase = 0) =>
  createTensor(
    'f32',
    shape,
    Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      (_, at) => 2 * Math.sin(at * 0.37 + phase),
    ),
  )

test('the worked example of AttnTrace: mean over two heads and two rows', async t => {
  const keys = [2, 0, 0.5, 1, 1.5, -0.5, 0, 0.5, 1, 1, -1, 2, 0.2, 0.1, 0.3, 0.4]
  const inputs = {
    q: createTensor('f32', [1, 2, 2, 2], [1, 0.5, 0.5, 1, 0, 1, 1, -1]),
    k: createTensor('f32', [1, 1, 8, 2], keys),
    positions: integers([6, 7]),
    mean: createTensor('f32', [2], [0.25, 0.25]),
    first: createTensor('f32', [2], [1, 0]),
  }
  const { outputs } = await run((builder, { q, k, positions, mean, first }) => {
    const attributes = { scale: 1 / Math.sqrt(2) }
    return [
      builder.apply('attentionRows', [q, k, positions, mean], attributes),
      builder.apply('attentionRows', [q, k, positions, first], { ...attributes, keepRows: 1 }),
    ]
  }, inputs)
  const [tokens, rows] = outputs as [Float32Array, Float32Array]
  const expected = [0.1280411701, 0.1548756533, 0.085669112, 0.1559349587, 0.1490117604]
  for (const [at, value] of expected.entries()) t.true(Math.abs(tokens[1 + at]! - value) < 1e-7)
  const row6 = [
    0.2772357482, 0.1366962676, 0.1631284839, 0.0804335481, 0.1946717545, 0.0674006498, 0.0804335481, 0,
  ]
  for (const [at, value] of row6.entries()) t.true(Math.abs(rows[at]! - value) < 1e-7)
})

for (const window of [0, 19])
  test(`rows are slices of the whole matrix, reduced; keys shared by heads${window ? ', in a window' : ''}`, async t => {
    const [items, heads, groups, length, depth] = [2, 6, 2, 77, 24]
    const positions = [3, 40, 41, 76]
    const weights = createTensor(
      'f32',
      [heads],
      Float32Array.from({ length: heads }, (_, head) => 0.1 + head / 7),
    )
    const inputs = {
      q: wave([items, heads, length, depth]),
      k: wave([items, groups, length, depth], 1),
      positions: integers(positions),
      weights,
    }
    const scale = 0.2
    const seen = new Uint8Array(length * length)
    for (let row = 0; row < length; row++)
      for (let key = 0; key <= row; key++)
        if (window === 0 || key > row - window) seen[row * length + key] = 1
    const whole = (
      builder: GraphBuilder,
      { q, k, positions: places, weights: of }: Record<string, Value>,
    ) => {
      const repeated = builder.apply('gather', [k!, builder.integers([0, 0, 0, 1, 1, 1])], { axis: 1 })
      const scores = builder.apply('mul', [
        builder.apply('matMul', [q!, repeated], { transposeB: 1 }),
        builder.scalar(scale),
      ])
      const mask = builder.constant('bool', [length, length], seen)
      const masked = builder.apply('where', [mask, scores, builder.scalar(-1e30)])
      const probabilities = builder.apply('softmax', [masked], { axis: -1 })
      const rows = builder.apply('gather', [probabilities, places!], { axis: 2 })
      const weighted = builder.apply('mul', [
        rows,
        builder.apply('reshape', [of!, builder.integers([heads, 1, 1])]),
      ])
      return builder.apply('sum', [weighted], { axes: [1], keepDims: 0 })
    }
    const { outputs: expected } = await run((builder, values) => [whole(builder, values)], inputs, 'f64')
    const { outputs } = await run((builder, { q, k, positions: places, weights: of }) => {
      const rows = builder.apply('gather', [q!, places!], { axis: 2 })
      return [1, 0].map(keepRows =>
        builder.apply('attentionRows', [rows, k!, places!, of!], { scale, window, keepRows }),
      )
    }, inputs)
    t.true(relativeDistance(outputs[0]!, expected[0]!) < 1e-6)
    const summed = new Float64Array(items * length)
    for (const [at, value] of expected[0]!.entries())
      summed[Math.floor(at / (positions.length * length)) * length + (at % length)]! += value
    t.true(relativeDistance(outputs[1]!, summed) < 1e-6)
  })

test('memory is that of a block of rows, not of the matrices', async t => {
  const bytes = async (length: number, heads: number) => {
    const inputs = {
      q: wave([1, heads, 64, 8]),
      k: wave([1, heads, length, 8]),
      positions: integers(Array.from({ length: 64 }, (_, row) => length - 64 + row)),
    }
    const { description } = await run(
      (builder, { q, k, positions }) => [builder.apply('attentionRows', [q!, k!, positions!])],
      inputs,
    )
    return description.scratchBytes
  }
  const [short, long, wide] = [await bytes(1024, 2), await bytes(4096, 2), await bytes(4096, 32)]
  t.true(long < 4.5 * short)
  t.is(wide, long)
})

test('operands that do not fit are refused', async t => {
  const attempt = (q: number[], k: number[], positions: number[], attributes = {}) =>
    run(
      (builder, values) => [
        builder.apply('attentionRows', [values.q!, values.k!, values.positions!], attributes),
      ],
      { q: wave(q), k: wave(k), positions: integers(positions) },
    )
  await t.throwsAsync(attempt([1, 3, 2, 4], [1, 2, 5, 4], [0, 1]), { message: /heads cannot be divided/ })
  await t.throwsAsync(attempt([1, 2, 2, 4], [1, 2, 5, 4], [0]), { message: /one integer for each row/ })
  await t.throwsAsync(attempt([1, 2, 2, 4], [1, 2, 5, 3], [0, 1]), { message: /do not fit/ })
  await t.throwsAsync(attempt([1, 2, 2, 4], [1, 2, 5, 4], [0, 1], { causal: 0, window: 3 }), {
    message: /window/,
  })
})
