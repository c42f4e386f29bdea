import test from 'ava'
import {
  type Attribution,
  createTensor,
  InputXGradient,
  IntegratedGradients,
  type Model,
  Saliency,
  SmoothGrad,
  VarGrad,
} from '#lib/index.js'
import { loadScenes, sceneInput } from '../../robustness/programs/model.js'

const methods: Record<string, (model: Model) => Promise<Attribution>> = {
  Saliency: model => new Saliency(model).attribute(sceneInput()),
  'InputXGradient of two classes': model =>
    new InputXGradient(model).attribute(sceneInput(), { target: [0, 5] }),
  IntegratedGradients: model => new IntegratedGradients(model, { steps: 10 }).attribute(sceneInput()),
  'IntegratedGradients of the second of two examples': async model => {
    const { shape, data } = sceneInput()
    const other = createTensor('f32', [...shape], (data as Float32Array).toReversed())
    return (await new IntegratedGradients(model, { steps: 10 }).attributeBatch([sceneInput(), other]))[1]!
  },
  SmoothGrad: model => new SmoothGrad(model, { samples: 6, seed: 3 }).attribute(sceneInput()),
  'VarGrad in small chunks': model =>
    new VarGrad(model, { samples: 5, seed: 4 }).attribute(sceneInput(), { chunk: 2 }),
}

for (const [name, explain] of Object.entries(methods))
  test(`${name} is bit-equal on a device with a memory of its own`, async t => {
    const [here, there] = await Promise.all(
      ['cpu', 'fake'].map(async device => explain(await loadScenes({ device }))),
    )
    t.is(here!.environment.device, 'cpu')
    t.is(there!.environment.device, 'fake')
    const [a, b] = [here!, there!].map(result => result.inputs[0]!.scores.data)
    t.true(a!.some(score => score !== 0))
    t.deepEqual(a, b)
    t.deepEqual(here!.checks, there!.checks)
    t.deepEqual(here!.targets, there!.targets)
  })

test('a device that is not there is refused by name, with the reason', async t => {
  const model255 = await loadScenes({ device: 'cuda:255' })
  const error = await t.throwsAsync(model255.run(sceneInput()), { code: 'BACKEND_UNAVAILABLE' })
  t.regex(error!.message, /no device cuda:255 \(.*(libascribe_cuda|there are)/)
  const model = await loadScenes({ device: 'gpu' })
  await t.throwsAsync(model.run(sceneInput()), { code: 'OPTION_RANGE' })
})
