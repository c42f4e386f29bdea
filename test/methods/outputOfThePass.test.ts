import test from 'ava'
import {
  Deconvolution,
  DeepLift,
  ExactIntegratedGradients,
  FeatureAblation,
  GradCam,
  type GradientMethod,
  GradientShap,
  GuidedBackprop,
  GuidedIntegratedGradients,
  InputXGradient,
  IntegratedGradients,
  LayerConductance,
  type Model,
  NeuronGradient,
  Saliency,
  SmoothGrad,
  Target,
} from '#lib/index.js'
import { topClasses } from '#lib/model/classify.js'
import { LayerwiseRelevance } from '#lib/relevance.js'
import { convolutionMeanNet, wavePicture } from '../oracles/convolutionMeanNet.js'
import type { NodeGiven } from '../oracles/onnxWriter.js'

const network = (last: NodeGiven[] = [], scale = 1) => convolutionMeanNet({ classes: 7, last, scale })

/** The model, and how often it was run for its outputs alone. */
function counted(model: Model): { model: Model; runs: () => number } {
  let runs = 0
  const run = model.run.bind(model)
  model.run = (inputs, options) => {
    if (options?.outputs?.includes('y') ?? true) ++runs
    return run(inputs, options)
  }
  return { model, runs: () => runs }
}

/** The five classes of the model's own output. */
const seen = async (model: Model, input = wavePicture()) =>
  topClasses((await model.run(input)).outputs.y!.data as Float32Array, undefined)

const methods: [string, (model: Model) => GradientMethod, object?][] = [
  ['Saliency', model => new Saliency(model)],
  ['InputXGradient', model => new InputXGradient(model)],
  ['GuidedBackprop', model => new GuidedBackprop(model)],
  ['Deconvolution', model => new Deconvolution(model)],
  ['LayerwiseRelevance', model => new LayerwiseRelevance(model)],
  ['DeepLift', model => new DeepLift(model)],
  ['IntegratedGradients', model => new IntegratedGradients(model, { steps: 9 })],
  [
    'IntegratedGradients with both ends',
    model => new IntegratedGradients(model, { steps: 9, rule: 'riemann_trapezoid' }),
  ],
  ['IntegratedGradients of two steps', model => new IntegratedGradients(model, { steps: 2 })],
  ['GuidedIntegratedGradients', model => new GuidedIntegratedGradients(model, { steps: 9 })],
  ['ExactIntegratedGradients', model => new ExactIntegratedGradients(model)],
  ['GradientShap', model => new GradientShap(model, { samples: 3 })],
  ['SmoothGrad', model => new SmoothGrad(model, { samples: 3 })],
  ['FeatureAblation', model => new FeatureAblation(model)],
  ['GradCam', model => new GradCam(model)],
  ['LayerConductance', model => new LayerConductance(model, { steps: 5 }), { layer: 'maps' }],
]

for (const [name, make, options] of methods)
  test(`${name}: the pass that explains a class gives out the model's output too`, async t => {
    const { model, runs } = counted(await network())
    const expected = await seen(model)
    const before = runs()
    const { output, targets } = await make(model).attribute(wavePicture(), { target: 3, ...options })
    t.is(runs(), before)
    t.deepEqual(
      output.map(({ index }) => index),
      expected.map(({ index }) => index),
    )
    for (const [at, { value, probability }] of output.entries()) {
      t.true(Math.abs(value - expected[at]!.value) < 1e-6)
      t.true(Math.abs(probability! - expected[at]!.probability!) < 1e-6)
    }
    t.is(targets[0]!.index, 3)
  })

for (const [name, make] of methods.slice(0, 5))
  test(`${name}: one pass finds the class at the top and explains it`, async t => {
    const { model, runs } = counted(await network())
    const expected = await seen(model)
    const before = runs()
    const found = await make(model).attribute(wavePicture())
    t.is(runs(), before)
    t.is(found.targets[0]!.index, expected[0]!.index)
    t.is(found.output[0]!.index, expected[0]!.index)
    const { inputs } = await make(model).attribute(wavePicture(), { target: expected[0]!.index })
    t.deepEqual(found.inputs[0]!.scores, inputs[0]!.scores)
  })

test('each picture of a batch has the class that is at its own top', async t => {
  const { model, runs } = counted(await network())
  const pictures = [0, 1, 2, 3, 4].map(phase => wavePicture(phase))
  const method = new Saliency(model)
  const expected = await Promise.all(pictures.map(each => seen(model, each)))
  t.true(new Set(expected.map(([top]) => top!.index)).size > 1)
  const before = runs()
  const together = await method.attributeBatch(pictures)
  t.is(runs(), before)
  for (const [at, { targets, output }] of together.entries()) {
    t.is(targets[0]!.index, expected[at]![0]!.index)
    t.true(Math.abs(output[0]!.value - expected[at]![0]!.value) < 1e-6)
  }
})

test('behind a softmax the output is still the probabilities', async t => {
  const { model, runs } = counted(
    await network([{ op: 'Softmax', inputs: ['scores'], outputs: ['y'], attributes: { axis: -1 } }]),
  )
  const expected = await seen(model)
  const before = runs()
  const { output, targets } = await new IntegratedGradients(model, { steps: 5 }).attribute(wavePicture(), {
    target: 2,
  })
  t.is(runs(), before)
  for (const [at, { index, value }] of output.entries()) {
    t.is(index, expected[at]!.index)
    t.true(Math.abs(value - expected[at]!.value) < 1e-6)
  }
  t.regex(targets[0]!.description, /before the final softmax/)
})

test('of outputs that are equal at the top the first is explained, however their scores differ', async t => {
  // All sigmoids of large scores are 1 in single precision.
  const model = await network([{ op: 'Sigmoid', inputs: ['scores'], outputs: ['y'] }], 1e4)
  const [first] = await seen(model)
  t.is(first!.value, 1)
  const { targets } = await new Saliency(model).attribute(wavePicture())
  t.is(targets[0]!.index, first!.index)
})

test('a neuron is explained without the rest of the model, whose output is then computed once', async t => {
  const { model, runs } = counted(await network())
  const expected = await seen(model)
  const before = runs()
  const { output } = await new NeuronGradient(model, { layer: 'maps', index: [2, 1, 1] }).attribute(
    wavePicture(),
  )
  t.is(runs(), before + 1)
  t.is(output[0]!.index, expected[0]!.index)
})

test('an output whose rows are no examples, whatever the model declares, is computed apart', async t => {
  const { model, runs } = counted(
    await network([{ op: 'Reshape', inputs: ['scores', 'shape'], outputs: ['y'] }]),
  )
  const expected = await seen(model)
  const before = runs()
  const sum = Target.expression('sum', (graph, outputs) => {
    const rows = graph.apply('reshape', [outputs.get('y')!, graph.integers([-1, 7])])
    return graph.apply('sum', [rows], { axes: [1], keepDims: 0 })
  })
  const { output } = await new Saliency(model).attribute(wavePicture(), { target: sum })
  t.is(runs(), before + 1)
  t.deepEqual(output, expected)
})

test('a class that is not there is said before anything runs', async t => {
  const { model, runs } = counted(await network())
  await t.throwsAsync(new Saliency(model).attribute(wavePicture(), { target: 7 }), { code: 'TARGET_INVALID' })
  t.is(runs(), 0)
})

test('one pass at the input gives to the bit what samples without noise do', async t => {
  const model = await network()
  const pictures = [0, 1, 2].map(phase => wavePicture(phase))
  const cases = [new Saliency(model), new Saliency(model, { absolute: false }), new InputXGradient(model)]
  for (const method of cases) {
    const sampled = new SmoothGrad(method, { samples: 2, sigma: 0 })
    for (const chunk of [1, 2, 3]) {
      const options = { target: 2, chunk }
      const [own, others] = [
        await method.attributeBatch(pictures, options),
        await sampled.attributeBatch(pictures, options),
      ]
      for (const [at, { inputs }] of own.entries()) {
        t.true(inputs[0]!.scores.data.some(score => score !== 0))
        t.deepEqual(inputs[0]!.scores, others[at]!.inputs[0]!.scores)
      }
    }
  }
})

test('the highest classes are those of all in order, among equals the earlier ones first', t => {
  const scores = Float32Array.from({ length: 60 }, (_, at) => Math.round(5 * Math.sin(at * 2.3)))
  const ordered = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b)
  for (const count of [1, 5, 59, 60, 70])
    t.deepEqual(
      topClasses(scores, undefined, count).map(({ index }) => index),
      ordered.slice(0, count),
    )
})
