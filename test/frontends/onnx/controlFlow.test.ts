import { create } from '@bufbuild/protobuf'
import test from 'ava'
import { GraphProtoSchema } from '#lib/frontends/onnx/generated/onnx_pb.js'
import { AscribeError, createTensor, loadModel, type Model } from '#lib/index.js'
import { gradientOf } from '../../oracles/gradientOf.js'
import { elementsOf } from '../../oracles/onnxCases/case.js'
import { controlCases } from '../../oracles/onnxCases/control.js'
import {
  encodeNode,
  type NodeGiven,
  tensor,
  valueInfo,
  writeFunction,
  writeModel,
} from '../../oracles/onnxWriter.js'

const graph = (nodes: NodeGiven[], outputs: string[], inputs: ReturnType<typeof valueInfo>[] = []) =>
  create(GraphProtoSchema, {
    name: 'body',
    node: nodes.map(encodeNode),
    input: inputs,
    output: outputs.map(name => valueInfo(name)),
  })

for (const { name, model, inputs } of controlCases)
  test(`${name}: gradients against differences`, async t => {
    const loaded = await loadModel(writeModel(model))
    const given = Object.fromEntries(
      Object.entries(inputs).map(([key, input]) => [
        key,
        createTensor('f64', input.shape, Float64Array.from(elementsOf(key, input))),
      ]),
    )
    const { gradient } = await gradientOf(loaded, 'x', given as never, 1, 'f64')
    const valueAt = async (at: number, step: number) => {
      const x = createTensor('f64', given.x!.shape, given.x!.data.slice() as Float64Array)
      x.data[at]! += step
      return (await gradientOf(loaded, 'x', { ...given, x } as never, 1, 'f64')).logits[1]!
    }
    t.true(gradient.some(value => value !== 0))
    for (let at = 0; at < gradient.length; at++) {
      const expected = ((await valueAt(at, 1e-6)) - (await valueAt(at, -1e-6))) / 2e-6
      t.true(Math.abs(gradient[at]! - expected) < 1e-7 * Math.max(1, Math.abs(expected)), `${at}`)
    }
  })

const x = createTensor('f32', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6))
async function refusal(t: { fail(message: string): void }, model: Model): Promise<string> {
  try {
    await gradientOf(model, 'x', { x } as never, 1, 'f32')
  } catch (error) {
    if (error instanceof AscribeError) return `${error.code}: ${error.message}`
    throw error
  }
  t.fail('it ran')
  return ''
}

const counted = (trips: 'data' | number) =>
  loadModel(
    writeModel({
      nodes: [
        ...(trips === 'data'
          ? [
              { op: 'ReduceSum', inputs: ['x'], outputs: ['sum'], attributes: { keepdims: 0 } },
              { op: 'Cast', inputs: ['sum'], outputs: ['trips'], attributes: { to: 7 } },
            ]
          : []),
        {
          op: 'Loop',
          inputs: ['trips', '', 'x'],
          outputs: ['y'],
          attributes: {
            body: graph(
              [
                { op: 'Identity', inputs: ['go'], outputs: ['goes'] },
                { op: 'Neg', inputs: ['v'], outputs: ['u'] },
              ],
              ['goes', 'u'],
              [valueInfo('i', [], 7), valueInfo('go', [], 9), valueInfo('v')],
            ),
          },
        },
      ],
      tensors: trips === 'data' ? [] : [tensor('trips', [], BigInt64Array.of(BigInt(trips)))],
      inputs: [valueInfo('x', [2, 3])],
    }),
  )

test('a loop whose count follows from data runs, and has no gradient; a very long one is refused', async t => {
  const byData = await counted('data')
  // The sum is 21, and then 22.
  t.deepEqual(
    (await byData.run({ x })).outputs.y!.data,
    x.data.map(value => -value),
  )
  const even = createTensor('f32', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 7))
  t.deepEqual((await byData.run({ x: even })).outputs.y!.data, even.data)
  t.regex(
    await refusal(t, byData),
    /^MODEL_UNSUPPORTED_OP: node Loop\(y\) \(loop\): how often it runs depends on data/,
  )
  t.regex(await refusal(t, await counted(2 ** 40)), /^MODEL_UNSUPPORTED_OP: .*more than 4096 times/)
  t.deepEqual(
    (await (await counted(3)).run({ x })).outputs.y!.data,
    x.data.map(value => -value),
  )
  t.deepEqual((await (await counted(0)).run({ x })).outputs.y!.data, x.data)
})

test('of branches of unequal shapes the chosen one runs; a gradient needs a condition that is known', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [
        { op: 'ReduceSum', inputs: ['x'], outputs: ['sum'], attributes: { keepdims: 0 } },
        { op: 'Greater', inputs: ['sum', 'zero'], outputs: ['c'] },
        {
          op: 'If',
          inputs: ['c'],
          outputs: ['y'],
          attributes: {
            then_branch: graph([{ op: 'Neg', inputs: ['x'], outputs: ['r'] }], ['r']),
            else_branch: graph([{ op: 'Transpose', inputs: ['x'], outputs: ['r'] }], ['r']),
          },
        },
      ],
      tensors: [tensor('zero', [], Float32Array.of(0))],
      inputs: [valueInfo('x', [2, 3])],
    }),
  )
  const taken = (await model.run({ x })).outputs.y!
  t.deepEqual([taken.shape, taken.data], [[2, 3], x.data.map(value => -value)])
  const negative = createTensor('f32', [2, 3], Float32Array.of(-1, -2, -3, -4, -5, -6))
  const other = (await model.run({ x: negative })).outputs.y!
  t.deepEqual([other.shape, other.data], [[3, 2], Float32Array.of(-1, -4, -2, -5, -3, -6)])
  t.regex(await refusal(t, model), /^MODEL_UNSUPPORTED_OP: .*its branches give \[2,3\] and \[3,2\]/)
})

test('a function whose body branches keeps its own names apart', async t => {
  const scale = writeFunction(
    'Scale',
    ['a'],
    ['b'],
    [
      { op: 'Abs', inputs: ['a'], outputs: ['inner'] },
      {
        op: 'Constant',
        inputs: [],
        outputs: ['c'],
        attributes: { value: tensor('', [], Uint8Array.of(1), 9) },
      },
      {
        op: 'If',
        inputs: ['c'],
        outputs: ['b'],
        attributes: {
          then_branch: graph([{ op: 'Mul', inputs: ['inner', 'a'], outputs: ['r'] }], ['r']),
          else_branch: graph([{ op: 'Neg', inputs: ['inner'], outputs: ['r'] }], ['r']),
        },
      },
    ],
  )
  const model = await loadModel(
    writeModel({
      domains: { local: 1 },
      functions: [scale],
      nodes: [
        { op: 'Scale', domain: 'local', inputs: ['x'], outputs: ['once'], name: 'first' },
        { op: 'Neg', inputs: ['once'], outputs: ['inner'] },
        { op: 'Scale', domain: 'local', inputs: ['inner'], outputs: ['y'], name: 'second' },
      ],
      inputs: [valueInfo('x', [2, 3])],
    }),
  )
  // x|x| is x², then -(x²)|x²|.
  t.deepEqual(
    (await model.run({ x })).outputs.y!.data,
    x.data.map(value => -(value ** 4)),
  )
})
