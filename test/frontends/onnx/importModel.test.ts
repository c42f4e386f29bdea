import { create } from '@bufbuild/protobuf'
import test from 'ava'
import { AscribeError } from '#lib/errors.js'
import {
  GraphProtoSchema,
  AttributeProto_AttributeType as Type,
} from '#lib/frontends/onnx/generated/onnx_pb.js'
import { importModel } from '#lib/frontends/onnx/importModel.js'
import { type BufferStorage, importGiven, nodeLines, storageOf } from '../../oracles/importOnnx.js'
import {
  encodeNode,
  Float,
  FunctionReference,
  floats,
  integers,
  type ModelGiven,
  tensor,
  valueInfo,
  writeFunction,
  writeModel,
} from '../../oracles/onnxWriter.js'

async function failure(given: ModelGiven): Promise<AscribeError> {
  try {
    await importGiven(given)
  } catch (error) {
    if (error instanceof AscribeError) return error
    throw error
  }
  throw new Error('the import did not fail')
}

test('a small network becomes nodes, parameters and declared inputs', async t => {
  const model = await importGiven({
    nodes: [
      {
        op: 'Conv',
        inputs: ['x', 'w', 'b'],
        outputs: ['c'],
        attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
      },
      { op: 'Relu', inputs: ['c'] },
    ],
    tensors: [floats('w', [4, 3, 3, 3]), floats('b', [4])],
    outputs: [valueInfo('y', ['N', 4, 8, 8])],
    properties: { author: 'me', __proto__: 'x' },
  })
  t.deepEqual(nodeLines(model.graph), ['c = conv(x, w, b) pads=[1,1,1,1] group=1', 'y = relu(c)'])
  t.deepEqual(model.inputs, [{ name: 'x', dtype: 'f32', shape: ['N', 3, 8, 8] }])
  t.deepEqual(model.outputs, [{ name: 'y', dtype: 'f32', shape: ['N', 4, 8, 8] }])
  t.deepEqual(
    model.parameters.map(({ name, dtype, shape, bytes }) => ({ name, dtype, shape, bytes })),
    [
      { name: 'w', dtype: 'f32', shape: [4, 3, 3, 3], bytes: 432 },
      { name: 'b', dtype: 'f32', shape: [4], bytes: 16 },
    ],
  )
  t.is(model.metadata.opset, 17)
  t.is(model.metadata.producer, 'test')
  t.is(model.metadata.properties.author, 'me')
})

test('small parameters share one buffer and keep their bytes', async t => {
  const model = await importGiven({
    nodes: [
      { op: 'Add', inputs: ['x', 'a'], outputs: ['s'] },
      { op: 'Mul', inputs: ['s', 'b'] },
    ],
    tensors: [floats('a', [3, 1, 1]), floats('b', [8], index => -index)],
  })
  for (const parameter of model.parameters) {
    const { content } = parameter.storage as BufferStorage
    const bytes = content.slice(parameter.offset, parameter.offset + parameter.bytes)
    const expected = parameter.name === 'a' ? [0, 0.125, 0.25] : [0, 1, 2, 3, 4, 5, 6, 7].map(value => -value)
    t.deepEqual(
      [...new Float32Array(bytes.buffer)].map(value => value + 0),
      expected.map(value => value + 0),
    )
    t.is(parameter.offset % 8, 0)
  }
})

test('a payload of the scan becomes the source of a parameter', async t => {
  const large = floats('w', [3, 1, 1])
  large.rawData = new Uint8Array()
  large.payload = 2
  const other = storageOf(new Uint8Array(0))
  const storage = storageOf(new Uint8Array(100))
  const model = await importModel(
    writeModel({ nodes: [{ op: 'Add', inputs: ['x', 'w'] }], tensors: [large] }),
    [
      { offset: 0, bytes: 0, field: 'raw', storage: other },
      { offset: 44, bytes: 12, field: 'raw', storage },
    ],
    storageOf,
  )
  t.deepEqual(model.parameters, [
    { name: 'w', storage, offset: 44, bytes: 12, dtype: 'f32', shape: [3, 1, 1] },
  ])
})

test('half-wide weights stay as they are stored and are computed as f32', async t => {
  const half = tensor('h', [2, 1], new Int8Array([0, 0x3c, 0, 0xc0]), 10)
  const model = await importGiven({
    nodes: [
      { op: 'Mul', inputs: ['x', 'h'], outputs: ['m'] },
      { op: 'Add', inputs: ['m', 's'] },
    ],
    inputs: [valueInfo('x', ['N', 1], 10)],
    tensors: [half, tensor('s', [], new Int8Array([0, 0xbc]), 10)],
  })
  t.is(model.inputs[0]?.dtype, 'f32')
  t.is(model.parameters[0]?.dtype, 'f16')
  t.deepEqual(nodeLines(model.graph), ['m = mul(x, h)', 'y = add(m, -1)'])
  const scalar = model.graph.values.find(value => value.kind === 'constant' && value.name === 's')
  t.like(scalar, { dtype: 'f32', shape: [], data: Float32Array.of(-1) })
})

test('single numbers are constants, unless only a weight can stand there', async t => {
  const model = await importGiven({
    nodes: [
      { op: 'Mul', inputs: ['x', 'scale'], outputs: ['m'] },
      { op: 'Gemm', inputs: ['m', 'w', 'bias'] },
    ],
    inputs: [valueInfo('x', ['N', 2])],
    tensors: [floats('scale', [1]), floats('w', [2, 1]), floats('bias', [1])],
  })
  t.deepEqual(
    model.parameters.map(({ name }) => name),
    ['w', 'bias'],
  )
})

test('weights repeated as inputs are not inputs', async t => {
  const model = await importGiven({
    nodes: [{ op: 'Add', inputs: ['x', 'w'] }],
    inputs: [valueInfo('x', [2]), valueInfo('w', [2])],
    tensors: [floats('w', [2])],
  })
  t.deepEqual(
    model.inputs.map(({ name }) => name),
    ['x'],
  )
})

test('undeclared dimensions get names of their own', async t => {
  const model = await importGiven({ nodes: [{ op: 'Relu' }], inputs: [valueInfo('x', [null, 3, 0, 'W'])] })
  t.deepEqual(model.inputs[0]?.shape, ['x_0', 3, 'x_2', 'W'])
})

test('ai.onnx is the default domain', async t => {
  const model = await importGiven({ nodes: [{ op: 'Relu', domain: 'ai.onnx' }] })
  t.deepEqual(nodeLines(model.graph), ['y = relu(x)'])
})

test('nodes out of order are put in order, unused ones left out', async t => {
  const model = await importGiven({
    nodes: [
      { op: 'Tanh', inputs: ['b'] },
      { op: 'Exp', inputs: ['x'], outputs: ['b'] },
      { op: 'NotAnOperator', inputs: ['b'], outputs: ['unused'] },
    ],
  })
  t.deepEqual(nodeLines(model.graph), ['b = exp(x)', 'y = tanh(b)'])
})

test('all forms of Constant', async t => {
  const given: [string, object, string][] = [
    ['value', { value: floats('', [], () => 2.5) }, '2.5'],
    ['value_float', { value_float: new Float(2.5) }, '2.5'],
    ['value_floats', { value_floats: new Float([1, 2]) }, '[1 2]'],
  ]
  for (const [form, attributes, shown] of given) {
    const model = await importGiven({
      nodes: [
        { op: 'Constant', inputs: [], outputs: ['k'], attributes: attributes as never },
        { op: 'Mul', inputs: ['x', 'k'] },
      ],
    })
    const [line] = nodeLines({
      ...model.graph,
      values: model.graph.values.map(v => ({
        ...v,
        name: v.kind === 'constant' ? undefined : v.name,
      })) as never,
    })
    t.is(line, `y = mul(x, ${shown})`, form)
  }
  for (const attributes of [{ value_int: 3 }, { value_ints: [3] }]) {
    const model = await importGiven({
      nodes: [
        { op: 'Constant', inputs: [], outputs: ['k'], attributes },
        { op: 'Cast', inputs: ['k'], attributes: { to: 1 } },
      ],
    })
    t.is(model.graph.nodes[0]?.op, 'cast')
  }
})

test('the bodies of functions take the place of their calls', async t => {
  const leaky = writeFunction(
    'Twice',
    ['a', 'unused'],
    ['b'],
    [
      {
        op: 'LeakyRelu',
        inputs: ['a'],
        outputs: ['inner'],
        attributes: { alpha: new FunctionReference('slope', Type.FLOAT) },
      },
      { op: 'Add', inputs: ['inner', 'inner'], outputs: ['b'] },
    ],
    ['slope'],
  )
  const model = await importGiven({
    domains: { local: 1 },
    functions: [leaky],
    nodes: [
      { op: 'Twice', domain: 'local', outputs: ['h'], name: 'call', attributes: { slope: new Float(0.5) } },
      { op: 'Twice', domain: 'local', inputs: ['h'], name: 'call' },
    ],
  })
  t.deepEqual(nodeLines(model.graph), [
    'call/inner = leakyRelu(x) alpha=0.5',
    'h = add(call/inner, call/inner)',
    'call#2/inner = leakyRelu(h) alpha=0.01',
    'y = add(call#2/inner, call#2/inner)',
  ])
})

test('a function that calls itself is refused', async t => {
  const again = writeFunction(
    'Again',
    ['a'],
    ['b'],
    [{ op: 'Again', domain: 'local', inputs: ['a'], outputs: ['b'] }],
  )
  const error = await failure({
    domains: { local: 1 },
    functions: [again],
    nodes: [{ op: 'Again', domain: 'local' }],
  })
  t.is(error.code, 'MODEL_INVALID')
})

test('everything unsupported is in one error, with names and counts', async t => {
  const body = create(GraphProtoSchema, {
    node: [encodeNode({ op: 'Baz', name: 'inside', inputs: [], outputs: ['o'] })],
  })
  const error = await failure({
    nodes: [
      { op: 'Foo', name: 'foo_1', outputs: ['a'], attributes: { body } },
      { op: 'Foo', name: 'foo_2', inputs: ['a'], outputs: ['b'] },
      { op: 'Relu', inputs: ['b'], outputs: ['c'] },
      {
        op: 'Resize',
        name: 'up',
        inputs: ['x', '', 's'],
        outputs: ['d'],
        attributes: { coordinate_transformation_mode: 'fisheye' },
      },
      { op: 'Bar', domain: 'com.example', inputs: ['c', 'd'], outputs: ['e'], name: 'bar' },
      { op: 'Relu', name: 'odd', inputs: ['x'], outputs: ['f'], attributes: { mystery: 1 } },
      { op: 'Sum', inputs: ['e', 'f'] },
    ],
    tensors: [floats('s', [4])],
  })
  t.is(error.code, 'MODEL_UNSUPPORTED_OP')
  t.true(error.message.includes('Foo: 2 nodes ("foo_1", "foo_2")'))
  t.true(error.message.includes('com.example.Bar: 1 node ("bar")'))
  t.true(error.message.includes('Resize (coordinate mode fisheye): 1 node ("up")'))
  t.true(error.message.includes('Relu (attribute mystery): 1 node ("odd")'))
  t.true(error.message.includes('Baz: 1 node ("inside")'))
})

test('malformed graphs are refused by the name of the node', async t => {
  const cases: [string, ModelGiven, RegExp][] = [
    [
      'missing producer',
      { nodes: [{ op: 'Relu', name: 'r', inputs: ['nowhere'] }] },
      /Node r reads "nowhere"/,
    ],
    [
      'two producers',
      {
        nodes: [
          { op: 'Relu', name: 'a' },
          { op: 'Relu', name: 'b' },
        ],
      },
      /Node b produces "y"/,
    ],
    [
      'shadowed input',
      { nodes: [{ op: 'Relu', name: 'a', outputs: ['x'] }], outputs: ['x'] },
      /Node a produces "x"/,
    ],
    [
      'circle',
      {
        nodes: [
          { op: 'Relu', name: 'a', inputs: ['q'], outputs: ['p'] },
          { op: 'Add', name: 'b', inputs: ['p', 'y'], outputs: ['q'] },
          { op: 'Exp', name: 'c', inputs: ['q'] },
        ],
      },
      /circle/,
    ],
    ['no output', { nodes: [{ op: 'Relu', outputs: ['z'] }] }, /output "y"/],
    [
      'attribute type',
      { nodes: [{ op: 'Softmax', name: 's', attributes: { axis: 'one' } }] },
      /Node s: .*axis.*STRING, expected INT/,
    ],
    [
      'missing input',
      { nodes: [{ op: 'Add', name: 'a', inputs: ['x'] }] },
      /Node a \(Add\): input 1 is missing/,
    ],
    [
      'two tensors',
      { nodes: [{ op: 'Relu' }], tensors: [floats('w', [2]), floats('w', [2])] },
      /Two tensors .* "w"/,
    ],
    [
      'kernel',
      {
        nodes: [{ op: 'Conv', name: 'k', inputs: ['x', 'w'], attributes: { kernel_shape: [5, 5] } }],
        tensors: [floats('w', [1, 3, 3, 3])],
      },
      /Node k .*kernel_shape/,
    ],
  ]
  for (const [what, given, pattern] of cases) {
    const error = await failure(given)
    t.is(error.code, 'MODEL_INVALID', what)
    t.regex(error.message, pattern, what)
  }
})

test('a chain of fifty thousand nodes neither overflows nor holds up the event loop', async t => {
  const length = 50_000
  const nodes = Array.from({ length }, (_, index) => ({
    op: 'Relu',
    inputs: [index === 0 ? 'x' : `v${index}`],
    outputs: [index === length - 1 ? 'y' : `v${index + 1}`],
  }))
  const skeleton = writeModel({ nodes: nodes.reverse() })
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  const model = await importModel(skeleton, [], storageOf)
  clearInterval(timer)
  t.is(model.graph.nodes.length, length)
  t.true(turns > 5)
})

test('shape operands are constants even when the tensor would be a parameter', async t => {
  const model = await importGiven({
    nodes: [
      {
        op: 'Resize',
        inputs: ['x', '', 's'],
        attributes: { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' },
      },
    ],
    tensors: [tensor('s', [4], Float32Array.of(1, 1, 2, 2))],
  })
  t.is(model.parameters.length, 0)
  t.true(
    nodeLines(model.graph)[0]?.startsWith(
      'y = resize(x, [1 1 2 2]) mode=nearest coordinateMode=asymmetric nearestMode=floor',
    ),
  )
})

test('integer tensors are constants', async t => {
  const model = await importGiven({
    nodes: [{ op: 'Reshape', inputs: ['x', 's'] }],
    tensors: [integers('s', [0, -1])],
  })
  t.is(model.parameters.length, 0)
  t.is(model.graph.nodes[0]?.op, 'reshape')
})
