import test from 'ava'
import {
  type Attribution,
  createTensor,
  DeepLift,
  DeepLiftShap,
  ExactIntegratedGradients,
  GradientShap,
  GuidedIntegratedGradients,
  Idgi,
  IntegratedGradients,
  loadModel,
  SmoothGrad,
  Target,
} from '#lib/index.js'
import { floats, type NodeGiven, valueInfo, writeModel } from '../../oracles/onnxWriter.js'
import { exampleA, exampleB, inputA, inputB } from '../../oracles/workedModels.js'

const target = Target.regression()
const numbers = (attribution: Attribution) => Array.from(attribution.scores().data as Float32Array)
const close = (actual: ArrayLike<number>, expected: readonly number[], tolerance: number) =>
  actual.length === expected.length &&
  expected.every((value, at) => Math.abs(actual[at]! - value) <= tolerance * Math.max(1, Math.abs(value)))
const distance = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  const each = Array.from(a)
  return Math.sqrt(
    each.reduce((sum, value, at) => sum + (value - b[at]!) ** 2, 0) /
      each.reduce((sum, _, at) => sum + b[at]! ** 2, 0),
  )
}
const row = (...values: number[]) => createTensor('f32', [1, values.length], Float32Array.from(values))

test('exact integrated gradients are the printed ones, to the rounding of a double', async t => {
  const a = await new ExactIntegratedGradients(await exampleA()).attribute(inputA(), { target })
  t.true(close(numbers(a), [1.65, 0.225, 0.775], 1e-7), `${numbers(a)}`)
  t.true(Math.abs(a.checks.completeness![0]!.delta) < 2e-12, `${a.checks.completeness![0]!.delta}`)
  const b = await new ExactIntegratedGradients(await exampleB()).attribute(inputB(), { target })
  // The model's weights are floats: .2 and .1 in them are 1e-8 away.
  t.true(close(numbers(b), [-2.17333333, -3.52666667], 5e-8), `${numbers(b)}`)
  t.true(Math.abs(b.checks.completeness![0]!.delta) < 2e-12, `${b.checks.completeness![0]!.delta}`)
  // Breakpoints .25, .34, .38889 and .5 make 5 pieces; the walk in 8 segments cuts at .125 … too, and .25 and .5 are among those.
  t.is(b.cost.backwardPasses, 2 + 8 + 2)
})

const pooled: NodeGiven[] = [
  { op: 'Conv', inputs: ['x', 'w'], outputs: ['c'], attributes: { pads: [1, 1, 1, 1] } },
  { op: 'LeakyRelu', inputs: ['c'], outputs: ['l'] },
  {
    op: 'MaxPool',
    inputs: ['l'],
    outputs: ['m'],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  { op: 'GlobalMaxPool', inputs: ['m'], outputs: ['g'] },
  { op: 'Flatten', inputs: ['g'], outputs: ['f'] },
  { op: 'Abs', inputs: ['f'], outputs: ['a'] },
  { op: 'Gemm', inputs: ['a', 'v'], outputs: ['y'] },
]
const convolutional = () =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: pooled,
      tensors: [
        floats('w', [4, 2, 3, 3], at => Math.sin(at * 1.7)),
        floats('v', [4, 1], at => Math.cos(at * 1.1)),
      ],
      inputs: [valueInfo('x', ['N', 2, 7, 6])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
const picture = (phase: number) =>
  createTensor(
    'f32',
    [1, 2, 7, 6],
    Float32Array.from({ length: 84 }, (_, at) => Math.sin(0.7 * at + phase) + 0.3 * Math.cos(at * at)),
  )

test('kinks of maxima, leaks and absolute values are found too: quadratures tend to the exact ones', async t => {
  const model = await convolutional()
  const baseline = picture(2)
  const exact = await new ExactIntegratedGradients(model).attribute(picture(0.3), { target, baseline })
  t.true(
    Math.abs(exact.checks.completeness![0]!.relative!) < 1e-11,
    `${exact.checks.completeness![0]!.relative}`,
  )
  const fine = await new IntegratedGradients(model, { rule: 'riemann_middle', steps: 100_000 }).attribute(
    picture(0.3),
    { target, baseline },
  )
  t.true(distance(numbers(fine), numbers(exact)) < 2e-4, `${distance(numbers(fine), numbers(exact))}`)
  const one = await new ExactIntegratedGradients(model).attribute(picture(0.3), {
    target,
    baseline,
    chunk: 1,
  })
  t.true(distance(numbers(one), numbers(exact)) < 1e-7)
})

test('what is not linear in pieces is refused by name, and too many pieces too', async t => {
  const smooth = await loadModel(
    writeModel({
      nodes: [
        { op: 'Tanh', name: 'bend', inputs: ['x'], outputs: ['h'] },
        { op: 'MatMul', inputs: ['h', 'v'], outputs: ['y'] },
      ],
      tensors: [floats('v', [2, 1], () => 1)],
      inputs: [valueInfo('x', ['N', 2])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  await t.throwsAsync(new ExactIntegratedGradients(smooth).attribute(row(1, 2), { target }), {
    code: 'MODEL_CAPABILITY',
    message: /bend \(tanh\)/,
  })
  await t.throwsAsync(
    new ExactIntegratedGradients(await exampleB(), { maximumPieces: 3 }).attribute(inputB(), { target }),
    { code: 'OPTION_RANGE', message: /more than 3/ },
  )
})

test('IDGI: the shares of each step, by hand, and the exact sum', async t => {
  const model = await exampleA()
  const attribution = await new Idgi(model, { steps: 4 }).attribute(inputA(), { target })
  // The gradient, by hand, at 0, .25, .5 and .75 of the way, and f at those and at the end.
  const gradient = (t_: number) => {
    const x = [t_, 0.5 * t_, -0.5 * t_] as const
    const z = [
      x[0] - 2 * x[1] + 0.5 * x[2] + 0.1,
      -x[0] + x[1] + x[2] - 0.2,
      0.5 * x[0] + 0.5 * x[1] - x[2] + 0.3,
      x[0] + x[1] + x[2] - 0.5,
    ]
    const weights = [1, -1.5, 2, 0.5]
    const rows = [
      [1, -2, 0.5],
      [-1, 1, 1],
      [0.5, 0.5, -1],
      [1, 1, 1],
    ]
    return {
      value: z.reduce((sum, each, k) => sum + weights[k]! * Math.max(0, each), 0.25),
      of: [0, 1, 2].map(i =>
        z.reduce((sum, each, k) => sum + (each > 0 ? weights[k]! * rows[k]![i]! : 0), 0),
      ),
    }
  }
  const expected = [0, 0, 0]
  for (let k = 0; k < 4; k++) {
    const { of, value } = gradient(k / 4)
    const square = of.reduce((sum, each) => sum + each * each, 0)
    const change = gradient((k + 1) / 4).value - value
    for (const i of [0, 1, 2]) expected[i]! += (change * of[i]! ** 2) / square
  }
  t.true(close(numbers(attribution), expected, 1e-6), `${numbers(attribution)} ${expected}`)
  t.true(Math.abs(attribution.checks.completeness![0]!.delta) < 1e-6)
  t.is(attribution.cost.forwardPasses, 5)
  t.is(attribution.cost.backwardPasses, 5)
})

/** f = sum of cubes. */
const cubes = () =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Mul', inputs: ['x', 'x'], outputs: ['s'] },
        { op: 'Mul', inputs: ['s', 'x'], outputs: ['c'] },
        { op: 'MatMul', inputs: ['c', 'v'], outputs: ['y'] },
      ],
      tensors: [floats('v', [2, 1], at => 1 - 3 * at)],
      inputs: [valueInfo('x', ['N', 2])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )

test('GradientSHAP: strata dealt out at random keep the mean where each baseline met its own', async t => {
  // f = x³ at 2 from baselines 0 and 1 has mean (8 + 7) / 2; two samples, many seeds.
  const model = await cubes()
  const baseline = createTensor('f32', [2, 2], Float32Array.of(0, 0, 1, 0))
  let sum = 0
  let spread = 0
  const seeds = 600
  for (let seed = 0; seed < seeds; seed++) {
    const [first] = numbers(
      await new GradientShap(model, { samples: 2, seed }).attribute(row(2, 0), { target, baseline }),
    )
    sum += first!
    spread += (first! - 7.5) ** 2
  }
  const error = Math.sqrt(spread / seeds / seeds)
  t.true(Math.abs(sum / seeds - 7.5) < 4 * error, `${sum / seeds} ± ${error}`)
  t.true(error < 0.2)
})

test('GradientSHAP tends to the mean of integrated gradients over the baselines, in either sampling', async t => {
  const model = await cubes()
  const baseline = createTensor('f32', [4, 2], Float32Array.of(0, 0, 1, -1, 0.5, 0.2, -0.3, 0.7))
  const x = row(2, -1.2)
  const parts = await Promise.all(
    [0, 1, 2, 3].map(at =>
      new IntegratedGradients(model).attribute(x, {
        target,
        baseline: createTensor('f32', [1, 2], (baseline.data as Float32Array).slice(2 * at, 2 * at + 2)),
      }),
    ),
  )
  const mean = [0, 1].map(i => parts.reduce((sum, part) => sum + numbers(part)[i]! / 4, 0))
  for (const sampling of ['stratified', 'captum'] as const) {
    const found = await new GradientShap(model, { samples: 20_000, sampling }).attribute(x, {
      target,
      baseline,
    })
    t.true(distance(numbers(found), mean) < 0.02, `${sampling} ${numbers(found)} ${mean}`)
    const { difference } = found.checks.completeness![0]!
    if (sampling === 'stratified') t.true(Math.abs(difference - (mean[0]! + mean[1]!)) < 1e-4)
    t.is(found.cost.backwardPasses, 20_000 + 4 + 1)
  }
  const one = new GradientShap(model, { samples: 64, sigma: 0.3 })
  const [first, second] = [
    await one.attribute(x, { target, baseline, chunk: 1 }),
    await one.attribute(x, { target, baseline, chunk: 7 }),
  ]
  t.true(distance(numbers(first), numbers(second)) < 1e-5)
})

test('DeepLIFT-SHAP is the mean of DeepLIFT over the baselines', async t => {
  const model = await exampleB()
  const baseline = createTensor('f32', [3, 2], Float32Array.of(0, 0, 0.5, -1, -0.3, 0.7))
  const parts = await Promise.all(
    [0, 1, 2].map(at =>
      new DeepLift(model).attribute(inputB(), {
        target,
        baseline: createTensor('f32', [1, 2], (baseline.data as Float32Array).slice(2 * at, 2 * at + 2)),
      }),
    ),
  )
  const mean = [0, 1].map(i => parts.reduce((sum, part) => sum + numbers(part)[i]! / 3, 0))
  const found = await new DeepLiftShap(model).attribute(inputB(), { target, baseline })
  t.true(close(numbers(found), mean, 1e-6))
  t.true(Math.abs(found.checks.completeness![0]!.delta) < 1e-6)
  await t.throwsAsync(new DeepLiftShap(model).attribute(inputB(), { target }), { code: 'INPUT_SHAPE' })
})

test('an empty set of baselines, or one for a method that takes one, is refused', async t => {
  const model = await exampleB()
  const none = createTensor('f32', [0, 2], new Float32Array())
  const two = createTensor('f32', [2, 2], new Float32Array(4))
  await t.throwsAsync(new GradientShap(model).attribute(inputB(), { target, baseline: none }), {
    code: 'INPUT_SHAPE',
  })
  await t.throwsAsync(new IntegratedGradients(model).attribute(inputB(), { target, baseline: two }), {
    code: 'INPUT_SHAPE',
  })
})

/** The algorithm again, in plain numbers; a step's gradient is the mean of those at its ends, or that at its beginning. */
function guidedByHand(
  f: (x: number[]) => { of: number[] },
  x: readonly number[],
  { steps, fraction, maximumDistance }: { steps: number; fraction: number; maximumDistance: number },
  rule: 'trapezoid' | 'left',
) {
  const at = x.map(() => 0)
  const scores = x.map(() => 0)
  const total = x.reduce((sum, value) => sum + Math.abs(value), 0)
  for (let step = 0; step < steps; step++) {
    const { of } = f(at)
    const start = [...at]
    const alpha = (step + 1) / steps
    const [low, high] = [Math.max(alpha - maximumDistance, 0), Math.min(alpha + maximumDistance, 1)]
    const move = (i: number, to: number) => {
      at[i] = to
    }
    for (const [i, end] of x.entries()) if (at[i]! / end < low) move(i, low * end)
    for (;;) {
      const left = x.reduce((sum, end, i) => sum + Math.abs(end - at[i]!), 0)
      if (left <= total * (1 - alpha) + 1e-9) break
      const sizes = x.map((end, i) => (at[i] === high * end ? Number.POSITIVE_INFINITY : Math.abs(of[i]!)))
      const threshold = sizes.toSorted((a, b) => a - b)[Math.floor((sizes.length - 1) * fraction)]!
      const chosen = sizes.flatMap((size, i) => (size <= threshold && Number.isFinite(size) ? [i] : []))
      const reachable = chosen.reduce((sum, i) => sum + Math.abs(high * x[i]! - at[i]!), 0)
      const gamma = (left - total * (1 - alpha)) / reachable
      for (const i of chosen) move(i, gamma > 1 ? high * x[i]! : at[i]! + gamma * (high * x[i]! - at[i]!))
      if (gamma <= 1) break
    }
    const end = rule === 'left' ? of : f(at).of
    for (const i of x.keys()) scores[i]! += ((at[i]! - start[i]!) * (of[i]! + end[i]!)) / 2
  }
  return scores
}

test('guided integrated gradients: the path by hand, and a sum that converges', async t => {
  const model = await cubes()
  const x = [1.5, -0.8]
  const f = ([a, b]: number[]) => ({ of: [3 * a! ** 2, -6 * b! ** 2] })
  const options = { steps: 25, fraction: 0.5, maximumDistance: 0.3 }
  for (const rule of ['trapezoid', 'left'] as const) {
    const found = await new GuidedIntegratedGradients(model, { ...options, rule }).attribute(row(...x), {
      target,
    })
    const byHand = guidedByHand(f, x.map(Math.fround), options, rule)
    t.true(close(numbers(found), byHand, 1e-4), `${rule} ${numbers(found)}`)
    t.is(found.cost.forwardPasses, 26)
  }
  const many = new GuidedIntegratedGradients(model, { steps: 2000 })
  const inputs = [row(...x), row(0.4, 1.1)]
  const [one, other] = await many.attributeBatch(inputs, { target })
  t.true(one!.checks.completeness![0]!.relative! < 2e-6)
  t.true(other!.checks.completeness![0]!.relative! < 2e-6)
  const left = new GuidedIntegratedGradients(model, { steps: 2000, rule: 'left' })
  for (const { checks } of await left.attributeBatch(inputs, { target }))
    t.true(checks.completeness![0]!.relative! < 2e-3)
  t.true(distance(numbers(other!), numbers(await many.attribute(row(0.4, 1.1), { target }))) < 1e-5)
  const nothing = await many.attribute(row(0, 0), { target })
  t.deepEqual(numbers(nothing), [0, 0])
})

test('noise is refused around methods that draw samples or walk a path of their own', async t => {
  const model = await exampleB()
  for (const base of [
    new GradientShap(model),
    new GuidedIntegratedGradients(model),
    new ExactIntegratedGradients(model),
  ])
    t.throws(() => new SmoothGrad(base), { code: 'OPTION_RANGE' })
  const around = await new SmoothGrad(new Idgi(model, { steps: 3 }), { samples: 2, sigma: 0 }).attribute(
    inputB(),
    {
      target,
    },
  )
  t.true(
    distance(numbers(around), numbers(await new Idgi(model, { steps: 3 }).attribute(inputB(), { target }))) <
      1e-6,
  )
})
