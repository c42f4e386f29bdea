import test from 'ava'
import { compose } from '#lib/index.js'
import { angularDistances, Effectiveness } from '#lib/methods/regions/effectiveness.js'
import { randomParts } from '#lib/methods/regions/partitionedSearch.js'
import { entropyConfidence, evidentialConfidence, softmaxOf } from '#lib/methods/regions/searchReadout.js'
import { Smdl } from '#lib/methods/regions/smdl.js'
import { joinModels } from '#lib/model/joinModels.js'
import {
  evaluateRegionModel,
  loadRegionModel,
  regionInput,
  regionModel,
  softmax,
} from '../../oracles/regionModel.js'

const near = (actual: number, expected: number, tolerance = 5e-6) => Math.abs(actual - expected) <= tolerance

test('the worked example through a model whose logits are evidence', async t => {
  const smdl = new Smdl(await loadRegionModel(), { features: 'features', evidence: 'logits' })
  const search = await smdl.search(regionInput(), { target: 0 })
  t.deepEqual(search.order, [0, 2, 4, 5, 3, 1])
  const totals = [2.274842389, 3.433026206, 3.461070008, 3.377796961, 3.25069266, 2.663801776]
  for (const [at, scores] of search.result.prefixes.entries())
    t.true(near(scores!.total, totals[at]!), `${scores!.total}`)
  t.true(near(search.result.prefixes[2]!.effectiveness, 1.383247798))
  const attribution = await smdl.attribute(regionInput(), { target: 0 })
  t.deepEqual([...attribution.scores().data], [6, 1, 5, 2, 4, 3])
  t.deepEqual(attribution.warnings, [])
  t.is(attribution.method.options.confidenceForm, 'evidential')
})

test('an evidential model beside the classifier gives the same as a head of it', async t => {
  const model = await loadRegionModel()
  const within = new Smdl(model, { features: 'features', evidence: 'logits' })
  const beside = new Smdl(model, { features: 'features', evidential: await loadRegionModel() })
  const [a, b] = [
    await within.search(regionInput(), { target: 0 }),
    await beside.search(regionInput(), { target: 0 }),
  ]
  t.deepEqual(b.result, a.result)
})

test('an evidential model of the same weights shares the trunk, and gives the same', async t => {
  const trunk = await loadRegionModel()
  const evidential = compose(trunk, (graph, outputs) => ({
    evidence: graph.apply('mul', [outputs.get('logits')!, graph.scalar(0.5)]),
  }))
  const classifier = compose(trunk, (graph, outputs) => ({
    sharp: graph.apply('mul', [outputs.get('logits')!, graph.scalar(2)]),
  }))
  for (const [model, other] of [
    [trunk, evidential],
    [classifier, evidential],
    [evidential, trunk],
  ] as const) {
    const joined = joinModels(model, other)!
    const { outputs } = await joined.model.run(regionInput())
    const name = other.outputs[0]!.name
    const wanted = (await other.run(regionInput())).outputs[name]!
    t.deepEqual([...outputs[joined.output]!.data], [...wanted.data])
    const added = other === evidential ? 1 : 0
    t.is(joined.model.graph.nodes.length, model.graph.nodes.length + added)
  }
  t.is(joinModels(trunk, await loadRegionModel()), undefined)
  const apart = new Smdl(trunk, {
    effectiveness: 0,
    evidential: compose(await loadRegionModel(), (graph, outputs) => ({
      evidence: graph.apply('mul', [outputs.get('logits')!, graph.scalar(0.5)]),
    })),
  })
  const together = new Smdl(trunk, { effectiveness: 0, evidential })
  const found = await together.search(regionInput(), { target: 0 })
  t.deepEqual(found.result, (await apart.search(regionInput(), { target: 0 })).result)
})

test('random parts: k of each, then k of those', async t => {
  const model = await loadRegionModel()
  const options = { features: 'features', evidence: 'logits', count: 2 }
  const search = await new Smdl(model, { ...options, parts: 3, seed: 5 }).search(regionInput(), { target: 0 })
  const parts = randomParts(6, 3, 5)
  t.deepEqual(parts.flat().toSorted(), [0, 1, 2, 3, 4, 5])
  t.deepEqual(
    parts.map(part => part.length),
    [2, 2, 2],
  )
  // Parts of two choose both, so that the union is everything.
  const plain = await new Smdl(model, options).search(regionInput(), { target: 0 })
  t.deepEqual(search.order, plain.order)
  t.deepEqual(search.result.prefixes, plain.result.prefixes)

  // One of each of three parts, then one of those: of the worked model, by hand.
  const one = await new Smdl(model, { ...options, count: 1, parts: 3, seed: 5 }).search(regionInput(), {
    target: 0,
  })
  const alone = (region: number) => {
    const { consistency, collaboration, confidence } = valuesOf(region)
    return consistency + collaboration + confidence
  }
  const best = (regions: readonly number[]) =>
    regions.reduce((first, region) => (alone(region) > alone(first) ? region : first))
  t.is(one.order[0], best(parts.map(best)))
  t.throws(() => new Smdl(model, { features: 'features', parts: 2 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(new Smdl(model, { ...options, parts: 7 }).search(regionInput()), {
    code: 'OPTION_RANGE',
  })
})

/** The terms of one region alone, in double. */
function valuesOf(region: number) {
  const kept = (isIn: boolean) =>
    evaluateRegionModel(regionModel.x.map((value, at) => ((at === region) === isIn ? value : 0))).logits
  const [own, rest] = [kept(true), kept(false)]
  return {
    consistency: softmax(own)[0]!,
    collaboration: 1 - softmax(rest)[0]!,
    confidence: evidentialConfidence(own),
  }
}

test('k regions: the first k of all, the others score 0', async t => {
  const model = await loadRegionModel()
  const three = new Smdl(model, { features: 'features', evidence: 'logits', count: 3 })
  const attribution = await three.attribute(regionInput(), { target: 0 })
  t.deepEqual([...attribution.scores().data], [6, 0, 5, 0, 4, 0])
  await t.throwsAsync(new Smdl(model, { effectiveness: 0, count: 7 }).attribute(regionInput()), {
    code: 'OPTION_RANGE',
  })
})

test('without evidential outputs confidence is entropy, and the result says so', async t => {
  const model = await loadRegionModel()
  const attribution = await new Smdl(model, { effectiveness: 0 }).attribute(regionInput(), { target: 0 })
  t.deepEqual(
    attribution.warnings.map(({ code }) => code),
    ['CONFIDENCE_ENTROPY'],
  )
  t.throws(() => new Smdl(model, { effectiveness: 0, strict: true }), { code: 'MODEL_CAPABILITY' })
  t.throws(() => new Smdl(model), { code: 'MODEL_CAPABILITY' })
  t.throws(() => new Smdl(model, { effectiveness: 0, form: 'cosine' }), { code: 'MODEL_CAPABILITY' })
})

test('the cosine form compares features with that of the whole', async t => {
  const model = await loadRegionModel()
  const smdl = new Smdl(model, { features: 'features', effectiveness: 0, confidence: 0, form: 'cosine' })
  const { result } = await smdl.search(regionInput(), { target: 0 })
  t.true(near(result.original, 1))
  t.true(near(result.prefixes[5]!.consistency, 1))
  t.true(result.prefixes.every(scores => Math.abs(scores!.consistency) <= 1 + 1e-12))
  const [target] = (await smdl.attribute(regionInput(), { target: 0 })).targets
  t.true(near(target!.value!, 1))
  t.is(target!.description, 'cosine to the features of the whole, for class 0')
})

test('evidential uncertainty at its ends', t => {
  const all = 1 - evidentialConfidence(new Array(1000).fill(-30))
  t.true(near(all, 0.999954602, 5e-10))
  const one = 1 - evidentialConfidence([10, ...new Array(999).fill(-10)])
  t.true(near(one, 0.043428203, 5e-10))
})

test('entropy confidence: 0 for even, 1 for sure', t => {
  t.true(near(entropyConfidence([0.25, 0.25, 0.25, 0.25]), 0, 1e-6))
  t.true(near(entropyConfidence([1, 0, 0, 0]), 1, 1e-6))
  const p = softmaxOf([1000, 0, -1000])
  t.deepEqual([...p], [1, 0, 0])
})

test('distances of features: 0 for equal, 0.5 for orthogonal, 1 for opposite ones', t => {
  const features = [
    [1, 0],
    [2, 0],
    [0, 3],
    [-1, 0],
  ].map(each => Float64Array.from(each))
  const distances = angularDistances(features)
  t.deepEqual([...distances.slice(0, 4)], [0, 0, 0.5, 1])
  const inOrder = (order: number[]) => {
    const effectiveness = new Effectiveness(distances, 4)
    let value = 0
    for (const region of order) {
      value = effectiveness.with(region)
      effectiveness.add(region)
    }
    return value
  }
  // 0 and 1 are nearest to each other, 2 is 0.5 from all, 3 is nearest to 2.
  t.is(inOrder([0, 1, 2, 3]), 1)
  t.is(inOrder([3, 1, 0, 2]), 1)
  t.is(inOrder([2]), 0)
  t.throws(() => angularDistances([Float64Array.of(0, 0)]), { code: 'INPUT_VALUE' })
})
