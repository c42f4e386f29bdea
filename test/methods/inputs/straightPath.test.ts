import test from 'ava'
import {
  type Attribution,
  IntegratedGradients,
  type LoadModelOptions,
  loadModel,
  SmoothGrad,
  type Tensor,
} from '#lib/index.js'
import { relativeDistance } from '../../oracles/gradientOf.js'
import { localNet } from '../../oracles/localNet.js'
import { type NodeGiven, tensor, valueInfo, writeModel } from '../../oracles/onnxWriter.js'
import { smallConvolutionNet, smallPicture } from '../../oracles/smallConvolutionNet.js'

const scoresOf = (attribution: Attribution) => attribution.scores().data as Float32Array
const numbers = (count: number, seed: number, scale = 1) =>
  Float32Array.from(
    { length: count },
    (_, at) => scale * (Math.sin(at * 1.3 + seed) + 0.4 * Math.cos(at * at + seed)),
  )
const ofShape = (shape: number[], seed: number): Tensor => ({
  dtype: 'f32',
  shape,
  data: numbers(
    shape.reduce((a, b) => a * b, 1),
    seed,
  ),
})
const away = { withoutPasses: ['share-linear-layers'] }

/** The same sums by the loop that makes every point itself. */
const byTheLoop = (method: IntegratedGradients) => new SmoothGrad(method, { samples: 1, sigma: 0 })

test('a path that the plan makes and one that the loop makes: the same scores, alone and side by side', async t => {
  const model = await smallConvolutionNet()
  for (const rule of ['gausslegendre', 'riemann_trapezoid'] as const) {
    const method = new IntegratedGradients(model, { steps: 12, rule })
    const baseline = ofShape([1, 3, 16, 16], 5)
    for (const target of [0, 3]) {
      const loop = await byTheLoop(method).attribute(smallPicture(1), { target, baseline })
      const beside = await method.attributeBatch([smallPicture(2), smallPicture(1)], { target, baseline })
      t.deepEqual(
        scoresOf(beside[1]!),
        scoresOf(await method.attribute(smallPicture(1), { target, baseline })),
      )
      for (const chunk of [undefined, 1, 3, 7, 14]) {
        const alone = await method.attribute(smallPicture(1), {
          target,
          baseline,
          ...(chunk === undefined ? {} : { chunk }),
        })
        t.true(relativeDistance(scoresOf(alone), scoresOf(loop)) < 1e-6, `${rule} ${target} ${chunk}`)
        const [one, other] = [alone.checks.completeness![0]!, beside[1]!.checks.completeness![0]!]
        t.true(Math.abs(one.delta - other.delta) < 1e-5)
      }
    }
  }
})

test('passes are counted as those of the whole network, ends of the path among them', async t => {
  const model = await smallConvolutionNet()
  const passes = async (rule: 'gausslegendre' | 'riemann_trapezoid') => {
    const { cost } = await new IntegratedGradients(model, { steps: 10, rule }).attribute(smallPicture(1), {
      target: 1,
      chunk: 4,
    })
    return [cost.forwardPasses, cost.backwardPasses]
  }
  t.deepEqual(await passes('gausslegendre'), [12, 12])
  t.deepEqual(await passes('riemann_trapezoid'), [10, 10])
})

const nets: Record<string, { shape: number[]; nodes: NodeGiven[] }> = {
  'a first convolution with a stride, and one behind it': {
    shape: [3, 9, 11],
    nodes: [
      {
        op: 'Conv',
        inputs: ['x', 'w3'],
        outputs: ['c'],
        attributes: { strides: [2, 2], pads: [1, 1, 1, 1] },
      },
      { op: 'Conv', inputs: ['c', 'w4'], outputs: ['d'] },
      { op: 'Tanh', inputs: ['d'], outputs: ['e'] },
    ],
  },
  'two branches of the input': {
    shape: [3, 9, 11],
    nodes: [
      { op: 'Conv', inputs: ['x', 'w3'], outputs: ['c'] },
      { op: 'Conv', inputs: ['x', 'v3'], outputs: ['d'] },
      { op: 'Tanh', inputs: ['d'], outputs: ['t'] },
      { op: 'Mul', inputs: ['c', 't'], outputs: ['e'] },
    ],
  },
  'a residual around the first layer': {
    shape: [4, 9, 11],
    nodes: [
      { op: 'Conv', inputs: ['x', 'w4'], outputs: ['c'], attributes: { pads: [1, 1, 1, 1] } },
      { op: 'Add', inputs: ['c', 'x'], outputs: ['d'] },
      { op: 'Sigmoid', inputs: ['d'], outputs: ['e'] },
    ],
  },
  'an input that is bent before it is convolved': {
    shape: [3, 9, 11],
    nodes: [
      { op: 'Tanh', inputs: ['x'], outputs: ['t'] },
      { op: 'Conv', inputs: ['t', 'w3'], outputs: ['e'] },
    ],
  },
  'a mean and a scale before the convolution, a batch normalisation behind it': {
    shape: [3, 9, 11],
    nodes: [
      { op: 'Sub', inputs: ['x', 'mean'], outputs: ['s'] },
      { op: 'Div', inputs: ['s', 'scale'], outputs: ['u'] },
      { op: 'Conv', inputs: ['u', 'w3'], outputs: ['c'] },
      { op: 'BatchNormalization', inputs: ['c', 'g', 'b', 'm', 'v'], outputs: ['n'] },
      { op: 'Tanh', inputs: ['n'], outputs: ['e'] },
    ],
  },
}

const weights = [
  tensor('w3', [4, 3, 3, 3], numbers(108, 1, 0.4)),
  tensor('v3', [4, 3, 3, 3], numbers(108, 2, 0.4)),
  tensor('w4', [4, 4, 3, 3], numbers(144, 3, 0.4)),
  tensor('mean', [1, 3, 1, 1], numbers(3, 4)),
  tensor('scale', [3, 1, 1], numbers(3, 5).map(Math.exp)),
  ...['g', 'b', 'm'].map((name, seed) => tensor(name, [4], numbers(4, 6 + seed))),
  tensor('v', [4], numbers(4, 9).map(Math.exp)),
]

for (const [name, { shape, nodes }] of Object.entries(nets))
  test(`${name}: the same scores with the first layer shared, without, and by the loop`, async t => {
    const load = (options: LoadModelOptions = {}) =>
      loadModel(
        writeModel({
          nodes: [
            ...nodes,
            { op: 'GlobalAveragePool', inputs: ['e'], outputs: ['p'] },
            { op: 'Flatten', inputs: ['p'], outputs: ['y'] },
          ],
          tensors: weights.filter(weight => nodes.some(({ inputs }) => inputs?.includes(weight.name))),
          inputs: [valueInfo('x', ['N', ...shape])],
          outputs: [valueInfo('y', ['N', 4])],
        }),
        options,
      )
    const [x, baseline] = [ofShape([1, ...shape], 11), ofShape([1, ...shape], 12)]
    const of = async (options?: LoadModelOptions, chunk?: number) =>
      scoresOf(
        await new IntegratedGradients(await load(options), { steps: 9 }).attribute(x, {
          target: 2,
          baseline,
          ...(chunk === undefined ? {} : { chunk }),
        }),
      )
    const plain = await of(away)
    for (const chunk of [undefined, 1, 4]) t.true(relativeDistance(await of({}, chunk), plain) < 1e-6)
    const loop = byTheLoop(new IntegratedGradients(await load(), { steps: 9 }))
    t.true(relativeDistance(plain, scoresOf(await loop.attribute(x, { target: 2, baseline }))) < 1e-6)
  })

test('a net of branches, and a layer inside it as what is explained', async t => {
  for (const layer of [undefined, 'p1']) {
    const of = async (options: LoadModelOptions) => {
      const model = await localNet(options)
      return scoresOf(
        await new IntegratedGradients(model, { steps: 7 }).attribute(ofShape([1, 2, 40, 40], 3), {
          target: 1,
          ...(layer === undefined ? {} : { layer }),
        }),
      )
    }
    t.true(relativeDistance(await of({}), await of(away)) < 1e-6)
  }
})

test('a pass that does not exist cannot be left out', async t => {
  await t.throwsAsync(smallConvolutionNet({ withoutPasses: ['share-everything'] }), { code: 'OPTION_RANGE' })
})

test('a long part that no point changes is done once, elsewhere than on the host too', async t => {
  const depth = 70
  const long = Array.from({ length: depth }, (_, at) => ({
    op: 'Tanh',
    inputs: [at === 0 ? 'context' : `c${at - 1}`],
    outputs: [`c${at}`],
  }))
  const scores: Float32Array[] = []
  for (const device of ['cpu', 'fake']) {
    const model = await loadModel(
      writeModel({
        opset: 20,
        nodes: [
          ...long,
          { op: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] },
          { op: 'Mul', inputs: ['z', `c${depth - 1}`], outputs: ['m'] },
          { op: 'Tanh', inputs: ['m'], outputs: ['y'] },
        ],
        tensors: [tensor('w', [4, 4], numbers(16, 3))],
        inputs: [valueInfo('context', ['N', 4]), valueInfo('x', ['N', 4])],
        outputs: [valueInfo('y', ['N', 4])],
      }),
      { device },
    )
    const found = await new IntegratedGradients(model, { steps: 12 }).attribute(
      { context: ofShape([1, 4], 1), x: ofShape([1, 4], 2) },
      { target: 1, inputs: ['x'], chunk: 4 },
    )
    scores.push(scoresOf(found))
  }
  t.true(relativeDistance(scores[1]!, scores[0]!) < 1e-6)
  t.true(Math.hypot(...scores[0]!) > 1e-3)
})
