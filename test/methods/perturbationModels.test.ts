import { join } from 'node:path'
import test from 'ava'
import { InferenceSession } from 'onnxruntime-node'
import {
  type AttributionMethod,
  type Explainable,
  fromOnnxRuntime,
  Hsic,
  KernelShap,
  LeaveOneOut,
  Lime,
  Occlusion,
  OwenValues,
  Rise,
  relevanceMass,
  ShapleyValueSampling,
  Sobol,
} from '#lib/index.js'
import { exampleScenes, loadPair } from '../../examples/quickstart/scenes.js'
import { repositoryRoot } from '../oracles/repository.js'

const models = join(repositoryRoot, 'models')

/** Every method on pictures, with few samples. */
const methodsOf = (model: Explainable): AttributionMethod[] => [
  new Occlusion(model, { window: 32, stride: 16 }),
  new LeaveOneOut(model, { regions: 'grid' }),
  new Rise(model, { samples: 48, seed: 2 }),
  new Lime(model, { regions: { kind: 'grid', rows: 5 }, samples: 40 }),
  new KernelShap(model, { regions: { kind: 'grid', rows: 5 }, samples: 60, seed: 3 }),
  new ShapleyValueSampling(model, { regions: { kind: 'grid', rows: 4 }, permutations: 3 }),
  new OwenValues(model, { regions: 'slico', budget: 60 }),
  new Hsic(model, { grid: 5, samples: 48 }),
  new Sobol(model, { grid: 4, samples: 2 }),
  new Sobol(model, { grid: 4, samples: 2, perturbation: 'blurring' }),
  new Sobol(model, { grid: 4, samples: 2, perturbation: 'amplitude' }),
]

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [gap, norm] = [0, 0]
  for (let at = 0; at < a.length; at++) {
    gap += (a[at]! - b[at]!) ** 2
    norm += b[at]! ** 2
  }
  return Math.sqrt(gap / norm)
}

test('a session of ONNX Runtime, masked here, gives what the engine gives with masks in its plan', async t => {
  const { sound } = await loadPair(models)
  const [scene] = await exampleScenes(models)
  const session = await InferenceSession.create(join(models, 'scenes-sound.onnx'))
  const box = await fromOnnxRuntime(session, {
    preprocessing: sound.preprocessing!,
    labels: sound.labels!,
    outputs: ['logits'],
  })
  const theirs = methodsOf(box)
  for (const [at, method] of methodsOf(sound).entries()) {
    const own = await method.attribute(scene!.plain)
    const other = await theirs[at]!.attribute(scene!.plain)
    t.is(other.environment.device, 'external')
    t.is(own.targets[0]!.label, other.targets[0]!.label)
    t.deepEqual(own.inputs[0]!.units, other.inputs[0]!.units)
    const gap = distance(other.scores().data, own.scores().data)
    // HSIC goes through exp() of values over their median: a rounding of values grows a little.
    t.true(gap < 2e-4, `${method.identity().name}: ${gap}`)
  }
})

test('passes of any size give the same scores within 1e-5; the same again bit for bit', async t => {
  const { sound } = await loadPair(models)
  const [scene] = await exampleScenes(models)
  for (const method of [
    new Rise(sound, { samples: 40 }),
    new KernelShap(sound, { regions: { kind: 'grid', rows: 4 }, samples: 40 }),
  ]) {
    const [one, seven, again] = [
      await method.attribute(scene!.plain, { chunk: 1 }),
      await method.attribute(scene!.plain, { chunk: 7 }),
      await method.attribute(scene!.plain, { chunk: 7 }),
    ]
    t.deepEqual(again.scores(), seven.scores())
    t.true(distance(one.scores().data, seven.scores().data) < 1e-5)
  }
})

test('a list of pictures gives each the scores it has alone', async t => {
  const { sound } = await loadPair(models)
  const scenes = (await exampleScenes(models)).slice(0, 3).map(scene => scene.plain)
  const method = new KernelShap(sound, { regions: { kind: 'slico', size: 32 }, samples: 40, seed: 1 })
  const together = await method.attributeBatch(scenes)
  for (const [at, scene] of scenes.entries()) {
    const alone = await method.attribute(scene)
    t.true(distance(together[at]!.scores().data, alone.scores().data) < 1e-5)
    t.true(Math.abs(together[at]!.checks.completeness![0]!.delta) < 1e-9)
  }
})

test('maps of the sound model lie on the object, far beyond its share of the area', async t => {
  const { sound } = await loadPair(models)
  const scenes = (await exampleScenes(models)).slice(0, 2)
  const methods: [AttributionMethod, number][] = [
    [new Occlusion(sound, { window: 16, stride: 8 }), 3],
    [new KernelShap(sound, { samples: 250 }), 3],
    [new OwenValues(sound, { budget: 200 }), 3],
    [new Rise(sound, { samples: 300, normalization: 'centred' }), 2],
  ]
  for (const [method, factor] of methods) {
    let [mass, area] = [0, 0]
    for (const { plain, objectMask } of scenes) {
      const scores = (await method.attribute(plain)).scores().data
      mass += relevanceMass(scores, objectMask, 'positive') / scenes.length
      area += objectMask.reduce((sum, value) => sum + value, 0) / objectMask.length / scenes.length
    }
    t.log(`${method.identity().name}: ${mass.toFixed(3)} of the mass on ${area.toFixed(3)} of the area`)
    t.true(mass > factor * area)
  }
})

test('the attribution is saved and loaded, drawn, and says what it cost', async t => {
  const { sound } = await loadPair(models)
  const [scene] = await exampleScenes(models)
  const attribution = await new KernelShap(sound, { regions: 'grid', samples: 60 }).attribute(scene!.plain)
  const { Attribution } = await import('#lib/index.js')
  const json = await attribution.toJson()
  t.is(await (await Attribution.parse(json)).toJson(), json)
  t.true((await attribution.toOverlay()).length > 1000)
  const { regions, regionScores } = attribution.method.details as {
    regions: { kind: string; count: number }
    regionScores: number[]
  }
  t.deepEqual([regions.kind, regions.count, regionScores.length], ['grid', 49, 49])
  // The class, both ends, and the samples, of which complements may repeat.
  t.true(attribution.cost.forwardPasses > 55 && attribution.cost.forwardPasses <= 63)
})
