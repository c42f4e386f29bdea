import test from 'ava'
import { fromFunction, type RegionSearch } from '#lib/index.js'
import { Lima, type LimaOptions } from '#lib/methods/regions/lima.js'
import { Smdl } from '#lib/methods/regions/smdl.js'
import { smallConvolutionNet, smallPicture } from '../../oracles/smallConvolutionNet.js'

const regions = { kind: 'grid', rows: 3 } as const
const pictures = [0, 1, 2].map(smallPicture)
const shown = ({ order, result }: RegionSearch) => ({ order, prefixes: result.prefixes })

/** The same net as somebody else's function, in double or single precision, that takes so many examples at once. */
async function box(precision: 'f32' | 'f64', batch: number) {
  const model = await smallConvolutionNet()
  return fromFunction(
    async inputs =>
      (await model.run(inputs, { precision, ...(precision === 'f64' ? {} : { backends: ['reference'] }) }))
        .outputs,
    {
      inputs: [{ name: 'x', shape: ['N', 3, 16, 16] }],
      outputs: ['y', 'features'],
      batch,
    },
  )
}

test('the native driver, a black box and every batch give identical orders and curves in double', async t => {
  const model = await smallConvolutionNet()
  const options: LimaOptions = { regions, features: 'features', pending: 3 }
  const expected = (
    await new Lima(model, { ...options, precision: 'f64' }).searchBatch(pictures, { target: 1 })
  ).map(shown)
  t.is(new Set(expected.map(({ order }) => order.join())).size, pictures.length)
  for (const chunk of [1, 7, 32]) {
    const native = new Lima(model, { ...options, precision: 'f64' })
    t.deepEqual((await native.searchBatch(pictures, { target: 1, chunk })).map(shown), expected)
    const black = new Lima(await box('f64', chunk), options)
    t.deepEqual((await black.searchBatch(pictures, { target: 1 })).map(shown), expected)
    const one = await black.search(pictures[1]!, { target: 1 })
    t.deepEqual(shown(one), expected[1])
  }
})

test('in single precision orders are those in double, but for near ties, which are counted', async t => {
  const model = await smallConvolutionNet()
  const options: LimaOptions = { regions, features: 'features', pending: 3 }
  const exact = await new Lima(model, { ...options, precision: 'f64' }).searchBatch(pictures, { target: 1 })
  for (const chunk of [1, 32]) {
    const single = await new Lima(model, options).searchBatch(pictures, { target: 1, chunk })
    for (const [at, search] of single.entries())
      if (search.order.join() !== exact[at]!.order.join()) t.true(search.result.nearTies > 0)
    t.true(single.filter((search, at) => search.order.join() === exact[at]!.order.join()).length >= 2)
  }
})

test('Smdl over a black box whose outputs are probabilities', async t => {
  const model = await smallConvolutionNet()
  const softmax = (row: Float64Array) => {
    const weights = row.map(value => Math.exp(value - Math.max(...row)))
    return weights.map(weight => weight / weights.reduce((sum, each) => sum + each, 0))
  }
  const probabilities = fromFunction(
    async inputs => {
      const { outputs } = await model.run(inputs, { precision: 'f64' })
      const y = outputs.y as { data: Float64Array }
      const rows = y.data.length / 5
      const data = new Float64Array(y.data.length)
      for (let row = 0; row < rows; ++row) data.set(softmax(y.data.slice(5 * row, 5 * row + 5)), 5 * row)
      return { output: { dtype: 'f64', shape: [rows, 5], data } }
    },
    { inputs: [{ name: 'x', shape: ['N', 3, 16, 16] }] },
  )
  const options = { regions, effectiveness: 0 }
  const expected = await new Smdl(model, { ...options, precision: 'f64' }).search(pictures[0]!, { target: 2 })
  const found = await new Smdl(probabilities, { ...options, softmax: false }).search(pictures[0]!, {
    target: 2,
  })
  t.deepEqual(found.order, expected.order)
  t.true(Math.abs(found.insertionArea! - expected.insertionArea!) < 1e-12)
  const warned = await new Smdl(probabilities, options).attribute(pictures[0]!, { target: 2 })
  t.true(warned.warnings.some(({ code }) => code === 'SCORES_ARE_PROBABILITIES'))
  await t.throwsAsync(new Smdl(model, { ...options, softmax: false }).search(pictures[0]!, { target: 2 }), {
    code: 'MODEL_CAPABILITY',
  })
  t.is(warned.environment.device, 'external')
})
