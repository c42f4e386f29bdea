import test from 'ava'
import { parseTarget } from '#lib/cli/parseTarget.js'
import { createTensor, loadModel, Saliency, Target, type Tensor } from '#lib/index.js'
import { floats, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'

const gradient = async (model: Awaited<ReturnType<typeof loadModel>>, input: Tensor, target: Target) => {
  const found = await new Saliency(model, { absolute: false }).attribute(input, { target })
  return { scores: Array.from(found.scores().data as Float32Array), value: found.targets[0]!.value! }
}
const close = (actual: readonly number[], expected: readonly number[], tolerance = 1e-6) =>
  actual.length === expected.length && expected.every((each, at) => Math.abs(each - actual[at]!) <= tolerance)

/** y = x W with W = [[1, 2, 3], [-1, 0, 4]], and h = relu(y) before it is handed on. */
const rows = () =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['h'] },
        { op: 'Identity', inputs: ['h'], outputs: ['y'] },
      ],
      tensors: [tensor('w', [2, 3], Float32Array.of(1, 2, 3, -1, 0, 4))],
      inputs: [valueInfo('x', ['N', 2])],
      outputs: [valueInfo('y', ['N', 3])],
    }),
  )
const x = createTensor('f32', [1, 2], Float32Array.of(2, 1))

test('a unit inside the model, by its place in the flattened value or along each axis', async t => {
  const model = await rows()
  t.deepEqual(await gradient(model, x, Target.neuron('h', 2)), { scores: [3, 4], value: 10 })
  t.deepEqual((await gradient(model, x, parseTarget('neuron:h:0'))).scores, [1, -1])
  await t.throwsAsync(gradient(model, x, Target.neuron('nobody', 0)), { code: 'LAYER_NOT_FOUND' })
  await t.throwsAsync(gradient(model, x, Target.neuron('h', 3)))
  t.throws(() => Target.neuron('h', []), { code: 'OPTION_TYPE' })
})

test('the cosine of an embedding and a reference', async t => {
  const model = await rows()
  // h = (1, 4, 10); with r = (0, 3, 4): cos = 52 / (5 √117).
  const { value, scores } = await gradient(model, x, Target.similarity([0, 3, 4]))
  t.true(Math.abs(value - 52 / (5 * Math.sqrt(117))) < 1e-6)
  const h = [1, 4, 10]
  const unit = [0, 0.6, 0.8]
  const size = Math.sqrt(117)
  const inH = h.map((each, at) => unit[at]! / size - (value * each) / size ** 2)
  const inX = [
    [1, 2, 3],
    [-1, 0, 4],
  ].map(weights => weights.reduce((sum, weight, at) => sum + weight * inH[at]!, 0))
  t.true(close(scores, inX))
  t.throws(() => Target.similarity([0, 0]), { code: 'TARGET_INVALID' })
})

test('what a segmentation calls a class: its scores where it is the greatest', async t => {
  const model = await loadModel(
    writeModel({
      opset: 17,
      nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'] }],
      tensors: [tensor('w', [2, 1, 1, 1], Float32Array.of(1, -2))],
      inputs: [valueInfo('x', ['N', 1, 2, 2])],
      outputs: [valueInfo('y', ['N', 2, 2, 2])],
    }),
  )
  const picture = createTensor('f32', [1, 1, 2, 2], Float32Array.of(1, -1, 3, -0.5))
  t.deepEqual(await gradient(model, picture, Target.segment(0)), { scores: [1, 0, 1, 0], value: 4 })
  t.deepEqual(await gradient(model, picture, parseTarget('segment:1')), { scores: [0, -2, 0, -2], value: 3 })
})

test('the box of a detector that overlaps most with the given one', async t => {
  const detector = (boxes: Float32Array) =>
    loadModel(
      writeModel({
        opset: 17,
        nodes: [
          { op: 'Mul', inputs: ['x', 'w'], outputs: ['scores'] },
          { op: 'Mul', inputs: ['x', 'zero'], outputs: ['zeros'] },
          { op: 'ReduceSum', inputs: ['zeros', 'axis'], outputs: ['sum'] },
          { op: 'Add', inputs: ['sum', 'b'], outputs: ['boxes'] },
        ],
        tensors: [
          floats('w', [3, 2], at => at + 1),
          floats('zero', [1], () => 0),
          tensor('axis', [1], BigInt64Array.of(2n)),
          tensor('b', [3, 4], boxes),
        ],
        inputs: [valueInfo('x', ['N', 3, 2])],
        outputs: [valueInfo('scores', ['N', 3, 2]), valueInfo('boxes', ['N', 3, 4])],
      }),
    )
  const input = createTensor('f32', [1, 3, 2], Float32Array.of(1, 1, 1, 1, 1, 1))
  const outputs = { scores: 'scores', boxes: 'boxes' }
  const corners = await detector(Float32Array.of(0, 0, 4, 4, 5, 5, 8, 8, 4, 4, 9, 9))
  const found = await gradient(corners, input, Target.detection(1, [5, 5, 9, 9], outputs))
  // Overlaps 0, 9 / 16 and 16 / 25: the third box.
  t.deepEqual(found, { scores: [0, 0, 0, 0, 0, 6], value: 6 })
  const centred = await detector(Float32Array.of(2, 2, 4, 4, 6.5, 6.5, 3, 3, 6.5, 6.5, 5, 5))
  const other = Target.detection(0, [5, 5, 7.5, 8], { ...outputs, format: 'centre' })
  t.deepEqual((await gradient(centred, input, other)).scores, [0, 0, 3, 0, 0, 0])
  const written = parseTarget('detection:scores:boxes:1:0,0,3,4')
  t.deepEqual((await gradient(corners, input, written)).scores, [0, 2, 0, 0, 0, 0])
  t.throws(() => Target.detection(0, [3, 3, 3, 4], outputs), { code: 'TARGET_INVALID' })
  await t.throwsAsync(
    gradient(corners, input, Target.detection(0, [0, 0, 1, 1], { ...outputs, boxes: 'b' })),
    {
      code: 'TARGET_INVALID',
    },
  )
})
