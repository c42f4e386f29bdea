import test from 'ava'
import {
  type Attribution,
  BlurIntegratedGradients,
  createTensor,
  FeatureAblation,
  loadModel,
  SmoothGrad,
  Target,
} from '#lib/index.js'
import { floats, valueInfo, writeModel } from '../../oracles/onnxWriter.js'
import { exampleA, inputA } from '../../oracles/workedModels.js'

const target = Target.regression()
const numbers = (attribution: Attribution) => Array.from(attribution.scores().data as Float32Array)
const close = (actual: ArrayLike<number>, expected: readonly number[], tolerance = 1e-6) =>
  actual.length === expected.length &&
  expected.every((value, at) => Math.abs(actual[at]! - value) <= tolerance * Math.max(1, Math.abs(value)))

/** y = sum of v tanh(conv(x)). */
const network = () =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Conv', inputs: ['x', 'w'], outputs: ['c'], attributes: { pads: [1, 1, 1, 1] } },
        { op: 'Tanh', inputs: ['c'], outputs: ['h'] },
        { op: 'Flatten', inputs: ['h'], outputs: ['f'] },
        { op: 'MatMul', inputs: ['f', 'v'], outputs: ['y'] },
      ],
      tensors: [
        floats('w', [2, 3, 3, 3], at => 0.3 * Math.sin(at * 1.7)),
        floats('v', [84, 1], at => Math.cos(at * 1.1)),
      ],
      inputs: [valueInfo('x', ['N', 3, 6, 7])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
const values = Float32Array.from({ length: 126 }, (_, at) => Math.sin(0.7 * at) + 0.4 * Math.cos(at * at))
const picture = createTensor('f32', [1, 3, 6, 7], values)

/** A Gaussian of unit sum on the endless line, zeros beyond the edges. */
function blurred(x: Float32Array, sigma: number): Float32Array {
  const weight = (d: number) => Math.exp(-(d * d) / (2 * sigma * sigma))
  let total = 0
  for (let d = -400; d <= 400; d++) total += weight(d)
  return Float32Array.from(x, (_, at) => {
    const [c, y, column] = [Math.floor(at / 42), Math.floor(at / 7) % 6, at % 7]
    let sum = 0
    for (let i = 0; i < 6; i++)
      for (let j = 0; j < 7; j++)
        sum += (weight(i - y) * weight(j - column) * x[c * 42 + i * 7 + j]!) / total ** 2
    return sum
  })
}

test('the path begins at the blurred picture and the scores add up', async t => {
  const model = await network()
  const method = new BlurIntegratedGradients(model, { maximumSigma: 5, steps: 200 })
  const found = await method.attribute(picture, { target })
  const value = async (x: Float32Array) =>
    (await model.run(createTensor('f32', [1, 3, 6, 7], x))).outputs.y!.data[0] as number
  const { difference, relative } = found.checks.completeness![0]!
  const change = (await value(values)) - (await value(blurred(values, 5)))
  t.true(Math.abs(difference - change) < 2e-6, `${difference} ${change}`)
  t.true(relative! < 1e-4, `${relative}`)
  t.is(found.cost.forwardPasses, 202)
})

test('by hand: the sum over steps of gradient times the change of the blurred picture', async t => {
  const model = await network()
  const steps = 4000
  const maximumSigma = 3
  const found = await new BlurIntegratedGradients(model, { maximumSigma, steps: 400 }).attribute(picture, {
    target,
  })
  // Of a linear model the scores are known: its weight times what the picture gains over the blurred one.
  const linear = await loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Flatten', inputs: ['x'], outputs: ['f'] },
        { op: 'MatMul', inputs: ['f', 'v'], outputs: ['y'] },
      ],
      tensors: [floats('v', [126, 1], at => Math.cos(at * 1.1))],
      inputs: [valueInfo('x', ['N', 3, 6, 7])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const start = blurred(values, maximumSigma)
  const exact = Array.from(values, (value, at) => Math.cos(at * 1.1) * (value - start[at]!))
  const scores = await new BlurIntegratedGradients(linear, { maximumSigma, steps: 400 }).attribute(picture, {
    target,
  })
  t.true(close(numbers(scores), exact, 2e-5))
  const fine = await new BlurIntegratedGradients(model, {
    maximumSigma,
    steps,
    rule: 'riemann_middle',
  }).attribute(picture, { target })
  t.true(close(numbers(fine), numbers(found), 1e-4))
})

test('chunks change nothing, noise goes around it, and what cannot be blurred is refused', async t => {
  const model = await network()
  const method = new BlurIntegratedGradients(model, { maximumSigma: 2, steps: 7 })
  const whole = numbers(await method.attribute(picture, { target }))
  t.true(close(numbers(await method.attribute(picture, { target, chunk: 2 })), whole, 1e-5))
  const still = await new SmoothGrad(method, { samples: 3, sigma: 0 }).attribute(picture, { target })
  t.true(close(numbers(still), whole, 1e-5))
  const rows = await exampleA()
  await t.throwsAsync(new BlurIntegratedGradients(rows).attribute(inputA(), { target }), {
    code: 'MODEL_CAPABILITY',
  })
})

test('ablation of single elements, of given groups, and from another baseline: by hand', async t => {
  const model = await exampleA()
  const f = async (...x: number[]) =>
    (await model.run(createTensor('f32', [1, 3], Float32Array.from(x)))).outputs.y!.data[0] as number
  const all = await f(1, 0.5, -0.5)
  const single = await new FeatureAblation(model).attribute(inputA(), { target })
  const by = [await f(0, 0.5, -0.5), await f(1, 0, -0.5), await f(1, 0.5, 0)].map(value => all - value)
  t.true(close(numbers(single), by))
  t.is(single.cost.forwardPasses, 4)
  t.is(single.cost.backwardPasses, 0)
  const features = createTensor('i64', [1, 3], BigInt64Array.of(7n, 2n, 7n))
  const grouped = await new FeatureAblation(model, { features }).attribute(inputA(), {
    target,
    baseline: 0.25,
  })
  const pair = all - (await f(0.25, 0.5, 0.25))
  t.true(close(numbers(grouped), [pair, all - (await f(1, 0.25, -0.5)), pair]))
  t.is(grouped.cost.forwardPasses, 3)
  t.true(
    close(
      numbers(
        await new FeatureAblation(model, { features }).attribute(inputA(), {
          target,
          baseline: 0.25,
          chunk: 1,
        }),
      ),
      numbers(grouped),
    ),
  )
})

test('of a picture, squares of pixels with all channels', async t => {
  const model = await network()
  const found = await new FeatureAblation(model, { patch: 3 }).attribute(picture, { target })
  const at = (data: Float32Array) =>
    model.run(createTensor('f32', [1, 3, 6, 7], data)).then(({ outputs }) => outputs.y!.data[0] as number)
  const all = await at(values)
  t.is(found.cost.forwardPasses, 1 + 6)
  const scores = numbers(found)
  for (const [row, column] of [
    [0, 0],
    [4, 5],
    [2, 6],
  ] as const) {
    const out = values.map((value, place) => {
      const [y, x] = [Math.floor(place / 7) % 6, place % 7]
      return Math.floor(y / 3) === Math.floor(row / 3) && Math.floor(x / 3) === Math.floor(column / 3)
        ? 0
        : value
    })
    const expected = all - (await at(out))
    for (const channel of [0, 1, 2])
      t.true(Math.abs(scores[channel * 42 + row * 7 + column]! - expected) < 2e-5)
  }
  await t.throwsAsync(
    new FeatureAblation(model, { features: createTensor('f32', [1, 2], [0, 1]) }).attribute(picture, {
      target,
    }),
    { code: 'INPUT_SHAPE' },
  )
  await t.throwsAsync(
    new FeatureAblation(model, { features: createTensor('f32', [1, 1, 1, 1], [0.5]) }).attribute(picture, {
      target,
    }),
    { code: 'INPUT_VALUE' },
  )
})
