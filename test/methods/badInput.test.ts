import test from 'ava'
import {
  AblationCam,
  createTensor,
  EigenCam,
  FeatureAblation,
  FeaturePermutation,
  GradCam,
  InputXGradient,
  IntegratedGradients,
  LayerActivation,
  LeaveOneOut,
  Lima,
  Lime,
  Occlusion,
  Rise,
  Saliency,
  Smdl,
  SmoothGrad,
  Target,
} from '#lib/index.js'
import { exampleA, inputA } from '../oracles/workedModels.js'
import { loadScenes, sceneInput } from '../robustness/programs/model.js'

const target = Target.regression()

test('options are refused when the method is made', async t => {
  const model = await exampleA()
  const ig = (options: object) => () => new IntegratedGradients(model, options)
  t.throws(ig({ steps: 0 }), { code: 'OPTION_RANGE' })
  t.throws(ig({ steps: 1.5 }), { code: 'OPTION_TYPE' })
  t.throws(ig({ steps: Number.NaN }), { code: 'OPTION_TYPE' })
  t.throws(ig({ rule: 'simpson' }), { code: 'OPTION_RANGE' })
  t.throws(ig({ rule: 'riemann_trapezoid', steps: 1 }), { code: 'OPTION_RANGE' })
  t.throws(ig({ steps: 5000 }), { code: 'OPTION_RANGE', message: /gausslegendre/ })
  t.throws(ig({ stepz: 5 }), { code: 'OPTION_UNKNOWN' })
  t.throws(() => new SmoothGrad(model, { sigma: -1 }), { code: 'OPTION_RANGE' })
})

test('calls are refused with a code, whatever they are', async t => {
  const method = new IntegratedGradients(await exampleA())
  const refuses = async (input: unknown, options: object, code: string) => {
    await t.throwsAsync(
      method.attribute(input as never, { target, ...options }),
      { code },
      JSON.stringify(options),
    )
  }
  await refuses(null, {}, 'OPTION_TYPE')
  await refuses('photo.png', {}, 'TOKENIZER_REQUIRED')
  await refuses({ dtype: 'f32', shape: [1, 4], data: new Float32Array(4) }, {}, 'INPUT_SHAPE')
  await refuses({ dtype: 'f32', shape: [2, 3], data: new Float32Array(6) }, {}, 'INPUT_SHAPE')
  await refuses({ dtype: 'f32', shape: [1, 3], data: Float32Array.of(1, Number.NaN, 0) }, {}, 'INPUT_VALUE')
  await refuses({ y: inputA() }, {}, 'INPUT_MISSING')
  await refuses(inputA(), { tarrget: 3 }, 'OPTION_UNKNOWN')
  await refuses(inputA(), { chunk: 0 }, 'OPTION_RANGE')
  await refuses(inputA(), { chunk: 1.5 }, 'OPTION_RANGE')
  await refuses(inputA(), { baseline: Number.NaN }, 'INPUT_VALUE')
  await refuses(
    inputA(),
    { baseline: { dtype: 'f32', shape: [1, 2], data: new Float32Array(2) } },
    'INPUT_SHAPE',
  )
  await refuses(inputA(), { baseline: { nobody: 0 } }, 'INPUT_MISSING')
  await refuses(inputA(), { target: 7 }, 'TARGET_INVALID')
  await refuses(inputA(), { target: 'cat' }, 'TARGET_INVALID')
  await refuses(inputA(), { target: [] }, 'TARGET_INVALID')
  await refuses(inputA(), { target: { kind: 'class' } }, 'OPTION_TYPE')
  await refuses(inputA(), { inputs: ['nobody'] }, 'INPUT_MISSING')
  await refuses(inputA(), { signal: AbortSignal.abort() }, 'ABORTED')
  for (const name of ['baseline', 'layer', 'inputs', 'tokens', 'signal', 'onProgress'])
    for (const value of [null, true, name === 'baseline' || name === 'layer' ? [3] : 'x'])
      await refuses(inputA(), { [name]: value }, 'OPTION_TYPE')
})

test('a gradient that is zero everywhere is said to be saturated', async t => {
  const model = await exampleA()
  // Every unit of the hidden layer is off.
  const input = { dtype: 'f32' as const, shape: [1, 3], data: Float32Array.of(-10, -1, 9) }
  const off = Target.expression('third unit', (graph, outputs) => {
    const squared = graph.apply('relu', [graph.apply('neg', [graph.apply('abs', [outputs.get('y')!])])])
    return graph.apply('reshape', [squared, graph.integers([-1])])
  })
  const attribution = await new Saliency(model).attribute(input, { target: off })
  t.deepEqual(
    attribution.warnings.map(({ code }) => code),
    ['TARGET_SATURATED'],
  )
})

test('scores that are not finite are no result', async t => {
  const noisy = new SmoothGrad(new InputXGradient(await exampleA()), { sigma: 1e38, samples: 8 })
  await t.throwsAsync(noisy.attribute(inputA(), { target }), { code: 'NOT_FINITE' })
})

test('options that are no object are refused', async t => {
  const model = await exampleA()
  for (const Method of [LeaveOneOut, Lima, Smdl, FeatureAblation, FeaturePermutation, IntegratedGradients])
    for (const options of [null, 3, []])
      t.throws(() => new Method(model, options as never), { code: 'OPTION_TYPE' }, Method.name)
})

test('regions that are null are refused', async t => {
  const model = await exampleA()
  for (const Method of [LeaveOneOut, Lima])
    await t.throwsAsync(
      async () => new Method(model, { regions: null as never }).attribute(inputA(), { target: 0 }),
      { code: 'OPTION_TYPE' },
    )
})

test('a picture that holds NaN or infinity is refused by methods of layers and regions too', async t => {
  const model = await loadScenes()
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const picture = sceneInput()
    ;(picture.data as Float32Array)[5] = value
    const expected = { code: 'INPUT_VALUE', message: new RegExp(`holds ${value} at element 5`) }
    for (const Method of [GradCam, EigenCam, AblationCam, Occlusion, LeaveOneOut, Rise, Lime, Lima])
      await t.throwsAsync(new Method(model).attribute(picture, { target: 0 }), expected, Method.name)
    const layer = model.layers().findLast(({ name }) => name !== undefined)!.name
    await t.throwsAsync(new LayerActivation(model).attribute(picture, { target: 0, layer }), expected)
  }
})

test('a picture in double is brought to what the model reads by methods on regions, as by gradients', async t => {
  const model = await loadScenes()
  const { shape, data } = sceneInput()
  const wide = createTensor('f64', shape, Float64Array.from(data as Float32Array))
  const regions = { kind: 'grid', rows: 2 } as const
  const methods = [new LeaveOneOut(model), new Rise(model, { samples: 8 }), new Lima(model, { regions })]
  for (const method of methods) {
    const own = await method.attribute(sceneInput(), { target: 0 })
    const found = await method.attribute(wide, { target: 0 })
    t.deepEqual(found.scores().data, own.scores().data, own.method.name)
  }
})
