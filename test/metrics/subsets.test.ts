import test from 'ava'
import {
  createTensor,
  FaithfulnessCorrelation,
  Infidelity,
  IntegratedGradients,
  type MetricSample,
  MuFidelity,
  Saliency,
  SensitivityMax,
  Target,
} from '#lib/index.js'
import { linearCopies } from '#lib/metrics/infidelityPerturbations.js'
import type { Masked } from '#lib/metrics/perturbation.js'
import { close } from '../oracles/close.js'
import { exampleA, inputA, linearModel } from '../oracles/workedModels.js'

const target = Target.regression()
const sampleA = (map: readonly number[]): MetricSample => ({ input: inputA(), target, map })
const integrated = [1.65, 0.225, 0.775]
const shapley = [1.81666667, -0.00833333, 0.84166667]

test('example A: infidelity over every on/off mask, of integrated gradients and of Shapley values', async t => {
  const every = new Infidelity(await exampleA(), { perturbation: 'everyMask' })
  const { samples, cost } = await every.evaluate([sampleA(integrated), sampleA(shapley)])
  close(t, [samples[0]!.values.score!, samples[1]!.values.score!], [0.0915625, 0.06989583], 1e-6)
  t.is(cost.forwardPasses, 2 * 9)
})

test('slopes and contributions are the same map in two units: infidelity agrees', async t => {
  const model = await exampleA()
  const slopes = [1.65 / 1, 0.225 / 0.5, 0.775 / -0.5]
  const local = new Infidelity(model, { perturbation: 'everyMask', multiplyByInputs: false })
  const { samples } = await local.evaluate([sampleA(slopes)])
  close(t, [samples[0]!.values.score!], [0.0915625], 1e-6)
})

test('the gradient of a linear function has no infidelity, whatever the perturbation; scaled, only when it is normalised', async t => {
  const weights = [1, -2, 0.5, 3]
  const model = await linearModel(weights)
  const input = createTensor('f32', [1, 4], Float32Array.of(0.5, -1, 2, 0.25))
  const sample: MetricSample = { input, target, map: weights }
  for (const perturbation of ['mask', 'everyMask', 'gaussian'] as const) {
    const exact = new Infidelity(model, { perturbation, multiplyByInputs: false })
    t.true((await exact.evaluate([sample])).summary.score!.mean < 1e-11, perturbation)
    const doubled: MetricSample = { ...sample, map: weights.map(weight => 2 * weight) }
    t.true((await exact.evaluate([doubled])).summary.score!.mean > 1e-3, perturbation)
    const scaled = new Infidelity(model, { perturbation, multiplyByInputs: false, normalise: true })
    t.true((await scaled.evaluate([doubled])).summary.score!.mean < 1e-11, perturbation)
  }
})

test('the contributions of a linear function correlate fully with what removal costs; their negatives inversely', async t => {
  const model = await linearModel([1, -2, 0.5, 3])
  const input = createTensor('f32', [1, 4], Float32Array.of(0.5, -1, 2, 0.25))
  const map = [0.5, 2, 1, 0.75]
  const one: MetricSample = { input, target, map }
  const other: MetricSample = { input, target, map: map.map(score => -score) }
  const pearson = new FaithfulnessCorrelation(model, { subsetSize: 2, runs: 40, baseline: 0 })
  const found = (await pearson.evaluate([one, other])).samples.map(({ values }) => values.score!)
  close(t, found, [1, -1], 1e-6)
  const spearman = new MuFidelity(model, { samples: 60 })
  // Subsets that cost the same are ties of the score up to its rounding.
  const ranks = (await spearman.evaluate([one, other])).samples.map(({ values }) => values.score!)
  t.true(ranks[0]! > 0.98 && ranks[1]! < -0.98, String(ranks))
})

test('a constant map correlates with nothing: 0 by the source of mu-fidelity, else undefined and counted', async t => {
  const model = await exampleA()
  const flat = [sampleA([1, 1, 1])]
  const correlation = await new FaithfulnessCorrelation(model, { subsetSize: 1 }).evaluate(flat)
  t.is(correlation.summary.score!.undefinedCount, 1)
  t.is(correlation.summary.score!.mean, Number.NaN)
  // Subsets of unlike sizes do differ under a constant map; under one of zeros they do not.
  const zeros = [sampleA([0, 0, 0])]
  t.is((await new MuFidelity(model).evaluate(zeros)).summary.score!.mean, 0)
  const strict = await new MuFidelity(model, { undefinedAs: 'undefined' }).evaluate(zeros)
  t.is(strict.summary.score!.undefinedCount, 1)
  await t.throwsAsync(new FaithfulnessCorrelation(model, { subsetSize: 3 }).evaluate(flat), {
    code: 'OPTION_RANGE',
  })
})

test('the gradient of a linear function is insensitive, saliency of a kinked one is not, and no norm is no value', async t => {
  const input = createTensor('f32', [1, 3], Float32Array.of(1, 0.5, -0.5))
  const linear = await linearModel([1, -2, 0.5])
  const signed = new Saliency(linear, { absolute: false })
  const none = await new SensitivityMax({ samples: 4 }).evaluate([{ input, target }], { maps: signed })
  t.is(none.summary.sensitivity!.mean, 0)
  t.is(none.cost.forwardPasses, 5)
  const model = await exampleA()
  const wide = new SensitivityMax({ radius: 2, samples: 20 })
  const kinked = await wide.evaluate([{ input, target }], { maps: new Saliency(model, { absolute: false }) })
  t.true(kinked.summary.sensitivity!.mean > 0.1)
  // Input times gradient of a linear function: |x + d - x| . w, so at most radius * |w| / |x w|.
  const ig = new IntegratedGradients(linear, { steps: 2 })
  const moved = await new SensitivityMax({ radius: 0.02, samples: 50 }).evaluate([{ input, target }], {
    maps: ig,
  })
  const norm = Math.hypot(1, -1, -0.25)
  const bound = (0.02 * Math.hypot(1, 2, 0.5)) / norm
  const { mean } = moved.summary.sensitivity!
  t.true(mean > bound / 2 && mean <= bound, `${mean} of ${bound}`)
  const zero = createTensor('f32', [1, 3], new Float32Array(3))
  const undefinedNorm = await wide.evaluate([{ input: zero, target }], { maps: ig })
  t.is(undefinedNorm.summary.sensitivity!.undefinedCount, 1)
  await t.throwsAsync(wide.evaluate([{ input, target, map: [1, 2, 3] }]), { code: 'OPTION_TYPE' })
})

test('squares of infidelity lie inside the picture, and each place comes up', t => {
  const units = { kind: 'grid', layout: 'NCHW', channels: 1, height: 4, width: 6, placement: null }
  const tensor = createTensor('f32', [1, 1, 4, 6], new Float32Array(24))
  const subject = {
    explained: { names: ['x'], tensors: { x: tensor }, units: { x: units } },
    features: [{ count: 24, kind: 'unit' }],
    scores: new Float64Array(24),
    count: 24,
    id: 'one',
  } as unknown as Parameters<typeof linearCopies>[0]
  const copies = linearCopies(subject, {
    perturbation: 'square',
    samples: 400,
    removed: 0.5,
    sigma: 1,
    size: 3,
    multiplyByInputs: true,
    seed: 0,
  }) as Masked
  t.is(copies.removed(0).length, 0)
  const corners = new Set<number>()
  for (let at = 1; at <= 400; at++) {
    const removed = Array.from(copies.removed(at))
    const corner = removed[0]!
    corners.add(corner)
    t.deepEqual(
      removed,
      [0, 1, 2].flatMap(y => [0, 1, 2].map(x => corner + 6 * y + x)),
    )
  }
  // Two places along the height, four along the width.
  t.deepEqual(
    [...corners].sort((a, b) => a - b),
    [0, 1, 2, 3, 6, 7, 8, 9],
  )
})
