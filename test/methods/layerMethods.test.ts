import test from 'ava'
import {
  type Attribution,
  createTensor,
  IntegratedGradients,
  InternalInfluence,
  LayerActivation,
  LayerConductance,
  LayerGradientXActivation,
  LayerIntegratedGradients,
  loadModel,
  NeuronConductance,
  NeuronGradient,
  NeuronIntegratedGradients,
  Target,
} from '#lib/index.js'
import { floats, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { exampleA, exampleB, inputA, inputB } from '../oracles/workedModels.js'

const target = Target.regression()
const numbers = (attribution: Attribution) => Array.from(attribution.scores().data as Float32Array)
const close = (actual: ArrayLike<number>, expected: readonly number[], tolerance = 1e-6) =>
  actual.length === expected.length &&
  expected.every((value, at) => Math.abs(actual[at]! - value) <= tolerance * Math.max(1, Math.abs(value)))

test('example A: conductance of the hidden layer, exact and as Captum has it', async t => {
  const model = await exampleA()
  const at = { target, layer: 'h1' }
  const ours = await new LayerConductance(model).attribute(inputA(), at)
  t.is(ours.inputs[0]!.name, 'h1')
  t.true(close(numbers(ours), [-0.1, 0, 2.5, 0.25]), `${numbers(ours)}`)
  t.true(Math.abs(ours.checks.completeness![0]!.delta) < 2e-6)
  t.is(ours.cost.backwardPasses, 52)
  t.is(ours.cost.forwardPasses, 3 * 52)
  const captum = await new LayerConductance(model, { points: 'captum' }).attribute(inputA(), at)
  t.true(close(numbers(captum), [-0.09986375, 0, 2.49727498, 0.2497275], 5e-7), `${numbers(captum)}`)
})

test('example A: internal influence is the gradient in the layer, not multiplied', async t => {
  const found = await new InternalInfluence(await exampleA()).attribute(inputA(), { target, layer: 'h1' })
  t.true(close(numbers(found), [1, -1.5, 2, 0.5]))
  t.is(found.cost.backwardPasses, 52)
  t.deepEqual(found.checks, {})
})

test('a layer by itself: what it holds, and that times the gradient', async t => {
  const model = await exampleA()
  const held = await new LayerActivation(model).attribute(inputA(), { target, layer: 'h1' })
  t.true(close(numbers(held), [0, 0, 1.55, 0.5]))
  t.is(held.cost.backwardPasses, 0)
  const times = await new LayerGradientXActivation(model).attribute(inputA(), { target, layer: 'h1' })
  t.true(close(numbers(times), [0, 0, 3.1, 0.25]))
  t.is(times.cost.forwardPasses, 1)
  t.is(times.cost.backwardPasses, 1)
  for (const method of [
    new LayerActivation(model),
    new LayerGradientXActivation(model),
    new LayerConductance(model),
    new InternalInfluence(model),
  ])
    await t.throwsAsync(method.attribute(inputA(), { target }), { code: 'LAYER_NOT_FOUND' })
  await t.throwsAsync(new LayerConductance(model).attribute(inputA(), { target, layer: ['h1', 'z1'] }), {
    code: 'LAYER_NOT_FOUND',
  })
})

test('layer integrated gradients: along the way of the inputs they tend to the conductance, straight they are IG of the layer', async t => {
  const model = await exampleB()
  const at = { target, layer: 'h1' }
  const conductance = await new LayerConductance(model, { steps: 9000 }).attribute(inputB(), at)
  const integrated = await new LayerIntegratedGradients(model, {
    steps: 9000,
    rule: 'riemann_middle',
  }).attribute(inputB(), at)
  t.true(
    close(numbers(integrated), numbers(conductance), 1e-3),
    `${numbers(integrated)} ${numbers(conductance)}`,
  )
  t.true(integrated.checks.completeness![0]!.relative! < 1e-3)
  t.is(integrated.cost.backwardPasses, 2 * 9002)
  const straight = await new LayerIntegratedGradients(model, { path: 'layer' }).attribute(inputB(), at)
  const same = await new IntegratedGradients(model).attribute(inputB(), { ...at, baseline: { x: 0 } })
  t.true(close(numbers(straight), numbers(same)))
  // From h1 at the baseline, (.5, 0, 0), and not from zeros.
  t.true(straight.checks.completeness![0]!.relative! < 0.05)
})

test("conductance of one unit: over inputs it is the layer's, over units integrated gradients", async t => {
  const model = await exampleB()
  const options = { steps: 600, rule: 'riemann_middle' } as const
  const whole = numbers(await new IntegratedGradients(model, options).attribute(inputB(), { target }))
  const layer = numbers(
    await new LayerConductance(model, { steps: 600 }).attribute(inputB(), { target, layer: 'h1' }),
  )
  const units = await Promise.all(
    [0, 1, 2].map(async index =>
      numbers(
        await new NeuronConductance(model, { layer: 'h1', index }, options).attribute(inputB(), { target }),
      ),
    ),
  )
  for (const [index, unit] of units.entries())
    t.true(Math.abs(unit[0]! + unit[1]! - layer[index]!) < 6e-3, `${unit} ${layer[index]}`)
  t.true(
    close(
      [0, 1].map(i => units.reduce((sum, unit) => sum + unit[i]!, 0)),
      whole,
      2e-6,
    ),
  )
  // The defect: weights that do not add up lose 2 % at 50 points.
  const linear = await loadModel(
    writeModel({
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['h'] },
        { op: 'MatMul', inputs: ['h', 'v'], outputs: ['y'] },
      ],
      tensors: [floats('w', [2, 2], at => at + 1), floats('v', [2, 1], at => 2 - at)],
      inputs: [valueInfo('x', ['N', 2])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const unit = { layer: 'h', index: 1 }
  const right = numbers(await new NeuronConductance(linear, unit).attribute(inputB(), { target }))
  t.true(close(right, [2, 8]))
  const defect = await new NeuronConductance(linear, unit, { rule: 'captum-trapezoid' }).attribute(inputB(), {
    target,
  })
  t.true(close(numbers(defect), [2 * 0.98, 8 * 0.98]))
})

test('gradient and integrated gradients of a unit', async t => {
  const model = await exampleA()
  const unit = { layer: 'h1', index: 2 }
  t.true(close(numbers(await new NeuronGradient(model, unit).attribute(inputA())), [0.5, 0.5, -1]))
  const found = await new NeuronIntegratedGradients(model, unit).attribute(inputA())
  t.true(close(numbers(found), [0.5, 0.25, 0.5]))
  t.true(Math.abs(found.checks.completeness![0]!.difference - 1.25) < 1e-6)
  await t.throwsAsync(new NeuronGradient(model, unit).attribute(inputA(), { target }), {
    code: 'TARGET_INVALID',
  })
  t.throws(() => new NeuronGradient(model, { layer: 'none', index: 0 }), { code: 'LAYER_NOT_FOUND' })
  t.throws(() => new NeuronGradient(model, { layer: 'h1', index: [] }), { code: 'OPTION_TYPE' })
})

const convolutional = () =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: [
        {
          op: 'Conv',
          name: 'first conv',
          inputs: ['x', 'w'],
          outputs: ['block.0.c'],
          attributes: { pads: [1, 1, 1, 1] },
        },
        { op: 'Relu', name: 'first relu', inputs: ['block.0.c'], outputs: ['block.0.r'] },
        { op: 'Conv', name: 'second conv', inputs: ['block.0.r', 'u'], outputs: ['block.1.c'] },
        { op: 'Relu', name: 'second relu', inputs: ['block.1.c'], outputs: ['block.1.r'] },
        { op: 'GlobalAveragePool', inputs: ['block.1.r'], outputs: ['p'] },
        { op: 'Flatten', inputs: ['p'], outputs: ['f'] },
        { op: 'MatMul', inputs: ['f', 'v'], outputs: ['y'] },
      ],
      tensors: [
        floats('w', [3, 1, 3, 3], at => Math.sin(1.7 * at)),
        floats('u', [2, 3, 3, 3], at => Math.cos(1.3 * at)),
        floats('v', [2, 1], at => 1 - 3 * at),
      ],
      inputs: [valueInfo('x', ['N', 1, 6, 6])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
const picture = createTensor(
  'f32',
  [1, 1, 6, 6],
  Float32Array.from({ length: 36 }, (_, at) => Math.sin(at * at)),
)

test('layers by the name of a node, by a pattern, by what they are; and conductance through convolutions adds up', async t => {
  const model = await convolutional()
  const method = new LayerActivation(model)
  const nameOf = async (layer: string) =>
    (await method.attribute(picture, { target, layer })).inputs.map(({ name }) => name)
  t.deepEqual(await nameOf('first relu'), ['block.0.r'])
  t.deepEqual(await nameOf('block.*.r'), ['block.0.r', 'block.1.r'])
  t.deepEqual(await nameOf('last-convolution'), ['block.1.c'])
  t.deepEqual(await nameOf('last-maps'), ['block.1.r'])
  const missing = await t.throwsAsync(nameOf('block.0'), { code: 'LAYER_NOT_FOUND' })
  t.regex((missing as unknown as { hint: string }).hint, /block\.0\.c/)
  await t.throwsAsync(nameOf('z*'), { code: 'LAYER_NOT_FOUND' })
  await t.throwsAsync(nameOf('*'.repeat(10_000)), { code: 'LAYER_NOT_FOUND' })
  const found = await new LayerConductance(model, { steps: 400 }).attribute(picture, {
    target,
    layer: 'second relu',
  })
  t.deepEqual(found.scores().shape, [1, 2, 4, 4])
  t.true(found.checks.completeness![0]!.relative! < 1e-4, `${found.checks.completeness![0]!.relative}`)
  const batch = await new LayerConductance(model, { steps: 5 }).attributeBatch([picture, picture], {
    target,
    layer: 'block.0.r',
  })
  const alone = await new LayerConductance(model, { steps: 5 }).attribute(picture, {
    target,
    layer: 'block.0.r',
    chunk: 2,
  })
  t.true(close(numbers(batch[1]!), numbers(alone), 1e-5))
})

test('the last maps are those before the pooling, where a convolution is the classifier; with nothing behind the convolution, its own', async t => {
  const model = await loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Conv', inputs: ['x', 'w'], outputs: ['maps'] },
        { op: 'GlobalAveragePool', inputs: ['maps'], outputs: ['mean'] },
        { op: 'Conv', inputs: ['mean', 'v'], outputs: ['wide'] },
        { op: 'Relu', inputs: ['wide'], outputs: ['r'] },
        { op: 'Conv', inputs: ['r', 'u'], outputs: ['classes'] },
        { op: 'Flatten', inputs: ['classes'], outputs: ['y'] },
      ],
      tensors: [
        floats('w', [2, 1, 3, 3], at => Math.sin(at)),
        floats('v', [3, 2, 1, 1], at => Math.cos(at)),
        floats('u', [4, 3, 1, 1], at => Math.cos(2 * at)),
      ],
      inputs: [valueInfo('x', ['N', 1, 6, 6])],
      outputs: [valueInfo('y', ['N', 4])],
    }),
  )
  for (const layer of ['last-convolution', 'last-maps']) {
    const { inputs } = await new LayerActivation(model).attribute(picture, { target: 1, layer })
    t.is(inputs[0]!.name, 'maps')
    t.deepEqual(inputs[0]!.scores.shape, [1, 2, 4, 4])
  }
})
