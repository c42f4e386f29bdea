import { join } from 'node:path'
import test from 'ava'
import { createTensor, IntegratedGradients, loadModel, type Tensor } from '#lib/index.js'
import { repositoryRoot } from '../oracles/repository.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'
import { exampleA, inputA } from '../oracles/workedModels.js'

const output = async (model: Awaited<ReturnType<typeof exampleA>>) =>
  (await model.run(inputA())).outputs.y!.data[0] as number

test('weights are listed, read and written, and later calls see what was written', async t => {
  const model = await exampleA()
  t.deepEqual(
    model.parameters.list().map(({ name, shape, version }) => ({ name, shape, version })),
    [
      { name: 'w0', shape: [4, 3], version: 0 },
      { name: 'b0', shape: [4], version: 0 },
      { name: 'w1', shape: [1, 4], version: 0 },
      { name: 'b1', shape: [1], version: 0 },
    ],
  )
  t.true(Math.abs((await output(model)) - 3.6) < 1e-6)
  const head = model.parameters.read('w1') as Tensor<'f32'>
  t.deepEqual([...head.data], [1, -1.5, 2, 0.5])
  model.parameters.write('w1', createTensor('f32', [1, 4], [0, 0, 1, 0]))
  t.is(model.parameters.list()[2]!.version, 1)
  t.true(Math.abs((await output(model)) - (1.55 + 0.25)) < 1e-6)
  t.throws(() => model.parameters.write('w1', createTensor('f32', [4])), { code: 'INPUT_SHAPE' })
  t.throws(() => model.parameters.read('w9'), { code: 'LAYER_NOT_FOUND' })
})

test('an overlay changes its own model only, and shares the rest', async t => {
  const model = await exampleA()
  const changed = model.withParameters({ b1: createTensor('f32', [1], [10]) })
  t.true(Math.abs((await output(changed)) - (3.35 + 10)) < 1e-5)
  t.true(Math.abs((await output(model)) - 3.6) < 1e-6)
  t.throws(() => model.withParameters({ nobody: createTensor('f32', [1], [1]) }), { code: 'LAYER_NOT_FOUND' })
})

test('a changed model is saved as ONNX and read back with its changes', async t => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'changed.onnx')
  const changed = (await exampleA()).withParameters({ w1: createTensor('f32', [1, 4], [0, 0, 1, 0]) })
  await changed.save(path)
  const read = await loadModel(path)
  t.is(await output(read), await output(changed))
  t.deepEqual(read.parameters.read('w0'), changed.parameters.read('w0'))
  t.not(await read.hash(), await changed.hash())
})

test('a real model without changes is saved to the bit that matters: the same function, the same names', async t => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'copy.onnx')
  const model = await loadModel(join(repositoryRoot, 'models/scenes-sound.onnx'))
  await model.save(path)
  const copy = await loadModel(path)
  t.deepEqual(copy.layers(), model.layers())
  const input = createTensor(
    'f32',
    [1, 3, 128, 128],
    Float32Array.from({ length: 49_152 }, (_, at) => Math.sin(at)),
  )
  const [a, b] = await Promise.all(
    [model, copy].map(each => new IntegratedGradients(each, { steps: 4 }).attribute(input)),
  )
  t.deepEqual(a!.scores(), b!.scores())
})
