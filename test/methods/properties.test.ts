import test, { type ExecutionContext } from 'ava'
import {
  type Attribution,
  InputXGradient,
  IntegratedGradients,
  loadModel,
  type Model,
  Saliency,
  SmoothGrad,
  SmoothGradSquared,
  Target,
  type Tensor,
  VarGrad,
} from '#lib/index.js'
import { Float, floats, valueInfo, writeModel } from '../oracles/onnxWriter.js'

const target = Target.regression()
const wave = (count: number, factor: number): Float32Array =>
  Float32Array.from({ length: count }, (_, index) => Math.sin(index * factor) + 0.3 * Math.cos(index * 1.7))
const row = (data: Float32Array): Tensor<'f32'> => ({ dtype: 'f32', shape: [1, data.length], data })
const fill = (factor: number) => (index: number) => Math.sin(index * factor + 0.5)

/** tanh network: smooth, so that quadratures converge fast. */
const smooth = (): Promise<Model> =>
  loadModel(
    writeModel({
      nodes: [
        { op: 'Gemm', inputs: ['x', 'w0', 'b0'], outputs: ['z'] },
        { op: 'Tanh', inputs: ['z'], outputs: ['h'] },
        { op: 'Gemm', inputs: ['h', 'w1'], outputs: ['y'] },
      ],
      tensors: [
        floats('w0', [6, 8], fill(1.3)),
        floats('b0', [8], fill(0.7)),
        floats('w1', [8, 1], fill(2.1)),
      ],
      inputs: [valueInfo('x', ['N', 6])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )

const linear = (): Promise<Model> =>
  loadModel(
    writeModel({
      nodes: [{ op: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['y'] }],
      tensors: [floats('w', [4, 1], index => index + 1), floats('b', [1], () => 5)],
      inputs: [valueInfo('x', ['N', 4])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )

function near(t: ExecutionContext, first: Attribution, second: Attribution, tolerance: number): void {
  const [a, b] = [first.scores().data, second.scores().data]
  let [difference, size] = [0, 0]
  for (let index = 0; index < a.length; index++) {
    difference += (a[index]! - b[index]!) ** 2
    size += b[index]! ** 2
  }
  t.true(Math.sqrt(difference) <= tolerance * Math.sqrt(size), `${Math.sqrt(difference / size)}`)
}

test('of a linear function, input times gradient and integrated gradients by every right rule are the terms of the sum', async t => {
  const model = await linear()
  const input = row(Float32Array.of(1, -2, 0.5, 3))
  const expected = [1, -4, 1.5, 12]
  t.deepEqual([...(await new InputXGradient(model).attribute(input, { target })).scores().data], expected)
  for (const rule of [
    'gausslegendre',
    'riemann_left',
    'riemann_right',
    'riemann_middle',
    'riemann_trapezoid',
  ] as const) {
    const attribution = await new IntegratedGradients(model, { rule, steps: 7 }).attribute(input, { target })
    for (const [index, value] of expected.entries())
      t.true(Math.abs(attribution.scores().data[index]! - value) < 2e-6, `${rule} ${index}`)
    t.true(Math.abs(attribution.checks.completeness![0]!.delta) < 1e-5)
  }
})

test('a smooth function is complete to rounding at a few Gauss-Legendre steps, from any baseline', async t => {
  const model = await smooth()
  const method = new IntegratedGradients(model, { steps: 24 })
  for (const baseline of [0, 0.25, row(wave(6, 0.4))]) {
    const attribution = await method.attribute(row(wave(6, 2.3)), { target, baseline })
    t.true(attribution.checks.completeness![0]!.relative! < 1e-5)
  }
})

test('an input equal to its baseline gets nothing', async t => {
  const input = row(wave(6, 2.3))
  const attribution = await new IntegratedGradients(await smooth()).attribute(input, {
    target,
    baseline: input,
  })
  t.true(attribution.scores().data.every(value => value === 0))
  t.is(attribution.checks.completeness![0]!.relative, null)
})

test('without noise, noise methods are the method itself; the variance is 0', async t => {
  const model = await smooth()
  const input = row(wave(6, 1.1))
  const base = new IntegratedGradients(model, { steps: 6 })
  const plain = await base.attribute(input, { target })
  near(t, await new SmoothGrad(base, { sigma: 0, samples: 5 }).attribute(input, { target }), plain, 1e-6)
  const squared = await new SmoothGradSquared(base, { sigma: 0, samples: 5 }).attribute(input, { target })
  for (const [index, value] of plain.scores().data.entries())
    t.true(Math.abs(squared.scores().data[index]! - value ** 2) < 1e-6)
  const variance = await new VarGrad(base, { sigma: 0, samples: 5 }).attribute(input, { target })
  t.true(variance.scores().data.every(value => value === 0))
})

test('variances are never negative, and the biased one is (n - 1) / n of the other', async t => {
  const model = await smooth()
  const input = row(wave(6, 1.1))
  const noise = { samples: 6, sigma: 0.4, seed: 11 }
  const unbiased = await new VarGrad(new Saliency(model), noise).attribute(input, { target })
  const biased = await new VarGrad(new Saliency(model), { ...noise, biased: true }).attribute(input, {
    target,
  })
  for (const [index, value] of unbiased.scores().data.entries()) {
    t.true(value > 0)
    t.true(Math.abs(biased.scores().data[index]! / value - 5 / 6) < 1e-5)
  }
  t.throws(() => new VarGrad(new Saliency(model), { samples: 1 }), { code: 'OPTION_RANGE' })
})

test('noise has the scale that was asked for: the mean of squared gradients of x²/2 is x² + sigma²', async t => {
  const square = await loadModel(
    writeModel({
      nodes: [
        { op: 'Mul', inputs: ['x', 'x'], outputs: ['s'] },
        { op: 'ReduceSum', inputs: ['s'], outputs: ['r'], attributes: { keepdims: 1 } },
        { op: 'Mul', inputs: ['r', 'half'], outputs: ['y'] },
      ].map(node => (node.op === 'ReduceSum' ? { ...node, inputs: ['s', 'axes'] } : node)),
      tensors: [
        floats('half', [1], () => 0.5),
        { ...floats('axes', [1]), dataType: 7, rawData: new Uint8Array(BigInt64Array.of(1n).buffer) },
      ],
      inputs: [valueInfo('x', ['N', 3])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const input = row(Float32Array.of(1, -2, 0))
  const base = new Saliency(square, { absolute: false })
  const absolute = await new SmoothGradSquared(base, { sigma: 0.5, samples: 4000 }).attribute(input, {
    target,
  })
  for (const [index, x] of [1, -2, 0].entries())
    t.true(
      Math.abs(absolute.scores().data[index]! - (x ** 2 + 0.25)) < 0.1,
      `${absolute.scores().data[index]}`,
    )
  // 0.15 of max - min = 3 is 0.45.
  const relative = await new VarGrad(base, { samples: 4000 }).attribute(input, { target })
  for (const value of relative.scores().data) t.true(Math.abs(value - 0.45 ** 2) < 0.02, `${value}`)
})

test('chunks of any size give the same scores, and noise belongs to sample and seed, not to a place in a batch', async t => {
  const model = await smooth()
  const input = row(wave(6, 0.9))
  const method = new SmoothGrad(new IntegratedGradients(model, { steps: 5 }), {
    samples: 7,
    sigma: 0.3,
    seed: 3,
  })
  const reference = await method.attribute(input, { target, chunk: 1 })
  for (const chunk of [3, 8, 32]) near(t, await method.attribute(input, { target, chunk }), reference, 1e-5)
  const again = await method.attribute(input, { target, chunk: 3 })
  t.deepEqual(again.scores(), (await method.attribute(input, { target, chunk: 3 })).scores())
  const other = new SmoothGrad(new IntegratedGradients(model, { steps: 5 }), {
    samples: 7,
    sigma: 0.3,
    seed: 4,
  })
  t.notDeepEqual((await other.attribute(input, { target })).scores(), reference.scores())
})

test('a list of inputs gets what each gets alone', async t => {
  const method = new IntegratedGradients(await smooth(), { steps: 9 })
  const inputs = [0.3, 1.2, 2.6].map(factor => row(wave(6, factor)))
  const together = await method.attributeBatch(inputs, { target })
  t.is(together.length, 3)
  for (const [index, input] of inputs.entries())
    near(t, together[index]!, await method.attribute(input, { target }), 1e-5)
  const streamed: Attribution[] = []
  for await (const attribution of method.stream(inputs, { target })) streamed.push(attribution)
  t.deepEqual(
    streamed.map(each => [...each.scores().data]),
    together.map(each => [...each.scores().data]),
  )
})

test('an input that the function ignores gets nothing, and symmetric inputs get the same', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [
        { op: 'Gemm', inputs: ['x', 'w0', 'b0'], outputs: ['z'] },
        { op: 'LeakyRelu', inputs: ['z'], outputs: ['h'], attributes: { alpha: new Float(0.1) } },
        { op: 'Gemm', inputs: ['h', 'w1'], outputs: ['y'] },
      ],
      tensors: [
        // Columns 0 and 1 enter alike, column 2 not at all.
        floats('w0', [3, 4], index => (index >= 8 ? 0 : Math.sin((index % 4) + 1))),
        floats('b0', [4], fill(0.7)),
        floats('w1', [4, 1], fill(2.1)),
      ],
      inputs: [valueInfo('x', ['N', 3])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const { data } = (
    await new IntegratedGradients(model).attribute(row(Float32Array.of(0.8, 0.8, -3)), { target })
  ).scores()
  t.is(data[2], 0)
  t.not(data[0], 0)
  t.is(data[0], data[1])
})

test('the same function written otherwise gets the same scores: a convolution over everything is a product', async t => {
  const data = wave(18, 0.37)
  const weights = floats('w', [3, 2, 3, 3], fill(0.9))
  const tail = [
    { op: 'Tanh', inputs: ['z'], outputs: ['h'] },
    { op: 'Flatten', inputs: ['h'], outputs: ['f'] },
    { op: 'Gemm', inputs: ['f', 'v'], outputs: ['y'] },
  ]
  const common = { outputs: [valueInfo('y', ['N', 1])] }
  const convolution = await loadModel(
    writeModel({
      ...common,
      nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['z'] }, ...tail],
      tensors: [weights, floats('v', [3, 1], fill(1.9))],
      inputs: [valueInfo('x', ['N', 2, 3, 3])],
    }),
  )
  const product = await loadModel(
    writeModel({
      ...common,
      nodes: [{ op: 'Gemm', inputs: ['x', 'w'], outputs: ['z'], attributes: { transB: 1 } }, ...tail],
      tensors: [{ ...weights, dims: [3n, 18n] }, floats('v', [3, 1], fill(1.9))],
      inputs: [valueInfo('x', ['N', 18])],
    }),
  )
  const one = await new IntegratedGradients(convolution).attribute(
    { dtype: 'f32', shape: [1, 2, 3, 3], data },
    { target },
  )
  const other = await new IntegratedGradients(product).attribute(row(data), { target })
  near(t, one, other, 1e-6)
})

test('several inputs share one path, and the scores of all add up', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [
        { op: 'Mul', inputs: ['a', 'b'], outputs: ['p'] },
        { op: 'Tanh', inputs: ['p'], outputs: ['h'] },
        { op: 'Gemm', inputs: ['h', 'w'], outputs: ['y'] },
      ],
      tensors: [floats('w', [3, 1], fill(1))],
      inputs: [valueInfo('a', ['N', 3]), valueInfo('b', ['N', 3])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const inputs = { a: row(wave(3, 1)), b: row(wave(3, 2)) }
  const attribution = await new IntegratedGradients(model).attribute(inputs, {
    target,
    baseline: { a: 0.1, b: 0.2 },
  })
  t.deepEqual(
    attribution.inputs.map(({ name }) => name),
    ['a', 'b'],
  )
  t.true(attribution.checks.completeness![0]!.relative! < 1e-5)
  const only = await new IntegratedGradients(model).attribute(inputs, { target, inputs: ['a'] })
  t.deepEqual(
    only.inputs.map(({ name }) => name),
    ['a'],
  )
})
