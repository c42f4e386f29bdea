import test from 'ava'
import { createTensor, DeepLift, loadModel, Target } from '#lib/index.js'
import { floats, type NodeGiven, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { exampleA, exampleB, inputA, inputB } from '../oracles/workedModels.js'

const target = Target.regression()
const scoresOf = async (model: Awaited<ReturnType<typeof loadModel>>, x: number[], baseline = 0) => {
  const found = await new DeepLift(model, { nonlinearity: 'revealCancel' }).attribute(
    createTensor('f32', [1, x.length], Float32Array.from(x)),
    { target, baseline },
  )
  return { scores: Array.from(found.scores().data as Float32Array), found }
}
const close = (actual: readonly number[], expected: readonly number[], tolerance = 1e-6) =>
  actual.length === expected.length &&
  expected.every((value, at) => Math.abs(actual[at]! - value) <= tolerance * Math.max(1, Math.abs(value)))

test('the smaller of two, as a - relu(a - b): each has half of it, where one quotient gives all to one', async t => {
  const model = await loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] },
        { op: 'Relu', inputs: ['z'], outputs: ['h'] },
        { op: 'MatMul', inputs: ['x', 'u'], outputs: ['a'] },
        { op: 'Sub', inputs: ['a', 'h'], outputs: ['y'] },
      ],
      tensors: [tensor('w', [2, 1], Float32Array.of(1, -1)), tensor('u', [2, 1], Float32Array.of(1, 0))],
      inputs: [valueInfo('x', ['N', 2])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  t.true(close((await scoresOf(model, [10, 6])).scores, [3, 3]))
  t.true(close((await scoresOf(model, [6, 10])).scores, [3, 3]))
  const rescaled = await new DeepLift(model).attribute(createTensor('f32', [1, 2], [10, 6]), { target })
  t.true(close(Array.from(rescaled.scores().data as Float32Array), [0, 6]))
})

/** The rule by hand, for layers of products with biases and ReLUs between. */
function byHand(layers: { weights: number[][]; bias: number[] }[], x: number[]): number[] {
  const relu = (value: number) => Math.max(0, value)
  const through = (from: number[], layer: (typeof layers)[number]) =>
    layer.weights.map((row, k) => row.reduce((sum, weight, i) => sum + weight * from[i]!, layer.bias[k]!))
  const [now, before] = [[x], [x.map(() => 0)]]
  const sums: [number[], number[]][] = []
  for (const layer of layers) {
    const z: [number[], number[]] = [through(now.at(-1)!, layer), through(before.at(-1)!, layer)]
    sums.push(z)
    now.push(z[0].map(relu))
    before.push(z[1].map(relu))
  }
  let multipliers = layers.at(-1)!.weights[0]!
  for (let at = layers.length - 2; at >= 0; at--) {
    const gained = now[at]!.map((value, i) => value - before[at]![i]!)
    const next = gained.map(() => 0)
    for (const [k, row] of layers[at]!.weights.entries()) {
      const parts = row.map((weight, i) => weight * gained[i]!)
      const plus = parts.reduce((sum, part) => sum + Math.max(0, part), 0)
      const minus = parts.reduce((sum, part) => sum + Math.min(0, part), 0)
      const z = sums[at]![1][k]!
      const f = (...added: number[]) => relu(added.reduce((sum, each) => sum + each, z))
      const up = plus === 0 ? 0 : (f(plus) - f() + f(minus, plus) - f(minus)) / 2 / plus
      const down = minus === 0 ? 0 : (f(minus) - f() + f(minus, plus) - f(plus)) / 2 / minus
      for (const [i, weight] of row.entries()) {
        const own = parts[i]! > 0 ? up : parts[i]! < 0 ? down : (up + down) / 2
        next[i]! += weight * own * multipliers[k]!
      }
    }
    multipliers = next
  }
  return multipliers.map((multiplier, i) => multiplier * x[i]!)
}

test('examples A and B: the rule by hand, and the sum is kept', async t => {
  const a = await scoresOf(await exampleA(), [...inputA().data])
  const handA = byHand(
    [
      {
        weights: [
          [1, -2, 0.5],
          [-1, 1, 1],
          [0.5, 0.5, -1],
          [1, 1, 1],
        ],
        bias: [0.1, -0.2, 0.3, -0.5],
      },
      { weights: [[1, -1.5, 2, 0.5]], bias: [0.25] },
    ],
    [1, 0.5, -0.5],
  )
  t.true(close(a.scores, handA), `${a.scores} ${handA}`)
  t.true(Math.abs(a.found.checks.completeness![0]!.delta) < 1e-6)
  t.deepEqual(a.found.warnings, [])
  const b = await scoresOf(await exampleB(), [...inputB().data])
  const handB = byHand(
    [
      {
        weights: [
          [1, -1],
          [2, 1],
          [-1, 0.5],
        ],
        bias: [0.5, -1, 0],
      },
      {
        weights: [
          [1, -1, 0.5],
          [-0.5, 1, 1],
        ],
        bias: [0.2, -0.5],
      },
      { weights: [[1, -2]], bias: [0] },
    ],
    [1, 2],
  )
  t.true(close(b.scores, handB), `${b.scores} ${handB}`)
  t.true(Math.abs(b.found.checks.completeness![0]!.delta) < 1e-6)
})

const nodes: NodeGiven[] = [
  { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['c'], attributes: { pads: [1, 1, 1, 1] } },
  { op: 'Sigmoid', inputs: ['c'], outputs: ['h'] },
  { op: 'Conv', inputs: ['h', 'v'], outputs: ['d'], attributes: { pads: [1, 1, 1, 1] } },
  { op: 'Add', inputs: ['d', 'h'], outputs: ['r'] },
  { op: 'Relu', inputs: ['r'], outputs: ['k'] },
  { op: 'MaxPool', inputs: ['k'], outputs: ['m'], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
  { op: 'Tanh', inputs: ['m'], outputs: ['s'] },
  { op: 'Flatten', inputs: ['s'], outputs: ['f'] },
  { op: 'MatMul', inputs: ['f', 'u'], outputs: ['y'] },
]
test('through convolutions, a sum of two that move, and activations of something else the sum is kept', async t => {
  const model = await loadModel(
    writeModel({
      opset: 17,
      nodes,
      tensors: [
        floats('w', [3, 2, 3, 3], at => 0.5 * Math.sin(1.7 * at)),
        floats('b', [3], at => 0.2 * at - 0.1),
        floats('v', [3, 3, 3, 3], at => 0.2 * Math.cos(1.1 * at)),
        floats('u', [12, 1], at => Math.sin(0.9 * at + 1)),
      ],
      inputs: [valueInfo('x', ['N', 2, 4, 4])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const x = createTensor(
    'f32',
    [1, 2, 4, 4],
    Float32Array.from({ length: 32 }, (_, at) => Math.sin(at * at)),
  )
  const found = await new DeepLift(model, { nonlinearity: 'revealCancel' }).attribute(x, { target })
  const { delta, difference } = found.checks.completeness![0]!
  t.true(Math.abs(difference) > 0.1, `${difference}`)
  t.true(Math.abs(delta) < 4e-6, `${delta} of ${difference}`)
  const rescaled = await new DeepLift(model).attribute(x, { target })
  t.notDeepEqual(found.scores().data, rescaled.scores().data)
})
