import test, { type ExecutionContext } from 'ava'
import {
  type Attribution,
  createTensor,
  loadModel,
  type Model,
  Saliency,
  Target,
  type Tensor,
} from '#lib/index.js'
import { floats, type NodeGiven, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'

/** Three classes of two inputs: z = x W, W = [[1, 2, 3], [-1, 0, 4]]; `tail` makes the output of z. */
const linear = (
  tail: NodeGiven[] = [{ op: 'Identity', inputs: ['z'], outputs: ['y'] }],
  labels?: string[],
): Promise<Model> =>
  loadModel(
    writeModel({
      opset: 13,
      nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] }, ...tail],
      tensors: [
        tensor('w', [2, 3], Float32Array.of(1, 2, 3, -1, 0, 4)),
        tensor('shape', [3], BigInt64Array.of(0n, 3n, 1n)),
      ],
      inputs: [valueInfo('x', ['N', 2])],
      outputs: ['y'],
    }),
    labels ? { labels } : {},
  )
const x = createTensor('f32', [1, 2], [1, 1])

const gradient = async (
  model: Model,
  target: unknown,
  input: Tensor | Record<string, Tensor> = x,
): Promise<Attribution> =>
  new Saliency(model, { absolute: false }).attribute(input, { target: target as never })

function scores(t: ExecutionContext, attribution: Attribution, expected: number[]): void {
  const { data } = attribution.scores()
  t.is(data.length, expected.length)
  for (const [at, value] of expected.entries()) t.true(Math.abs(data[at]! - value) < 1e-5, `${[...data]}`)
}

test('classes by index, label and rank, differences and weighted sums', async t => {
  const model = await linear(undefined, ['cat', 'dog', 'Bird'])
  scores(t, await gradient(model, undefined), [3, 4])
  scores(t, await gradient(model, 0), [1, -1])
  scores(t, await gradient(model, 'dog'), [2, 0])
  scores(t, await gradient(model, 'bird'), [3, 4])
  scores(t, await gradient(model, Target.difference('cat', 2)), [-2, -5])
  scores(
    t,
    await gradient(
      model,
      Target.weighted([
        ['cat', 0.5],
        ['dog', 2],
      ]),
    ),
    [4.5, -0.5],
  )
  const top = await gradient(model, Target.top())
  t.deepEqual(
    { index: top.targets[0]!.index, label: top.targets[0]!.label, value: top.targets[0]!.value },
    { index: 2, label: 'Bird', value: 7 },
  )
  t.deepEqual(
    top.output.map(({ index, value }) => [index, value]),
    [
      [2, 7],
      [1, 2],
      [0, 0],
    ],
  )
})

test('several targets have an axis in front', async t => {
  const attribution = await gradient(await linear(), [0, Target.difference(1, 0)])
  t.true(attribution.hasTargetAxis)
  t.deepEqual(attribution.scores().shape, [2, 1, 2])
  scores(t, attribution, [1, -1, 1, 1])
  scores(t, attribution.slice(1), [1, 1])
})

for (const [op, tail] of [
  ['softmax', [{ op: 'Softmax', inputs: ['z'], outputs: ['y'] }]],
  ['logSoftmax', [{ op: 'LogSoftmax', inputs: ['z'], outputs: ['y'] }]],
  ['sigmoid', [{ op: 'Sigmoid', inputs: ['z'], outputs: ['y'] }]],
  [
    'softmax',
    [
      { op: 'Softmax', inputs: ['z'], outputs: ['p'] },
      { op: 'Reshape', inputs: ['p', 'shape'], outputs: ['y'] },
    ],
  ],
] as [string, NodeGiven[]][])
  test(`a final ${tail.map(node => node.op).join(' and ')} is looked behind, and the result says so`, async t => {
    const attribution = await gradient(await linear(tail), 2)
    scores(t, attribution, [3, 4])
    t.regex(attribution.targets[0]!.description, new RegExp(`before the final ${op}`))
    t.is(attribution.targets[0]!.value, 7)
  })

test('probabilities and their logarithms are explained where they are asked for', async t => {
  const model = await linear()
  const p = [0, 2, 7].map(Math.exp)
  const total = p.reduce((sum, value) => sum + value, 0)
  const [a, b, c] = p.map(value => value / total) as [number, number, number]
  const mean = [a * 1 + b * 2 + c * 3, -a + c * 4]
  scores(t, await gradient(model, Target.class(1, { score: 'logProbability' })), [2 - mean[0]!, 0 - mean[1]!])
  scores(t, await gradient(model, Target.class(1, { score: 'probability' })), [
    b * (2 - mean[0]!),
    b * (0 - mean[1]!),
  ])
})

test('a token of a sequence, counted from either end', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
      tensors: [tensor('w', [2, 3], Float32Array.of(1, 2, 3, -1, 0, 4))],
      inputs: [valueInfo('x', ['N', 'T', 2])],
      outputs: ['y'],
    }),
  )
  const sequence = createTensor('f32', [1, 3, 2], [1, 2, 3, 4, 5, 6])
  scores(t, await gradient(model, Target.token(0, 2), sequence), [3, 4, 0, 0, 0, 0])
  scores(t, await gradient(model, Target.token(-1, 0), sequence), [0, 0, 0, 0, 1, -1])
})

test('a box and a mask of a spatial output', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attributes: { kernel_shape: [1, 1] } }],
      tensors: [floats('w', [2, 1, 1, 1], index => index + 2)],
      inputs: [valueInfo('x', ['N', 1, 2, 3])],
      outputs: ['y'],
    }),
  )
  const image = createTensor('f32', [1, 1, 2, 3], [1, 2, 3, 4, 5, 6])
  scores(t, await gradient(model, Target.box(1, [1, 0, 3, 1]), image), [0, 3, 3, 0, 0, 0])
  scores(t, await gradient(model, Target.mask(0, [0, 1, 0, 0.5, 0, 0], 2, 3), image), [0, 2, 0, 1, 0, 0])
  t.throws(() => Target.box(0, [2, 0, 2, 1]), { code: 'TARGET_INVALID' })
  t.throws(() => Target.mask(0, [1, 2], 2, 3), { code: 'TARGET_INVALID' })
  await t.throwsAsync(gradient(model, undefined, image), { code: 'TARGET_REQUIRED' })
})

test('any expression of the outputs, and outputs by name', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [
        { op: 'Neg', inputs: ['x'], outputs: ['a'] },
        { op: 'Mul', inputs: ['x', 'x'], outputs: ['b'] },
      ],
      inputs: [valueInfo('x', ['N', 2])],
      outputs: ['a', 'b'],
    }),
  )
  const input = createTensor('f32', [1, 2], [3, 5])
  scores(t, await gradient(model, Target.class(1, { output: 'b' }), input), [0, 10])
  const product = Target.expression('a0 b1', (graph, outputs) => {
    const at = (name: string, index: number) =>
      graph.apply(
        'gather',
        [outputs.get(name)!, graph.constant('i64', [], BigInt64Array.of(BigInt(index)))],
        { axis: 1 },
      )
    return graph.apply('mul', [at('a', 0), at('b', 1)])
  })
  scores(t, await gradient(model, product, input), [-25, -3 * 10])
  await t.throwsAsync(gradient(model, Target.class(0, { output: 'c' }), input), { code: 'LAYER_NOT_FOUND' })
})

test('a saturated target is named, and so is the value before it', async t => {
  const model = await linear([{ op: 'Relu', inputs: ['z'], outputs: ['y'] }])
  const attribution = await gradient(model, 0, createTensor('f32', [1, 2], [-1, 1]))
  const [{ code, message }] = attribution.warnings as unknown as [{ code: string; message: string }]
  t.is(code, 'TARGET_SATURATED')
  t.regex(message, /"y" is flat .* Explain "z", the value before it/)
})

test('an input that the target does not depend on is said to be unconnected', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [
        { op: 'Neg', inputs: ['a'], outputs: ['y'] },
        { op: 'Neg', inputs: ['b'], outputs: ['other'] },
      ],
      inputs: [valueInfo('a', ['N', 2]), valueInfo('b', ['N', 2])],
      outputs: ['y', 'other'],
    }),
  )
  const inputs = { a: x, b: x }
  const attribution = await gradient(model, 0, inputs)
  t.deepEqual(
    attribution.warnings.map(({ code }) => code),
    ['NOT_CONNECTED'],
  )
  t.deepEqual([...attribution.scores('a').data], [-1, 0])
  t.deepEqual([...attribution.scores('b').data], [0, 0])
})
