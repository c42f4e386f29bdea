import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  AscribeError,
  createTensor,
  GradCam,
  IntegratedGradients,
  LayerCam,
  loadModel,
  type Model,
  type Recomputation,
  Saliency,
  Target,
  type Tensor,
  vectorJacobianProduct,
} from '#lib/index.js'
import { embeddingLookups } from '#lib/model/embeddings.js'
import { native, settle } from '#lib/native.js'
import { gradientGraph } from '#lib/tools/gradientGraph.js'
import { inspectModel, plannedSizes } from '#lib/tools/inspect.js'
import { sampleInputs } from '#lib/tools/sampleInputs.js'
import type { NativeTensor } from '#typings/addon.js'
import { repositoryRoot } from '../oracles/repository.js'

const path = (name: string) => join(repositoryRoot, name)
const files = ['models', 'test/fixtures/exports'].flatMap(folder =>
  readdirSync(path(folder))
    .filter(name => name.endsWith('.onnx'))
    .map(name => join(folder, name)),
)

/** The gradient of the first output in the input on the portable kernels, which are the same everywhere. */
async function gradients(model: Model, recompute?: number) {
  const sizes = plannedSizes(model)
  const plan = await settle(() =>
    native()
      .createGraph(gradientGraph(model))
      .compile(model.nativeParameters, {
        sizes,
        backends: ['cpu', 'reference'],
        ...(recompute === undefined ? {} : { recompute }),
      }),
  )
  const given = sampleInputs(model, sizes, 1) as Record<string, NativeTensor>
  const needed = new Set(plan.describe().inputs.map(({ name }) => name))
  const inputs = Object.fromEntries(Object.entries(given).filter(([name]) => needed.has(name)))
  const { outputs } = await settle(() => plan.run(inputs, { guard: false }))
  return { bits: outputs.map(({ data }) => Buffer.from(data.buffer as ArrayBuffer)), plan: plan.describe() }
}

for (const file of files)
  test(`the gradient of ${file} has the same bits`, async t => {
    const model = await loadModel(path(file))
    const kept = await gradients(model)
    const least = await gradients(model, 0)
    t.deepEqual(least.bits, kept.bits)
    t.true(least.plan.arenaBytes <= kept.plan.arenaBytes)
    t.is(kept.plan.recomputed, undefined)
    t.is(least.plan.recomputed?.keptArenaBytes ?? kept.plan.arenaBytes, kept.plan.arenaBytes)
    t.is(least.plan.nodes.filter(({ again }) => again).length, least.plan.recomputed?.nodes ?? 0)
  })

/** Planned memory does not depend on the machine. */
const planned: [string, number, number, number][] = [
  ['models/reviews-sound.onnx', 27072, 18496, 9],
  ['test/fixtures/exports/mobile-trace-17.onnx', 23680, 18304, 7],
  ['test/fixtures/exports/vit-trace-17.onnx', 5440, 3200, 14],
  ['test/fixtures/exports/llama-trace-17.onnx', 3200, 2560, 6],
]
for (const [file, kept, least, again] of planned)
  test(`${file} takes ${least} bytes in place of ${kept}`, async t => {
    const model = await loadModel(path(file))
    t.is((await gradients(model)).plan.arenaBytes, kept)
    const { plan } = await gradients(model, 0)
    t.is(plan.arenaBytes, least)
    t.is(plan.recomputed?.nodes, again)
  })

const transformer = path('models/scenes-transformer.onnx')
const picture: Tensor = createTensor(
  'f32',
  [1, 3, 128, 128],
  Float32Array.from({ length: 3 * 128 * 128 }, (_, at) => Math.sin(at * 0.013) * Math.cos(at * 0.0007)),
)

test('methods give the same bits: gradients, shared paths, maps of layers', async t => {
  const scores = async (recompute: Recomputation) => {
    const model = await loadModel(transformer, { recompute })
    const nets = await loadModel(path('models/scenes-sound.onnx'), { recompute })
    const target = Target.class(1)
    const given = { [model.inputs[0]!.name]: picture }
    const shown = { [nets.inputs[0]!.name]: picture }
    const all = [
      await new Saliency(model).attribute(given, { target }),
      await new IntegratedGradients(model, { steps: 8 }).attribute(given, { target, chunk: 4 }),
      await new IntegratedGradients(nets, { steps: 8 }).attribute(shown, { target, chunk: 4 }),
      await new GradCam(nets).attribute(shown, { target }),
      await new LayerCam(nets).attribute(shown, { target }),
    ]
    return all.map(each => Buffer.from(each.scores().data.buffer as ArrayBuffer))
  }
  t.deepEqual(await scores(true), await scores(false))
})

const reviews = path('models/reviews-sound.onnx')
const sizes = { batch: 32, tokens: 64 }
const layerOf = (model: Model) => embeddingLookups(model)[0]!.layer

/** The gradient of the first output in the embeddings. */
async function embeddingGradient(model: Model) {
  const output = model.outputs[0]!
  const shape = output.shape!.map(dim => (typeof dim === 'number' ? dim : sizes.batch))
  const count = shape.reduce((product, size) => product * size, 1)
  const seed = createTensor('f32', shape, new Float32Array(count).fill(1))
  const inputs = sampleInputs(model, sizes, 1)
  return (await vectorJacobianProduct(model, inputs, { [output.name]: seed }, [layerOf(model)]))[
    layerOf(model)
  ]!
}

test('a pass that does not fit the memory limit computes activations again, unless it may not', async t => {
  const [free, least] = [await loadModel(reviews), await loadModel(reviews, { recompute: true })]
  const whole = await embeddingGradient(free)
  const kept = (await inspectModel(free, { gradient: true, sizes })).plan!
  const fewest = (await inspectModel(least, { gradient: true, sizes })).plan!
  // Room for what a job holds beside, but not for what is kept.
  const memoryLimitBytes = kept.scratchBytes + fewest.arenaBytes + 768 * 1024
  t.true(memoryLimitBytes < kept.arenaBytes + kept.scratchBytes)
  const bounded = await embeddingGradient(await loadModel(reviews, { memoryLimitBytes }))
  t.deepEqual(bounded.data, whole.data)
  const refused = loadModel(reviews, { memoryLimitBytes, recompute: false }).then(embeddingGradient)
  const error = await t.throwsAsync(refused, { instanceOf: AscribeError })
  t.is(error.code, 'OUT_OF_MEMORY_BUDGET')
})

/** Half of what can be saved; of the fused plan of the reviews, whose steps are larger, a fifth, which is its first. */
const bounds: [string, number, string[]][] = [
  ['models/reviews-sound.onnx', 2, ['fuse-product']],
  ['models/reviews-sound.onnx', 5, []],
  ['test/fixtures/exports/vit-trace-17.onnx', 2, []],
  ['test/fixtures/exports/mobile-trace-17.onnx', 2, []],
  ['test/fixtures/exports/llama-trace-17.onnx', 2, []],
]
for (const [file, part, withoutPasses] of bounds)
  test(`a number of bytes is kept to, with no more work than that takes: ${file}, 1 / ${part} ${withoutPasses}`, async t => {
    const plans = async (recompute: Recomputation) => {
      const model = await loadModel(path(file), { recompute, withoutPasses })
      const chosen = file === 'models/reviews-sound.onnx' ? { sizes } : {}
      return (await inspectModel(model, { gradient: true, ...chosen })).plan!
    }
    const [kept, least] = [await plans(false), await plans(true)]
    const bound = Math.ceil(kept.arenaBytes - (kept.arenaBytes - least.arenaBytes) / part)
    const between = await plans(bound)
    t.true(between.arenaBytes <= bound)
    t.true(between.recomputed!.flops < least.recomputed!.flops)
    t.is((await plans(kept.arenaBytes)).recomputed, undefined)
  })

test('inspection shows the gradient and what runs twice', async t => {
  const kept = (await inspectModel(await loadModel(reviews), { gradient: true, sizes })).plan!
  const model = await loadModel(reviews, { recompute: true })
  const { plan } = await inspectModel(model, { gradient: true, plan: true, sizes })
  t.is(kept.recomputed, undefined)
  t.is(plan!.recomputed!.keptArenaBytes, kept.arenaBytes)
  const twice = plan!.dump!.split('\n').filter(line => / again f32[^=]* = /.test(line)).length
  // Views among them run nowhere.
  t.true(twice >= plan!.recomputed!.nodes)
  t.true(plan!.arenaBytes < kept.arenaBytes)
})

test('a bound that cannot be met is an error, and so is a value that means nothing', async t => {
  const model = await loadModel(transformer, { recompute: 1 << 12 })
  const given = { [model.inputs[0]!.name]: picture }
  const error = await t.throwsAsync(new Saliency(model).attribute(given, { target: Target.class(1) }), {
    instanceOf: AscribeError,
  })
  t.is(error.code, 'OUT_OF_MEMORY_BUDGET')
  t.regex(error.message, /`recompute` allows 4096 bytes/)
  // What has no gradient is as it was.
  await t.notThrowsAsync(model.run(given))
  for (const [recompute, code] of [
    [0, 'OPTION_RANGE'],
    [-5, 'OPTION_RANGE'],
    [1.5, 'OPTION_RANGE'],
    ['always', 'OPTION_TYPE'],
  ] as const) {
    const refused = await t.throwsAsync(loadModel(transformer, { recompute: recompute as Recomputation }), {
      instanceOf: AscribeError,
    })
    t.is(refused.code, code)
  }
})
