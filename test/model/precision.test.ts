import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'
import { createTensor, loadModel, Saliency, Target, type Tensor, vectorJacobianProduct } from '#lib/index.js'
import { native } from '#lib/native.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { repositoryRoot } from '../oracles/repository.js'

const hasBf16 = native().engine().precisions.includes('bf16')
const where = hasBf16 ? test : test.skip
const path = (name: string) => join(repositoryRoot, 'models', `${name}.onnx`)
const pictures = (count: number): Tensor =>
  createTensor(
    'f32',
    [count, 3, 128, 128],
    Float32Array.from(
      { length: count * 3 * 128 * 128 },
      (_, at) => Math.sin(at * 0.013) * Math.cos(at * 0.0007),
    ),
  )

for (const name of ['scenes-sound', 'scenes-transformer'])
  where(`${name} with products of bf16: near f32, not f32, the same alone and in a batch`, async t => {
    const [exact, rounded] = [await loadModel(path(name)), await loadModel(path(name), { precision: 'bf16' })]
    t.is(rounded.precision, 'bf16')
    const [input, output] = [exact.inputs[0]!.name, exact.outputs[0]!.name]
    const of = async (model: typeof exact, count: number, precision?: 'f32' | 'bf16') => {
      const { outputs } = await model.run({ [input]: pictures(count) }, precision ? { precision } : {})
      return outputs[output]!.data as Float32Array
    }
    const [full, few] = [await of(exact, 1), await of(rounded, 1)]
    const distance = relativeDistance(few, full)
    t.true(distance > 1e-6 && distance < 2e-2, `${distance}`)
    t.deepEqual(await of(rounded, 1, 'f32'), full)
    t.deepEqual(await of(exact, 1, 'bf16'), few)
    t.true(relativeDistance((await of(rounded, 3)).subarray(0, few.length), few) <= 1e-5)
  })

where('gradients have it too, and results say so', async t => {
  const [exact, rounded] = [
    await loadModel(path('scenes-transformer')),
    await loadModel(path('scenes-transformer'), { precision: 'bf16' }),
  ]
  const input = exact.inputs[0]!.name
  const explain = (model: typeof exact) =>
    new Saliency(model, { absolute: false }).attribute({ [input]: pictures(1) }, { target: Target.class(1) })
  const [full, few] = [await explain(exact), await explain(rounded)]
  t.is(full.environment.precision, 'f32')
  t.is(few.environment.precision, 'bf16')
  const distance = relativeDistance(few.scores().data as Float32Array, full.scores().data as Float32Array)
  t.true(distance > 1e-5 && distance < 0.15, `${distance}`)
  const seed = { [exact.outputs[0]!.name]: createTensor('f32', [1, exact.outputs[0]!.shape![1] as number]) }
  seed[exact.outputs[0]!.name]!.data[1] = 1
  const product = await vectorJacobianProduct(rounded, { [input]: pictures(1) }, seed, [input])
  t.true(relativeDistance(product[input]!.data as Float32Array, few.scores().data as Float32Array) <= 1e-5)
})

where('bit for bit the same again', async t => {
  const model = await loadModel(path('scenes-transformer'), { precision: 'bf16' })
  const run = async () => (await model.run({ [model.inputs[0]!.name]: pictures(2) })).outputs
  t.deepEqual(await run(), await run())
})

const child = (program: string, isa: string) =>
  spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    cwd: repositoryRoot,
    env: { ...process.env, ASCRIBE_MAX_ISA: isa },
  })

for (const isa of ['avx512', 'avx2', 'baseline'])
  test(`with ${isa} at most there is no bf16, and asking for it is an error`, t => {
    const program = `
      import { loadModel } from './dist/index.js'
      const model = await loadModel('models/scenes-sound.onnx')
      const codes = []
      const code = work => work().then(() => codes.push('none'), error => codes.push(error.code))
      await code(() => loadModel('models/scenes-sound.onnx', { precision: 'bf16' }))
      await code(() => model.run({ [model.inputs[0].name]: { dtype: 'f32', shape: [1, 3, 128, 128], data: new Float32Array(3 * 128 * 128) } }, { precision: 'bf16' }))
      console.log(codes.join(' '))`
    const { status, stdout, stderr } = child(program, isa)
    t.is(status, 0, stderr)
    t.is(stdout.trim(), 'PRECISION_UNAVAILABLE PRECISION_UNAVAILABLE')
  })

test('other names of precisions are refused', async t => {
  await t.throwsAsync(loadModel(path('scenes-sound'), { precision: 'f16' as 'bf16' }), {
    code: 'OPTION_RANGE',
  })
})

where('other backends than the processor’s own have no products of bf16', async t => {
  const model = await loadModel(path('scenes-sound'))
  await t.throwsAsync(
    model.run({ [model.inputs[0]!.name]: pictures(1) }, { precision: 'bf16', backends: ['reference'] }),
    { code: 'PRECISION_UNAVAILABLE' },
  )
})
