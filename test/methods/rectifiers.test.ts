import test from 'ava'
import {
  AscribeError,
  createTensor,
  Deconvolution,
  GuidedBackprop,
  loadModel,
  Saliency,
  Target,
} from '#lib/index.js'
import { floats, type NodeGiven, valueInfo, writeModel } from '../oracles/onnxWriter.js'

/** y = v · f(x w), f the operator. */
const network = (activation: NodeGiven[]) =>
  loadModel(
    writeModel({
      opset: 20,
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] },
        ...activation,
        { op: 'MatMul', inputs: ['h', 'v'], outputs: ['y'] },
      ],
      tensors: [
        floats('w', [3, 4], at => Math.sin(at * 1.7)),
        floats('v', [4, 1], at => Math.cos(at * 1.1)),
        floats('low', [], () => 0),
        floats('high', [], () => 6),
      ],
      inputs: [valueInfo('x', ['N', 3])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
const x = createTensor('f32', [1, 3], Float32Array.of(1, -0.5, 2))
const options = { target: Target.regression() }
const one = (op: string): NodeGiven => ({ op, inputs: ['z'], outputs: ['h'] })

test('smooth relatives of ReLU are refused, by name', async t => {
  for (const op of ['Gelu', 'Elu', 'Softplus', 'HardSwish', 'Mish']) {
    const error = await t.throwsAsync(new GuidedBackprop(await network([one(op)])).attribute(x, options), {
      instanceOf: AscribeError,
    })
    t.is(error?.code, 'DERIVATIVE_UNSUPPORTED')
    t.regex(error?.message ?? '', /ReLU alone/)
  }
})

test('other activations keep their derivative, and the result says so', async t => {
  const model = await network([one('Tanh')])
  const guided = await new GuidedBackprop(model).attribute(x, options)
  const plain = await new Saliency(model, { absolute: false }).attribute(x, options)
  t.deepEqual(guided.scores().data, plain.scores().data)
  t.deepEqual(
    guided.warnings.map(({ code }) => code),
    ['RULE_FALLBACK'],
  )
  t.deepEqual((await new GuidedBackprop(await network([one('Relu')])).attribute(x, options)).warnings, [])
})

test('a clip from 0 is a rectifier too', async t => {
  const clip: NodeGiven = { op: 'Clip', inputs: ['z', 'low', 'high'], outputs: ['h'] }
  const [clipped, plain] = [await network([clip]), await network([one('Relu')])]
  for (const Method of [GuidedBackprop, Deconvolution]) {
    const [a, b] = [
      await new Method(clipped).attribute(x, options),
      await new Method(plain).attribute(x, options),
    ]
    t.deepEqual(a.scores().data, b.scores().data)
  }
})

/** Cosine of two maps of absolute scores, their means taken off. */
function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const centred = (values: ArrayLike<number>) => {
    const sizes = Array.from(values, Math.abs)
    const mean = sizes.reduce((sum, value) => sum + value, 0) / sizes.length
    return sizes.map(value => value - mean)
  }
  const [p, q] = [centred(a), centred(b)]
  const dot = (u: number[], v: number[]) => u.reduce((sum, value, at) => sum + value * v[at]!, 0)
  return dot(p, q) / Math.sqrt(dot(p, p) * dot(q, q))
}

test('the maps stay much the same when the last layer is shuffled, those of the gradient do not', async t => {
  const model = await loadModel('models/scenes-sound.onnx')
  const head = model.parameters.list().at(-2)!.name
  const changed = model.withParameters({ [head]: shuffled(model.parameters.read(head)) })
  const picture = createTensor(
    'f32',
    [1, 3, 128, 128],
    Float32Array.from({ length: 3 * 128 * 128 }, (_, at) => Math.sin(at * 0.013) + 0.5 * Math.sin(at * 0.41)),
  )
  const change = async (Method: typeof GuidedBackprop | typeof Saliency) => {
    const [before, after] = [
      await new Method(model, {}).attribute(picture, { target: 0 }),
      await new Method(changed, {}).attribute(picture, { target: 0 }),
    ]
    return correlation(before.scores().data, after.scores().data)
  }
  const [guided, gradient] = [await change(GuidedBackprop), await change(Saliency)]
  t.log({ guided, gradient })
  t.true(guided > 0.9 && gradient < guided - 0.2)
})

function shuffled<T extends { data: unknown }>(tensor: T): T {
  const data = (tensor.data as Float32Array).slice()
  for (let at = 0; at < data.length; ++at)
    data[at] = (tensor.data as Float32Array)[(at * 7 + 3) % data.length]!
  return { ...tensor, data }
}
