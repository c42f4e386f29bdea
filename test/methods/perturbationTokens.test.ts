import test from 'ava'
import {
  createTensor,
  KernelShap,
  LeaveOneOut,
  loadModel,
  OwenValues,
  ShapleyValues,
  Target,
  textSpans,
} from '#lib/index.js'
import { tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'

/** Each token has a worth; a text is worth their sum, and 10 more where its first two tokens are 1 and 2. */
const worth = [0, 1, -2, 4, 8]
const model = () =>
  loadModel(
    writeModel({
      opset: 13,
      nodes: [
        { op: 'Gather', inputs: ['worth', 'ids'], outputs: ['each'] },
        { op: 'ReduceSum', inputs: ['each', 'last'], outputs: ['sum'], attributes: { keepdims: 1 } },
        { op: 'Equal', inputs: ['ids', 'pair'], outputs: ['same'] },
        { op: 'Cast', inputs: ['same'], outputs: ['as'], attributes: { to: 1 } },
        { op: 'ReduceProd', inputs: ['as'], outputs: ['both'], attributes: { axes: [1], keepdims: 1 } },
        { op: 'Mul', inputs: ['both', 'ten'], outputs: ['bonus'] },
        { op: 'Add', inputs: ['sum', 'bonus'], outputs: ['y'] },
      ],
      tensors: [
        tensor('worth', [5], Float32Array.from(worth)),
        tensor('last', [1], BigInt64Array.of(1n)),
        tensor('pair', [1, 3], BigInt64Array.of(1n, 2n, 3n)),
        tensor('ten', [1], Float32Array.of(10)),
      ],
      inputs: [valueInfo('ids', ['N', 3], 7)],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
const ids = createTensor('i64', [1, 3], [1, 2, 3])
/** Absence is another token, as a mask token is. */
const options = { target: Target.regression(), baseline: 4 }

test('tokens are removed by putting another one in their place', async t => {
  const scores = (await new LeaveOneOut(await model()).attribute(ids, options)).scores()
  t.deepEqual(scores.shape, [1, 3])
  t.deepEqual([...scores.data], [1 - 8 + 10, -2 - 8 + 10, 4 - 8 + 10])
})

test('Shapley values of tokens, and of spans of them', async t => {
  const third = 10 / 3
  const expected = [1 - 8 + third, -2 - 8 + third, 4 - 8 + third]
  for (const method of [new ShapleyValues(await model()), new KernelShap(await model())]) {
    const { data } = (await method.attribute(ids, options)).scores()
    for (const [at, value] of expected.entries()) t.true(Math.abs(data[at]! - value) < 1e-5)
  }
  const spans = textSpans(3, [{ start: 0, end: 2 }])
  const { data } = (
    await new ShapleyValues(await model(), { regions: spans }).attribute(ids, options)
  ).scores()
  // A span's tokens share its score; the pair brings half of the ten.
  t.deepEqual([...data].map(Math.round), [-17 + 5, -17 + 5, -4 + 5])
  const owen = new OwenValues(await model(), { hierarchy: [[0, 1], 2] })
  const grouped = (await owen.attribute(ids, options)).scores().data
  t.true(Math.abs(grouped[0]! + grouped[1]! - -12) < 1e-5 && Math.abs(grouped[2]! - 1) < 1e-5)
})
