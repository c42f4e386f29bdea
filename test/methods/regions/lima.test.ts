import test from 'ava'
import { Attribution, loadModel, Target } from '#lib/index.js'
import { Lima } from '#lib/methods/regions/lima.js'
import { tensor, valueInfo, writeModel } from '../../oracles/onnxWriter.js'
import { loadRegionModel, regionInput, regionModel } from '../../oracles/regionModel.js'

const near = (actual: number, expected: number, tolerance = 2e-6) => Math.abs(actual - expected) <= tolerance
const settings = { features: 'features', pending: 2 } as const

for (const precision of ['f32', 'f64'] as const)
  test(`the worked example through a model, masks in the plan, ${precision}`, async t => {
    const lima = new Lima(await loadRegionModel(), { ...settings, precision })
    const search = await lima.search(regionInput(), { target: 0 })
    t.deepEqual(search.order, [0, 2, 5, 3, 4, 1])
    const expected = [0.645294782, 0.853630634, 0.917464856, 0.823223057, 0.525890615, 0.216734889]
    for (const [at, scores] of search.result.prefixes.entries())
      t.true(near(scores!.consistency, expected[at]!), `${scores!.consistency}`)
    t.true(near(search.insertionArea!, 0.671386639))
    t.true(near(search.deletionArea!, 0.070276591))
    t.true(near(search.highestConfidence(0.25)!.probability, 0.645294782))
    t.is(search.evaluations, 30)
    t.is(search.result.nearTies, 0)
  })

test('chunks, pipelining and images beside it give the same order and curves', async t => {
  const model = await loadRegionModel()
  const others = [regionInput([0.5, -1, 2, 0.25, -3, 1]), regionInput(), regionInput([1, 1, -1, 2, 0.5, -2])]
  const alone = []
  for (const input of others)
    alone.push((await new Lima(model, { ...settings, precision: 'f64' }).search(input, { target: 0 })).result)
  for (const chunk of [1, 5, 32])
    for (const pipelined of [false, true]) {
      const lima = new Lima(model, { ...settings, precision: 'f64', pipelined })
      const together = await lima.searchBatch(others, { target: 0, chunk })
      t.deepEqual(
        together.map(({ result }) => result),
        alone,
      )
    }
})

test('what misled the model: truth 0 of an example that it takes for class 1', async t => {
  const lima = new Lima(await loadRegionModel(), settings)
  const explained = await lima.explainError(regionInput(), 0)
  t.true(explained.isWrong)
  t.is(explained.prediction.index, 1)
  t.true(near(explained.truth.probability, 0.216734889))
  // The truth peaks where regions 0, 2 and 5 are shown, half of the area; each region behind lowers it.
  t.true(near(explained.peak!.probability, 0.917464856))
  t.is(explained.peak!.area, 0.5)
  t.deepEqual(
    explained.misleading.map(({ region }) => region),
    [1, 4, 3],
  )
  t.true(near(explained.misleading[0]!.drop, 0.525890615 - 0.216734889))
  t.deepEqual(
    explained.highestConfidence.map(({ share }) => share),
    [0.25, 0.5, 0.75, 1],
  )
  const last = explained.path.at(-1)!
  t.true(near(last.truth, 0.216734889) && near(last.prediction, explained.prediction.probability))
  t.true(explained.path.every(point => point.truth + point.prediction <= 1 + 1e-6))
})

test('the result is an envelope: scores by place, order and curves inside, saved and loaded', async t => {
  const model = await loadRegionModel()
  const attribution = await new Lima(model, settings).attribute(regionInput(), { target: 0 })
  t.is(attribution.method.name, 'Lima')
  const scores = attribution.scores()
  t.deepEqual(scores.shape, [1, 6])
  const expected = [1, 0, 0.817784721, 0.714988752, 0.461094294, 0.768299403]
  for (const [at, score] of expected.entries()) t.true(near(scores.data[at]!, score, 1e-5))
  t.deepEqual(attribution.method.details!.order, [0, 2, 5, 3, 4, 1])
  t.is(attribution.method.options.consistency, 20)
  t.is(attribution.cost.forwardPasses, 31)
  const text = await attribution.toJson()
  t.is(await (await Attribution.parse(text)).toJson(), text)
  const several = await new Lima(model, settings).attribute(regionInput(), { target: [0, 1] })
  t.deepEqual(several.scores().shape, [2, 1, 6])
  const ranked = await new Lima(model, { ...settings, map: 'rank' }).attribute(regionInput(), { target: 1 })
  t.deepEqual([...ranked.scores().data], [1, 6, 2, 3, 5, 4])
})

test('without features effectiveness is left out, as for single-modal models', async t => {
  const search = await new Lima(await loadRegionModel(), { pending: 2 }).search(regionInput(), { target: 0 })
  t.true(search.result.prefixes.every(scores => scores!.effectiveness === 0))
  t.is(search.order.length, 6)
})

test('a final softmax is looked behind; one that cannot be seen is warned of', async t => {
  const model = (hidden: boolean) =>
    loadModel(
      writeModel({
        nodes: [
          { op: 'Gemm', inputs: ['x', 'W'], outputs: ['z'], attributes: { transB: 1 } },
          { op: 'Softmax', inputs: ['z'], outputs: [hidden ? 'p' : 'y'], attributes: { axis: 1 } },
          ...(hidden ? [{ op: 'Mul' as const, inputs: ['p', 'one'], outputs: ['y'] }] : []),
        ],
        tensors: [
          tensor('W', [3, 4], Float32Array.of(1, -1, 2, 0.5, 0.25, 1, -2, 1, -1, 1, 0.5, 0)),
          tensor('one', [3], Float32Array.of(1, 1, 1)),
        ],
        inputs: [valueInfo('x', ['N', 4])],
        outputs: [valueInfo('y', ['N', 3])],
      }),
    )
  const input = regionInput([1, 0.5, 2, 1])
  const seen = await new Lima(await model(false)).attribute(input, { target: 0 })
  t.deepEqual(seen.warnings, [])
  const whole = seen.method.details!.originalProbability as number
  t.true(near(whole, seen.output.find(({ index }) => index === 0)!.probability!))
  const twice = await new Lima(await model(true)).attribute(input, { target: 0 })
  t.deepEqual(
    twice.warnings.map(({ code }) => code),
    ['SCORES_ARE_PROBABILITIES'],
  )
})

test('bad input is refused by name', async t => {
  const model = await loadRegionModel()
  const attempt = (options: object, call: object = { target: 0 }) =>
    (async () => new Lima(model, options).attribute(regionInput(), call))()
  await t.throwsAsync(attempt({ pending: 1 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(attempt({ consistency: -1 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(attempt({ consistency: 0, collaboration: 0, confidence: 0 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(attempt({ effectiveness: 0.05 }), { code: 'MODEL_CAPABILITY' })
  await t.throwsAsync(attempt({ features: 'nowhere' }), { code: 'LAYER_NOT_FOUND' })
  await t.throwsAsync(attempt({ regions: 'slico' }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(attempt({ regions: { kind: 'labels', labels: [0, 1] } }), { code: 'INPUT_SHAPE' })
  await t.throwsAsync(attempt({ stopAfter: 7 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(attempt({ budget: 3 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(attempt({}, { target: 3 }), { code: 'TARGET_INVALID' })
  await t.throwsAsync(attempt({}, { target: 0, layer: 'tanh' }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(attempt({}, { target: 0, baseline: regionInput([1, 2]) }), { code: 'INPUT_SHAPE' })
  await t.throwsAsync(new Lima(model).explainError(regionInput(), 3), { code: 'TARGET_INVALID' })
  const logarithm = Target.class(0, { score: 'logProbability' })
  await t.throwsAsync(attempt({}, { target: logarithm }), { code: 'TARGET_INVALID', message: /probability/ })
  const controller = new AbortController()
  controller.abort()
  await t.throwsAsync(attempt({}, { target: 0, signal: controller.signal }), { code: 'ABORTED' })
})

test('a region that is the baseline already is warned of', async t => {
  const model = await loadRegionModel()
  const input = regionInput(regionModel.x.map((value, at) => (at === 3 ? 0 : value)))
  const attribution = await new Lima(model).attribute(input, { target: 0 })
  t.deepEqual(
    attribution.warnings.map(({ code }) => code),
    ['REGION_IS_BASELINE'],
  )
})

test('a budget gives what is known, and says so', async t => {
  const model = await loadRegionModel()
  const attribution = await new Lima(model, { pending: 2, budget: 20 }).attribute(regionInput(), {
    target: 0,
  })
  t.is(attribution.method.details!.ending, 'budget')
  t.true((attribution.method.details!.evaluations as number) <= 20)
  t.is(attribution.method.details!.insertion, null)
})

test('a promise of a model is no model', async t => {
  const promise = loadRegionModel()
  t.throws(() => new Lima(promise as never), {
    code: 'OPTION_TYPE',
    message: /Expected a Model or a black box/,
  })
  await promise
})
