import test, { type ExecutionContext } from 'ava'
import {
  type Attribution,
  type AttributionMethod,
  createTensor,
  FeaturePermutation,
  fromFunction,
  Hsic,
  KernelShap,
  LeaveOneOut,
  Lime,
  Occlusion,
  OwenValues,
  Rise,
  ShapleyValueSampling,
  ShapleyValues,
  Sobol,
  Target,
  type Tensor,
  tableColumns,
} from '#lib/index.js'
import { sigmoidValue } from '../oracles/sigmoidGame.js'

/** A function of one row of numbers as a black box with one output number. */
const box = (value: (row: readonly number[]) => number, batch = 7) =>
  fromFunction(
    ({ input }) => {
      const { shape, data } = input as Tensor<'f64'>
      const width = shape[1]!
      const values = Float64Array.from({ length: shape[0]! }, (_, row) =>
        value([...data.subarray(row * width, (row + 1) * width)]),
      )
      return createTensor('f64', [values.length, 1], values)
    },
    { batch, inputs: [{ name: 'input', dtype: 'f64' }] },
  )

const row = (...values: number[]) => createTensor('f64', [1, values.length], Float64Array.from(values))
const target = Target.regression()

function close(
  t: ExecutionContext,
  attribution: Attribution,
  expected: readonly number[],
  tolerance = 5e-8,
): void {
  const scores = attribution.scores().data
  t.is(scores.length, expected.length)
  for (const [at, value] of expected.entries())
    t.true(Math.abs(scores[at]! - value) <= tolerance, `${at}: ${scores[at]}, expected ${value}`)
}

test('worked example through the classes: occlusion, Shapley values, KernelSHAP with its constraints', async t => {
  const model = box(sigmoidValue)
  const x = row(1, 1, 1, 1)
  const shapley = [0.500018963, -0.145054527, 0.082950331, 0.188758951]
  const occlusion = [0.70368367, -0.084526889, 0.072313952, 0.407982932]
  const expectations: [AttributionMethod, number[]][] = [
    [new Occlusion(model, { window: 1 }), occlusion],
    [new LeaveOneOut(model), occlusion],
    [new ShapleyValues(model), shapley],
    [new KernelShap(model), shapley],
    [new KernelShap(model, { constraint: 'none' }), [0.480308236, -0.164765254, 0.063239605, 0.169048225]],
    [new OwenValues(model, { hierarchy: [0, 1, 2, 3] }), shapley],
  ]
  for (const [method, expected] of expectations) {
    const attribution = await method.attribute(x, { target })
    t.log(attribution.method.name)
    close(t, attribution, expected)
  }
  const {
    checks,
    method,
    target: described,
  } = {
    ...(await new KernelShap(model).attribute(x, { target })),
    target: 0,
  }
  t.is(described, 0)
  t.true(Math.abs(checks.completeness![0]!.delta) < 1e-9)
  t.true(Math.abs(checks.completeness![0]!.difference - 0.626673719) < 1e-9)
  t.deepEqual((method.details as { regions: unknown }).regions, { kind: 'places', count: 4, shape: [4] })
})

test('worked example: one-dimensional occlusion, windows that overlap, summed and averaged', async t => {
  const weights = [1, 2, -1, 0.5, 3]
  const model = box(values => values.reduce((sum, value, at) => sum + value * weights[at]!, 0))
  const x = row(0.2, 0.7, 0.1, 0.9, 0.4)
  const options = { window: 3, stride: 1 } as const
  close(t, await new Occlusion(model, options).attribute(x, { target }), [1.5, 1.625, 1.6, 1.65, 1.55], 1e-6)
  const summed = new Occlusion(model, { ...options, overlap: 'sum' })
  close(t, await summed.attribute(x, { target }), [1.5, 3.25, 4.8, 3.3, 1.55], 1e-6)
})

test('occlusion: the last window is cut off at the edge, or left out', async t => {
  const model = box(values => values.reduce((sum, value) => sum + value, 0))
  const x = row(1, 2, 4, 8, 16)
  const full = await new Occlusion(model, { window: 2, stride: 2 }).attribute(x, { target })
  close(t, full, [3, 3, 12, 12, 16])
  t.is(full.cost.forwardPasses, 1 + 1 + 3)
  const whole = await new Occlusion(model, { window: 2, stride: 2, cover: 'whole' }).attribute(x, { target })
  close(t, whole, [3, 3, 12, 12, 0])
})

test('linear values: every signed method returns w (x - b), a baseline of its own included', async t => {
  const weights = [1.5, -2, 0.25, 3, 0, -0.75]
  const model = box(values => 0.5 + values.reduce((sum, value, at) => sum + value * weights[at]!, 0))
  const x = [1, 2, -1, 0.5, 3, 2]
  const baseline = row(0.5, 0, 1, 0, -1, 2)
  const expected = weights.map((weight, at) => weight * (x[at]! - baseline.data[at]!))
  for (const method of [
    new Occlusion(model, { window: 1 }),
    new LeaveOneOut(model),
    new KernelShap(model, { samples: 30 }),
    new ShapleyValueSampling(model, { permutations: 2 }),
    new ShapleyValues(model),
    new OwenValues(model),
    new Lime(model, { penalty: 1e-9, samples: 60 }),
  ])
    close(t, await method.attribute(row(...x), { target, baseline }), expected, 1e-6)
})

test('LIME as Captum: zeros where nothing depends, its lasso shrinks; as Xplique: all weights zero counts all alike', async t => {
  const model = box(values => 3 * values[0]! - values[1]!)
  const x = row(1, 1, 1, 1, 1, 1)
  const lasso = await new Lime(model, { preset: 'captum', samples: 400 }).attribute(x, { target })
  const scores = lasso.scores().data
  t.true(scores[0]! > 2.8 && scores[0]! < 3)
  t.true(scores[1]! > -1 && scores[1]! < -0.8)
  t.deepEqual([...scores.slice(2)], [0, 0, 0, 0])
  const wide = row(...Array.from({ length: 12 }, (_, at) => 100 + at))
  const far = await new Lime(model, { kernelWidth: 1e-3, samples: 20 }).attribute(wide, { target })
  t.true(far.warnings.some(({ code }) => code === 'KERNEL_TOO_NARROW'))
})

test('Sobol: a dummy place has exactly 0, rows times places and one more passes; additive values have their variances', async t => {
  const model = box(values => values[0]! + 2 * values[1]! + 0 * values[2]!)
  const attribution = await new Sobol(model, { samples: 1024 }).attribute(row(1, 1, 1), { target })
  const scores = attribution.scores().data
  t.is(scores[2], 0)
  t.is(attribution.cost.forwardPasses, 1 + 1024 * 4)
  t.true(Math.abs(scores[0]! - 0.2) < 0.02 && Math.abs(scores[1]! - 0.8) < 0.04, scores.join())
})

test('HSIC: unsigned, so what suppresses ranks with what supports; a dummy place is near 0', async t => {
  const model = box(values => 2 + values[0]! - values[1]! + 0 * values[2]!)
  const { data } = (await new Hsic(model, { samples: 512 }).attribute(row(1, 1, 1), { target })).scores()
  t.true(data[0]! > 5 && Math.abs(data[0]! - data[1]!) < 0.05 * data[0]!, data.join())
  t.true(Math.abs(data[2]!) < 0.02 * data[0]!)
})

test('budgets: what was known when they ended, said so; tolerances end early', async t => {
  const model = box(values => Math.sin(values.reduce((sum, value, at) => sum + value * (at + 1), 0)))
  const x = row(...Array.from({ length: 20 }, (_, at) => 0.1 * at))
  const spent = await new KernelShap(model, { budget: 100 }).attribute(x, { target })
  t.true(spent.cost.forwardPasses <= 101)
  t.true(spent.warnings.some(({ code }) => code === 'BUDGET_SPENT'))
  t.true(Math.abs(spent.checks.completeness![0]!.delta) < 1e-9)
  const smooth = box(values => values.reduce((sum, value) => sum + value, 0) + values[5]! * values[19]!)
  const sampling = new ShapleyValueSampling(smooth, { permutations: 1000, tolerance: 0.02 })
  const early = await sampling.attribute(x, { target })
  t.is((early.method.details as { ending: string }).ending, 'tolerance')
  t.true(early.checks.standardError![0]! <= 0.02)
  t.true(early.cost.forwardPasses < 10_000)
  await t.throwsAsync(new ShapleyValueSampling(model, { budget: 5 }).attribute(x, { target }), {
    code: 'OPTION_RANGE',
  })
})

test('several targets have a leading axis; a list of inputs gives each what it has alone', async t => {
  const model = fromFunction(
    ({ input }) => {
      const { shape, data } = input as Tensor<'f32'>
      const rows = shape[0]!
      const logits = Float32Array.from({ length: rows * 2 }, (_, at) => {
        const first = Math.floor(at / 2) * 3
        return at % 2 === 0 ? data[first]! * data[first + 1]! : data[first + 2]!
      })
      return createTensor('f32', [rows, 2], logits)
    },
    { labels: ['cat', 'dog'] },
  )
  const x = (...values: number[]) => createTensor('f32', [1, 3], values)
  const both = await new ShapleyValues(model).attribute(x(2, 3, 5), { target: ['cat', 'dog'] })
  t.deepEqual(both.scores().shape, [2, 1, 3])
  close(t, both, [3, 3, 0, 0, 0, 5], 1e-6)
  const method = new KernelShap(model, { samples: 10 })
  const inputs = [x(2, 3, 5), x(-1, 4, 0.5), x(1, 1, 1)]
  const together = await method.attributeBatch(inputs, { target: 'cat' })
  for (const [at, input] of inputs.entries())
    t.deepEqual(together[at]!.scores(), (await method.attribute(input, { target: 'cat' })).scores())
  const difference = await new ShapleyValues(model).attribute(x(2, 3, 5), {
    target: Target.difference('cat', 'dog'),
  })
  close(t, difference, [3, 3, -5], 1e-6)
  const probability = await new ShapleyValues(model).attribute(x(2, 3, 5), {
    target: Target.label('cat', { score: 'probability' }),
  })
  t.true(Math.abs(probability.checks.completeness![0]!.difference - (1 / (1 + Math.exp(-1)) - 0.5)) < 1e-6)
})

test('bad options are refused before anything runs', async t => {
  const model = box(() => 0)
  const x = row(1, 2, 3)
  t.throws(() => new Occlusion(model, { window: 2, stride: 3 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(new Occlusion(model, { window: 4 }).attribute(x, { target }), { code: 'OPTION_RANGE' })
  t.throws(() => new Rise(model, { keep: 1 }), { code: 'OPTION_RANGE' })
  t.throws(() => new Rise(model, { keep: 0 }), { code: 'OPTION_RANGE' })
  t.throws(() => new Sobol(model, { samples: 48 }), { code: 'OPTION_RANGE' })
  t.throws(() => new Lime(model, { kernelWidth: 0 }), { code: 'OPTION_RANGE' })
  t.throws(() => new KernelShap({} as never), { code: 'OPTION_TYPE' })
  t.throws(() => new KernelShap(model, { constraint: 'some' } as never), { code: 'OPTION_RANGE' })
  await t.throwsAsync(new KernelShap(model, { samples: 3 }).attribute(row(1, 2, 3, 4, 5), { target }), {
    code: 'OPTION_RANGE',
  })
  await t.throwsAsync(new LeaveOneOut(model, { absence: 'blur' }).attribute(x, { target }), {
    code: 'OPTION_RANGE',
  })
  await t.throwsAsync(new LeaveOneOut(model).attribute(x, { target, layer: 'conv1' }), {
    code: 'OPTION_RANGE',
  })
  await t.throwsAsync(new LeaveOneOut(model).attribute(x, { target, baseline: Number.NaN }), {
    code: 'INPUT_VALUE',
  })
  await t.throwsAsync(new LeaveOneOut(box(() => Number.NaN)).attribute(x, { target }), { code: 'NOT_FINITE' })
})

test('constant values: all-zero scores and a flag', async t => {
  const model = box(() => 1.25)
  for (const method of [
    new KernelShap(model),
    new Lime(model),
    new Hsic(model),
    new Sobol(model),
    new OwenValues(model),
  ]) {
    const attribution = await method.attribute(row(1, 2, 3), { target })
    t.true(attribution.scores().data.every(score => score === 0))
    t.true(attribution.warnings.some(({ code }) => code === 'CONSTANT_SCORES'))
  }
})

test('an abort ends the work with its code', async t => {
  const controller = new AbortController()
  const model = box(values => {
    controller.abort()
    return values[0]!
  })
  await t.throwsAsync(new KernelShap(model).attribute(row(1, 2, 3), { target, signal: controller.signal }), {
    code: 'ABORTED',
  })
})

test('feature permutation: w (x - the partner of the list), the same for every seed on average, groups together', async t => {
  const weights = [2, -1, 0]
  const model = box(values => values.reduce((sum, value, at) => sum + value * weights[at]!, 0))
  const rows = [row(1, 2, 3), row(4, -1, 0), row(-2, 0, 5), row(0.5, 3, 1)]
  const once = await new FeaturePermutation(model).attributeBatch(rows, { target })
  for (const [at, attribution] of once.entries()) {
    const scores = attribution.scores().data
    // Each feature came from one of the rows.
    for (const player of [0, 1, 2]) {
      const partners = rows.map(other => weights[player]! * (rows[at]!.data[player]! - other.data[player]!))
      t.true(partners.some(loss => Math.abs(loss - scores[player]!) < 1e-6))
    }
    t.is(scores[2], 0)
    t.is(attribution.cost.forwardPasses, 1 + 1 + 3)
  }
  // Over many permutations a row is compared with the mean of all.
  const many = await new FeaturePermutation(model, { permutations: 400, seed: 4 }).attributeBatch(rows, {
    target,
  })
  const mean = (player: number) => rows.reduce((sum, other) => sum + other.data[player]!, 0) / rows.length
  for (const [at, attribution] of many.entries()) {
    const { regionErrors } = attribution.method.details as { regionErrors: number[] }
    for (const player of [0, 1]) {
      const expected = weights[player]! * (rows[at]!.data[player]! - mean(player))
      t.true(regionErrors[player]! < 0.3)
      t.true(Math.abs(attribution.scores().data[player]! - expected) < 4 * regionErrors[player]!)
    }
  }
  const grouped = new FeaturePermutation(model, { regions: tableColumns(3, [[0, 1]]) })
  for (const attribution of await grouped.attributeBatch(rows, { target }))
    t.is(attribution.scores().data[0], attribution.scores().data[1])
  await t.throwsAsync(new FeaturePermutation(model).attributeBatch([rows[0]!], { target }), {
    code: 'OPTION_RANGE',
  })
  await t.throwsAsync(new FeaturePermutation(model).attributeBatch([rows[0]!, row(1, 2)], { target }), {
    code: 'INPUT_SHAPE',
  })
})

test('occlusion whose windows leave places out is refused: what no window covers has no score', async t => {
  const occlusion = new Occlusion(
    box(values => values[0]!),
    { stride: 5 },
  )
  const x = row(...Array.from({ length: 23 }, (_, at) => at))
  await t.throwsAsync(occlusion.attribute(x, { target }), { code: 'OPTION_RANGE', message: /stride of 5/ })
})
