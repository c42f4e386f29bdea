import test from 'ava'
import {
  createTensor,
  DeepLift,
  GradCam,
  type GradientMethod,
  InputXGradient,
  IntegratedGradients,
  loadModel,
  type Model,
  Saliency,
  SmoothGrad,
  Target,
  type Tensor,
} from '#lib/index.js'
import { explainedValues } from '#lib/methods/inputs/explainedValues.js'
import { gradientPlan } from '#lib/methods/inputs/gradientPlan.js'
import { prepareInput } from '#lib/model/prepareInput.js'
import { floats, valueInfo, writeModel } from '../oracles/onnxWriter.js'

const network = () =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Conv', inputs: ['x', 'w'], outputs: ['c'], attributes: { pads: [1, 1, 1, 1] } },
        { op: 'Relu', inputs: ['c'], outputs: ['maps'] },
        { op: 'GlobalAveragePool', inputs: ['maps'], outputs: ['p'] },
        { op: 'Flatten', inputs: ['p'], outputs: ['f'] },
        { op: 'MatMul', inputs: ['f', 'v'], outputs: ['y'] },
      ],
      tensors: [
        floats('w', [4, 3, 3, 3], at => Math.sin(at * 1.7)),
        floats('v', [4, 5], at => Math.cos(at * 1.1)),
      ],
      inputs: [valueInfo('x', ['N', 3, 6, 5])],
      outputs: [valueInfo('y', ['N', 5])],
    }),
  )
const picture = createTensor(
  'f32',
  [1, 3, 6, 5],
  Float32Array.from({ length: 90 }, (_, at) => Math.sin(0.7 * at)),
)

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
  const model = await network()
  for (const [name, make, passes] of costs) {
    const { cost } = await make(model).attribute(picture, { target: 3 })
    t.is(cost.forwardPasses, passes, name)
    t.is(cost.backwardPasses, passes, name)
  }
})

test('the backward pass of Grad-CAM ends at the layer: no convolution is differentiated, or run twice', async t => {
  const model = await network()
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
