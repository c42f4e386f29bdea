import test from 'ava'
import { createTensor, loadModel, Saliency, Target } from '#lib/index.js'
import { type NodeGiven, tensor, valueInfo, writeModel } from '../../oracles/onnxWriter.js'

const number = (name: string, value: number) => tensor(name, [], Float32Array.of(value))
const point = (name: string, value: number) => tensor(name, [], Uint8Array.of(value))
const pair = (from: string, to: string): NodeGiven[] => [
  { op: 'QuantizeLinear', inputs: [from, 's', 'z'], outputs: [`${to}.q`] },
  { op: 'DequantizeLinear', inputs: [`${to}.q`, 's', 'z'], outputs: [to] },
]
const attributed = async (
  nodes: NodeGiven[],
  values: number[],
  tensors = [number('s', 0.1), point('z', 100)],
) => {
  const model = await loadModel(
    writeModel({
      nodes,
      tensors: [...tensors, tensor('w', [4, 1], Float32Array.of(1, -2, 3, 4))],
      inputs: [valueInfo('x', ['N', 4])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const x = createTensor('f32', [1, 4], Float32Array.from(values))
  const attribution = await new Saliency(model, { absolute: false }).attribute(x, {
    target: Target.regression(),
  })
  const { outputs } = await model.run(x)
  return { scores: [...attribution.inputs[0]!.scores.data], value: outputs.y!.data[0], attribution }
}

test('the derivative goes straight through the rounding, and stops where the integers end', async t => {
  // The grid of 0.1 around 100 holds -10 to 15.5.
  const { scores, value } = await attributed(
    [...pair('x', 'p'), { op: 'MatMul', inputs: ['p', 'w'], outputs: ['y'] }],
    [0.123, -11, 16, 1.98],
  )
  t.deepEqual(scores, [1, 0, 0, 4])
  t.true(Math.abs(Number(value) - (0.1 + 20 + 46.5 + 8)) < 1e-4)
})

test('operators on quantised tensors have the derivative of what they stand for', async t => {
  const tensors = [
    number('s', 0.1),
    point('z', 100),
    number('sw', 0.5),
    point('zw', 0),
    tensor('wq', [4, 1], Uint8Array.of(2, 4, 6, 8)),
    number('sy', 0.25),
    point('zy', 10),
  ]
  const { scores, value } = await attributed(
    [
      { op: 'QuantizeLinear', inputs: ['x', 's', 'z'], outputs: ['xq'] },
      { op: 'QLinearMatMul', inputs: ['xq', 's', 'z', 'wq', 'sw', 'zw', 'sy', 'zy'], outputs: ['yq'] },
      { op: 'DequantizeLinear', inputs: ['yq', 'sy', 'zy'], outputs: ['y'] },
    ],
    [1, 2, 0.5, 1.5],
    tensors,
  )
  t.deepEqual(scores, [1, 2, 3, 4])
  t.is(value, 12.5)
})
