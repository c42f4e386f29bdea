import test from 'ava'
import {
  Comprehensiveness,
  createTensor,
  Deletion,
  Insertion,
  type MetricSample,
  PixelFlipping,
  Sufficiency,
  Target,
} from '#lib/index.js'
import { close } from '../oracles/close.js'
import { exampleA, inputA } from '../oracles/workedModels.js'

const target = Target.regression()
const integrated = [1.65, 0.225, 0.775]
const sampleA = (map: readonly number[] = integrated): MetricSample => ({ input: inputA(), target, map })

test('example A: deletion and insertion curves and areas in the order of integrated gradients', async t => {
  const model = await exampleA()
  const deletion = await new Deletion(model, { steps: 3 }).evaluate([sampleA()])
  close(t, deletion.samples[0]!.curves!.score!, [3.6, 2.35, 0.9, 0.95], 1e-6)
  close(t, [deletion.summary.score!.mean], [1.84166667], 1e-6)
  t.deepEqual(deletion.samples[0]!.at, [0, 1 / 3, 2 / 3, 1])
  const insertion = await new Insertion(model, { steps: 3 }).evaluate([sampleA()])
  close(t, insertion.samples[0]!.curves!.score!, [0.95, 3.2, 3.7, 3.6], 1e-6)
  close(t, [insertion.summary.score!.mean], [3.05833333], 1e-6)
  t.is(deletion.cost.forwardPasses, 4)
  t.is(insertion.cost.forwardPasses, 4)
})

test('without ties insertion is deletion of the negated map read backwards, and deletion with both ends swapped', async t => {
  const model = await exampleA()
  const negated = integrated.map(score => -score)
  const insertion = await new Insertion(model, { steps: 3 }).evaluate([sampleA()])
  const backwards = await new Deletion(model, { steps: 3 }).evaluate([sampleA(negated)])
  const curve = insertion.samples[0]!.curves!.score!
  close(t, [...backwards.samples[0]!.curves!.score!].reverse(), curve, 1e-6)
  const zero = createTensor('f32', [1, 3], new Float32Array(3))
  const swapped = await new Deletion(model, { steps: 3, baseline: inputA() }).evaluate([
    { input: zero, target, map: integrated },
  ])
  close(t, swapped.samples[0]!.curves!.score!, curve, 1e-6)
})

test('a baseline in double precision is taken, as attribution takes it', async t => {
  const model = await exampleA()
  const baseline = createTensor('f64', [1, 3], Float64Array.of(0.5, 0.25, -1))
  const same = createTensor('f32', [1, 3], Float32Array.of(0.5, 0.25, -1))
  const [double, single] = await Promise.all(
    [baseline, same].map(each => new Deletion(model, { steps: 3, baseline: each }).evaluate([sampleA()])),
  )
  t.deepEqual(double!.samples, single!.samples)
})

test('pixel flipping has a point for each feature, none for the whole input, and an area that grows with them', async t => {
  const model = await exampleA()
  const flipped = await new PixelFlipping(model, { baseline: 0 }).evaluate([sampleA()])
  close(t, flipped.samples[0]!.curves!.score!, [2.35, 0.9, 0.95], 1e-6)
  close(t, [flipped.summary.score!.mean], [(2.35 + 0.9) / 2 + (0.9 + 0.95) / 2], 1e-6)
  // "Black" is the sample's own least number, here -0.5.
  const black = await new PixelFlipping(model).evaluate([sampleA()])
  const low = createTensor('f32', [1, 3], Float32Array.of(-0.5, -0.5, -0.5))
  const { outputs } = await model.run(low)
  close(t, [black.samples[0]!.curves!.score!.at(-1)!], [Number(outputs.y!.data[0])], 1e-6)
})

test('comprehensiveness and sufficiency are differences at shares of the features, and their mean', async t => {
  const model = await exampleA()
  // Three features: 1 to 20 % are one of them, 50 % two.
  const wide = await new Comprehensiveness(model).evaluate([sampleA()])
  close(t, wide.samples[0]!.curves!.score!, [1.25, 1.25, 1.25, 1.25, 2.7], 1e-6)
  close(t, [wide.summary.score!.mean], [(4 * 1.25 + 2.7) / 5], 1e-6)
  const narrow = await new Sufficiency(model).evaluate([sampleA()])
  close(t, narrow.samples[0]!.curves!.score!, [0.4, 0.4, 0.4, 0.4, -0.1], 1e-6)
})

test('ties are removed in the order of features', async t => {
  const model = await exampleA()
  const tied = await new Deletion(model, { steps: 3 }).evaluate([sampleA([1, 1, 1])])
  const ordered = await new Deletion(model, { steps: 3 }).evaluate([sampleA([3, 2, 1])])
  t.deepEqual(tied.samples[0]!.curves, ordered.samples[0]!.curves)
})

test('more steps than features, maps of another size and maps with NaN are refused', async t => {
  const model = await exampleA()
  await t.throwsAsync(new Deletion(model, { steps: 4 }).evaluate([sampleA()]), { code: 'OPTION_RANGE' })
  await t.throwsAsync(new Deletion(model, { steps: 3 }).evaluate([sampleA([1, 2])]), { code: 'INPUT_SHAPE' })
  await t.throwsAsync(new Deletion(model, { steps: 3 }).evaluate([sampleA([1, Number.NaN, 2])]), {
    code: 'NOT_FINITE',
  })
  await t.throwsAsync(new Deletion(model, { steps: 3 }).evaluate([{ input: inputA(), target }]), {
    code: 'INPUT_MISSING',
  })
  await t.throwsAsync(new Deletion(model, { steps: 3 }).evaluate([]), { code: 'INPUT_MISSING' })
  t.throws(() => new Deletion(model, { steps: 0 }), { code: 'OPTION_RANGE' })
  t.throws(() => new Deletion(model, { step: 3 } as never), { code: 'OPTION_UNKNOWN' })
})

test('maps, masks, samples and layers of the wrong kind are refused by name', async t => {
  const metric = new Deletion(await exampleA(), { steps: 3 })
  const refuses = (sample: unknown, options: object = {}) =>
    t.throwsAsync(metric.evaluate([sample as MetricSample], options), { code: 'OPTION_TYPE' })
  await refuses(null)
  for (const wrong of [null, 3, 'abc']) {
    await refuses({ ...sampleA(), map: wrong })
    await refuses({ ...sampleA(), mask: wrong })
    await refuses(sampleA(), { maps: () => wrong })
  }
  for (const layer of [null, 3, [3]]) await refuses(sampleA(), { layer })
})
