import test from 'ava'
import {
  createTensor,
  DeepLift,
  DeepLiftShap,
  GradCam,
  type GradientMethod,
  InputXGradient,
  IntegratedGradients,
  LayerConductance,
  LayerIntegratedGradients,
  type Model,
  NeuronConductance,
  NeuronGradient,
  NeuronIntegratedGradients,
  Saliency,
  SmoothGrad,
  Target,
  type Tensor,
} from '#lib/index.js'
import { explainedValues } from '#lib/methods/inputs/explainedValues.js'
import { gradientPlan } from '#lib/methods/inputs/gradientPlan.js'
import { prepareInput } from '#lib/model/prepareInput.js'
import { convolutionMeanNet, wavePicture } from '../oracles/convolutionMeanNet.js'

const picture = wavePicture()

/** Forward and backward passes of a call; those of a path include the input and the baseline themselves. */
const costs: [string, (model: Model) => GradientMethod, number][] = [
  ['Saliency', model => new Saliency(model), 1],
  ['InputXGradient', model => new InputXGradient(model), 1],
  ['DeepLift', model => new DeepLift(model), 2],
  ['IntegratedGradients, 50 steps inside the path', model => new IntegratedGradients(model), 52],
  [
    'IntegratedGradients, 50 steps with both ends',
    model => new IntegratedGradients(model, { rule: 'riemann_trapezoid' }),
    50,
  ],
  ['SmoothGrad, 50 samples', model => new SmoothGrad(model), 51],
  ['GradCam', model => new GradCam(model), 1],
]
test('each method costs what it says', async t => {
  const model = await convolutionMeanNet()
  for (const [name, make, passes] of costs) {
    const { cost } = await make(model).attribute(picture, { target: 3 })
    t.is(cost.forwardPasses, passes, name)
    t.is(cost.backwardPasses, passes, name)
  }
})

const neuron = { layer: 'maps', index: [2, 1, 1] }
const threeBaselines = createTensor(
  'f32',
  [3, 3, 6, 5],
  Float32Array.from({ length: 270 }, (_, at) => Math.cos(0.3 * at)),
)

test('several baselines, a layer and a neuron cost what they say', async t => {
  const model = await convolutionMeanNet()
  const cases: [string, GradientMethod, object, number, number][] = [
    // Input and baseline go through together, once for each baseline; and the input once more for its value.
    ['DeepLiftShap, 3 baselines', new DeepLiftShap(model), { target: 3, baseline: threeBaselines }, 7, 7],
    [
      'LayerIntegratedGradients between the values of the layer',
      new LayerIntegratedGradients(model, { path: 'layer' }),
      { target: 3, layer: 'maps' },
      52,
      52,
    ],
    // The second derivative is that of the layer along the path of the inputs.
    [
      'LayerIntegratedGradients along the path of the inputs',
      new LayerIntegratedGradients(model),
      { target: 3, layer: 'maps' },
      52,
      104,
    ],
    // Each part needs the layer at both of its ends too; input and baseline count as parts.
    ['LayerConductance, 50 steps', new LayerConductance(model), { target: 3, layer: 'maps' }, 156, 52],
    // A neuron is the target itself, or the target is seen through it.
    ['NeuronGradient', new NeuronGradient(model, neuron), {}, 1, 1],
    ['NeuronIntegratedGradients', new NeuronIntegratedGradients(model, neuron), {}, 52, 52],
    ['NeuronConductance', new NeuronConductance(model, neuron), { target: 3 }, 52, 52],
  ]
  for (const [name, method, options, forward, backward] of cases) {
    const { cost } = await method.attribute(picture, options)
    t.deepEqual([cost.forwardPasses, cost.backwardPasses], [forward, backward], name)
  }
})

test('the backward pass of Grad-CAM ends at the layer: no convolution is differentiated, or run twice', async t => {
  const model = await convolutionMeanNet()
  const prepared = await prepareInput(model, picture)
  const opsOf = async (options: object) => {
    const explained = await explainedValues(model, prepared, options)
    const batching = { size: 1, graph: model.graph, inputs: model.inputs } as const
    const named: Record<string, Tensor> = prepared.tensors
    const { plan } = await gradientPlan(model, Target.class(3), explained, named, 1, batching)
    return plan.describe().nodes.map(({ op }) => op)
  }
  const whole = await opsOf({})
  t.true(
    whole.some(op => op.startsWith('conv')),
    `${whole}`,
  )
  const partial = await opsOf({ layer: 'maps' })
  t.deepEqual(
    partial.filter(op => op.startsWith('conv')),
    [],
  )
})

test('the time of a map of a layer has what it took to compute the layer', async t => {
  const model = await convolutionMeanNet()
  const prepared = await prepareInput(model, picture)
  t.is((await explainedValues(model, prepared, {})).milliseconds, 0)
  const { milliseconds } = await explainedValues(model, prepared, { layer: 'maps' })
  t.true(milliseconds > 0)
  const withBaseline = await explainedValues(model, prepared, { layer: 'maps', baseline: { x: 0 } })
  t.true(withBaseline.milliseconds > 0)
})
