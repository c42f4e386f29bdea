import { join } from 'node:path'
import test from 'ava'
import {
  compareMethods,
  comparisonPage,
  findMetric,
  GradCam,
  InputXGradient,
  Saliency,
  SensitivityMax,
  Target,
} from '#lib/index.js'
import { heldOutScenes, loadPair } from '../../examples/quickstart/scenes.js'
import { bag, text } from '../oracles/bagOfTokens.js'
import { repositoryRoot } from '../oracles/repository.js'

const pair = loadPair(join(repositoryRoot, 'models'))
const scenes = [...heldOutScenes(2)].map(({ name, badge }) => ({ id: name, input: badge }))

test('methods stand beside maps that know nothing, with metrics, agreement and cost', async t => {
  const { sound } = await pair
  const seen: number[] = []
  const comparison = await compareMethods(
    sound,
    scenes,
    [
      { name: 'Saliency', method: new Saliency(sound) },
      { name: 'InputXGradient', method: new InputXGradient(sound) },
      { name: 'GradCam', method: new GradCam(sound) },
    ],
    {
      metrics: ['Insertion', 'Sparseness', 'RandomLogit', 'Localisation'].map(findMetric),
      onProgress: (done, total) => seen.push(done / total),
    },
  )
  const { rows } = comparison
  t.deepEqual(
    rows.map(({ name, isNull }) => [name, isNull]),
    [
      ['Saliency', false],
      ['InputXGradient', false],
      ['GradCam', false],
      ['random map', true],
      ['edge map', true],
    ],
  )
  t.deepEqual(Object.keys(rows[0]!.metrics), ['Insertion', 'Sparseness', 'RandomLogit'])
  t.deepEqual(Object.keys(rows[3]!.metrics), ['Insertion', 'Sparseness'])
  t.is(rows[0]!.metrics.Insertion!.probability!.count, 2)
  t.deepEqual([rows[0]!.cost!.forwardPasses, rows[0]!.cost!.backwardPasses], [1, 1])
  t.is(rows[3]!.cost, undefined)
  t.is(seen.at(-1), 1)
  // What Insertion says of a method alone is what the comparison says of it.
  const alone = await findMetric('insertion')
    .create(sound, {})
    .evaluate(scenes, { maps: new Saliency(sound) })
  const [a, b] = [alone.summary.logit!.mean, rows[0]!.metrics.Insertion!.logit!.mean]
  t.true(Math.abs(a - b) <= 1e-5 * Math.abs(a))
  for (const [at, row] of comparison.spearman.entries()) {
    t.true(Math.abs(row[at]! - 1) < 1e-9)
    t.is(comparison.topOverlap[at]![at], 1)
    for (const [other, value] of row.entries())
      t.true(Math.abs(value - comparison.spearman[other]![at]!) < 1e-12)
  }
  t.true(Math.abs(comparison.spearman[0]![3]!) < 0.05, 'a random map agrees with nothing')
  t.true(Math.abs(comparison.topOverlap[0]![3]! - comparison.topShare) < 0.03)
  t.deepEqual(
    comparison.shown.map(({ name, maps }) => [name, maps.length, maps[2]!.length]),
    scenes.map(({ id }) => [id, 5, 128 * 128]),
  )
  const page = await comparisonPage(comparison, '1.2.3')
  t.is(page.match(/<img /g)!.length, 2 * 6)
  t.true(page.includes('default-src') && !page.includes('style="') && !page.includes('<script'))
})

test('texts are compared by their tokens, and names are escaped', async t => {
  const model = await bag()
  const sample = { id: '<b>text</b>', input: text([1, 4, 2]), target: Target.regression() }
  const comparison = await compareMethods(
    model,
    [sample],
    [{ name: 'InputXGradient<i>', method: new InputXGradient(model) }],
    { metrics: [findMetric('Complexity')] },
  )
  t.deepEqual(
    comparison.rows.map(({ name }) => name),
    ['InputXGradient<i>', 'random map'],
  )
  const page = await comparisonPage(comparison, '1.2.3')
  t.false(page.includes('<b>text') || page.includes('<i>'))
  t.true(page.includes('&lt;b&gt;text'))
})

test('nothing to compare, another abort and metrics without their class are refused', async t => {
  const { sound } = await pair
  const methods = [{ name: 'Saliency', method: new Saliency(sound) }]
  await t.throwsAsync(compareMethods(sound, [], methods, { metrics: [] }), { code: 'INPUT_MISSING' })
  await t.throwsAsync(compareMethods(sound, scenes, [], { metrics: [] }), { code: 'INPUT_MISSING' })
  await t.throwsAsync(compareMethods(sound, scenes, methods, { metrics: [], signal: AbortSignal.abort() }), {
    code: 'ABORTED',
  })
  for (const name of ['Saliency', 'edge map'])
    await t.throwsAsync(
      compareMethods(sound, scenes, [...methods, { name, method: new GradCam(sound) }], { metrics: [] }),
      { code: 'OPTION_RANGE' },
    )
  t.throws(() => findMetric('beauty'), { code: 'OPTION_RANGE' })
  t.true(findMetric('sensitivity-max').create(sound, {}) instanceof SensitivityMax)
})
