import test from 'ava'
import {
  type Attribution,
  Complexity,
  createTensor,
  Localisation,
  type MetricSample,
  relevanceRank,
  Sparseness,
} from '#lib/index.js'
import { close } from '../oracles/close.js'
import { pictureAttribution } from '../oracles/exampleAttribution.js'

const input = createTensor('f32', [1, 4], new Float32Array(4))
const of = (map: readonly number[], mask?: readonly number[]): MetricSample => ({
  input,
  map,
  ...(mask ? { mask } : {}),
})

test('the Gini index is 0 for equal scores and 1 - 1/n for a single one; signs do not count', async t => {
  const { samples } = await new Sparseness().evaluate([
    of([2, -2, 2, 2]),
    of([0, 0, 5, 0]),
    of([1, 2, -3, 4]),
    of([0, 0, 0, 0]),
  ])
  // 1, 2, 3, 4: (-3 * 1 - 1 * 2 + 1 * 3 + 3 * 4) / (4 * 10) = 0.25.
  close(
    t,
    samples.map(({ values }) => values.gini!),
    [0, 0.75, 0.25, 0],
    1e-6,
  )
})

test('the entropy is that of the shares, 0 for a single score, undefined for none', async t => {
  const { samples, summary } = await new Complexity().evaluate([
    of([3, -3, 3, 3]),
    of([0, 0, 5, 0]),
    of([1, 1, -2, 0]),
    of([0, 0, 0, 0]),
  ])
  close(
    t,
    samples.slice(0, 3).map(({ values }) => values.entropy!),
    [Math.log(4), 0, 0.5 * Math.log(4) + 0.5 * Math.log(2)],
    1e-12,
  )
  t.is(samples[3]!.values.entropy, Number.NaN)
  t.is(summary.entropy!.undefinedCount, 1)
  t.is(summary.entropy!.count, 3)
})

test('the scale of a map, of its batch mates or of its own, changes neither', async t => {
  for (const metric of [new Sparseness(), new Complexity()]) {
    const alone = (await metric.evaluate([of([1, 2, -3, 4])])).samples[0]!
    const beside = (await metric.evaluate([of([1e6, 0, 0, 0]), of([1, 2, -3, 4])])).samples[1]!
    t.deepEqual(beside.values, alone.values)
  }
})

test('localisation gives mass, rank and pointing of each sample; an empty mask is undefined, not a hit', async t => {
  const { samples, summary } = await new Localisation().evaluate([
    of([1, -3, 0, 4], [1, 1, 0, 0]),
    of([5, 1, 0, 0], [1, 0, 1, 0]),
    of([5, 1, 0, 0], [0, 0, 0, 0]),
  ])
  t.deepEqual(samples[0]!.values, { mass: 0.5, rank: 0.5, pointing: 0 })
  t.deepEqual(samples[1]!.values, { mass: 5 / 6, rank: 0.5, pointing: 1 })
  t.deepEqual(samples[2]!.values, { mass: Number.NaN, rank: Number.NaN, pointing: Number.NaN })
  t.is(summary.pointing!.undefinedCount, 1)
  t.is(summary.pointing!.mean, 0.5)
  // Two hits of two would be certain by the bootstrap; Wilson's interval knows better.
  t.true(summary.pointing!.low > 0.09 && summary.pointing!.high < 0.91)
  // A mass of 0 or 1 is no hit or miss: masses that are all 1 have no spread, and the bootstrap says so.
  const whole = [of([1, 0], [1, 0]), of([0, 2], [0, 1])]
  const { summary: inside } = await new Localisation().evaluate(whole)
  t.deepEqual([inside.mass!.mean, inside.mass!.low, inside.mass!.high], [1, 1, 1])
  t.deepEqual([inside.rank!.mean, inside.rank!.low, inside.rank!.high], [1, 1, 1])
  // Wilson's lower end of two of two is 2 / (2 + 1.96²).
  t.true(Math.abs(inside.pointing!.low - 2 / (2 + 1.959963984540054 ** 2)) < 1e-12)
  const signed = await new Localisation({ part: 'signed' }).evaluate([of([1, -3, 0, 4], [1, 1, 0, 0])])
  t.deepEqual(signed.samples[0]!.values, { mass: -1, rank: 0.5, pointing: 0 })
  await t.throwsAsync(new Localisation().evaluate([of([1, 2, 3, 4])]), { code: 'INPUT_MISSING' })
  await t.throwsAsync(new Localisation().evaluate([of([1, 2, 3, 4], [1])]), { code: 'INPUT_SHAPE' })
})

test('the rank accuracy counts as many places as the mask has', t => {
  t.is(relevanceRank([9, 8, 7, 6], [1, 0, 1, 0]), 0.5)
  t.is(relevanceRank([9, 8, 7, 6], [1, 1, 0, 0]), 1)
  t.is(relevanceRank([1, 1, 1, 1], [0, 1, 0, 0]), 0)
  t.deepEqual(relevanceRank([1, 2], [0, 0]), Number.NaN)
})

test('channels of a picture are added up, or judged each for itself', async t => {
  const attribution: Attribution = pictureAttribution()
  const [{ scores, units }] = attribution.inputs as [Attribution['inputs'][number]]
  t.is(units.kind, 'grid')
  const sample = { input, map: attribution }
  const [byUnit, byElement] = await Promise.all(
    (['unit', 'element'] as const).map(async features => {
      const { samples } = await new Complexity({ features }).evaluate([sample])
      return samples[0]!.values.entropy!
    }),
  )
  const entropy = (values: readonly number[]) => {
    const sizes = values.map(Math.abs)
    const total = sizes.reduce((sum, size) => sum + size, 0)
    return -sizes.reduce((sum, size) => sum + (size === 0 ? 0 : (size / total) * Math.log(size / total)), 0)
  }
  close(t, [byUnit!], [entropy([...attribution.aggregate().scores().data])], 1e-6)
  close(t, [byElement!], [entropy([...scores.data])], 1e-6)
})
