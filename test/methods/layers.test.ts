import test from 'ava'
import { InputXGradient, IntegratedGradients, Saliency, SmoothGrad, Target } from '#lib/index.js'
import { bag, text } from '../oracles/bagOfTokens.js'
import { exampleA, inputA } from '../oracles/workedModels.js'

const target = Target.regression()

test('a model of tokens is explained where it looks them up, token by token', async t => {
  const model = await bag()
  const attribution = await new IntegratedGradients(model, { steps: 32 }).attribute(text([1, 4, 2, 4]), {
    target,
  })
  const [rows] = attribution.inputs
  t.is(rows!.name, 'rows')
  t.deepEqual(rows!.units, { kind: 'tokens', tokens: ['1', '4', '2', '4'], features: 3 })
  t.deepEqual(rows!.scores.shape, [4, 3])
  t.true(attribution.checks.completeness![0]!.relative! < 1e-5)
  const perToken = attribution.aggregate().scores()
  t.deepEqual(perToken.shape, [4])
  t.is(perToken.data[1], perToken.data[3])
})

test('masked tokens get nothing, and texts of tokens are shown', async t => {
  const model = await bag()
  const attribution = await new InputXGradient(model).attribute(text([1, 4, 2], [1, 0, 1]), {
    target,
    tokens: ['a', 'b', 'c'],
  })
  const { data } = attribution.aggregate().scores()
  t.is(data[1], 0)
  t.not(data[0], 0)
  t.is(attribution.aggregate().top(1)[0]!.token, data[0]! ** 2 > data[2]! ** 2 ? 'a' : 'c')
  await t.throwsAsync(new Saliency(model).attribute(text([1, 2]), { target, tokens: ['a'] }), {
    code: 'INPUT_SHAPE',
  })
})

test('a baseline of ids is what the embeddings hold for them', async t => {
  const model = await bag()
  const method = new IntegratedGradients(model, { steps: 32 })
  const padded = await method.attribute(text([1, 4]), { target, baseline: { ids: 0 } })
  const { outputs: with0 } = await model.run(text([0, 0]))
  const { outputs: whole } = await model.run(text([1, 4]))
  const change = (whole.y!.data as Float32Array)[0]! - (with0.y!.data as Float32Array)[0]!
  t.true(Math.abs(padded.checks.completeness![0]!.difference - change) < 1e-5)
  t.true(padded.checks.completeness![0]!.relative! < 1e-4)
})

test('noise is put on the embeddings', async t => {
  const method = new SmoothGrad(new Saliency(await bag()), { samples: 4, sigma: 0.1, seed: 2 })
  const one = await method.attribute(text([1, 4, 2]), { target, chunk: 1 })
  const other = await method.attribute(text([1, 4, 2]), { target, chunk: 4 })
  for (const [at, value] of one.scores().data.entries())
    t.true(Math.abs(value - other.scores().data[at]!) < 1e-6)
})

test('the hidden layer of example A has gradient (1, -1.5, 2, 0.5)', async t => {
  const model = await exampleA()
  const attribution = await new Saliency(model, { absolute: false }).attribute(inputA(), {
    target,
    layer: 'h1',
  })
  t.deepEqual([...attribution.scores('h1').data], [1, -1.5, 2, 0.5])
  const both = new IntegratedGradients(model, { rule: 'riemann_middle', steps: 4 })
  const { checks } = await both.attribute(inputA(), { target, layer: 'h1' })
  // The head is linear in the layer: 3.6 at h, 0.25 at 0.
  t.true(Math.abs(checks.completeness![0]!.difference - 3.35) < 1e-6)
  t.true(Math.abs(checks.completeness![0]!.delta) < 1e-6)
})

test('layers that are not there, and inputs of integers, are refused', async t => {
  const model = await bag()
  const method = new Saliency(model)
  await t.throwsAsync(method.attribute(text([1]), { target, layer: 'nothing' }), { code: 'LAYER_NOT_FOUND' })
  await t.throwsAsync(method.attribute(text([1]), { target, inputs: ['ids'] }), { code: 'INPUT_DTYPE' })
  await t.throwsAsync(method.attribute(text([1]), { target, inputs: ['mask'], layer: 'rows' }), {
    code: 'OPTION_RANGE',
  })
  const mask = await method.attribute(text([1, 2]), { target, inputs: ['mask'] })
  t.deepEqual(
    mask.inputs.map(({ name }) => name),
    ['mask'],
  )
})
