import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { GraphBuilder } from '#lib/graph/builder.js'
import {
  AttentionRollout,
  createTensor,
  GradientXAttention,
  LeGrad,
  loadModel,
  type Model,
  RawAttention,
  SmoothGrad,
  Target,
  type Tensor,
  vectorJacobianProduct,
} from '#lib/index.js'
import { patchGrid } from '#lib/methods/attention/attentionUnits.js'
import { namedAttention } from '#lib/model/attention.js'
import { bindSizes } from '#lib/model/bindSizes.js'
import { native, settle } from '#lib/native.js'
import { TransformerAttribution } from '#lib/relevance.js'
import type { NativeTensor } from '#typings/addon.js'
import { heads, meanOf, relevance, rollout } from '../oracles/attentionMatrices.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { type ModelGiven, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { repositoryRoot } from '../oracles/repository.js'

const target = Target.regression()
const first: [number[], number[]] = [
  [0.6, 0.3, 0.1, 0.2, 0.5, 0.3, 0.1, 0.1, 0.8, 0.2, 0.4, 0.4, 0.3, 0.3, 0.4, 0.5, 0.25, 0.25],
  [0.2, -0.1, 0.4, 0, 0.3, -0.2, 0.1, 0.1, 0, -0.3, 0.2, 0.1, 0.2, 0, 0.1, 0, -0.4, 0.4],
]
const second: [number[], number[]] = [
  [0.5, 0.25, 0.25, 0.4, 0.4, 0.2, 0.3, 0.3, 0.4, 0.7, 0.2, 0.1, 0.1, 0.8, 0.1, 0.25, 0.5, 0.25],
  [1, -0.5, 0.5, 0.2, 0.1, 0, 0, 0, 0.2, -0.2, 0.6, 0.3, 0, 0.1, 0.4, 0.1, 0, -0.1],
]
const eye = Float32Array.from({ length: 9 }, (_, at) => (at % 4 === 0 ? 1 : 0))

/** Example D: two layers of two heads over three tokens, with these probabilities and these gradients of y in them. */
function exampleD(change: (given: ModelGiven) => void = () => undefined): Promise<Model> {
  const logits = (numbers: number[]) => Float32Array.from(numbers, Math.log)
  const layer = (k: number) => [
    { op: 'Add', inputs: ['x', `log${k}`], outputs: [`s${k}`] },
    { op: 'Softmax', inputs: [`s${k}`], outputs: [`A${k}`] },
    { op: 'MatMul', inputs: [`A${k}`, 'eye'], outputs: [`o${k}`] },
    { op: 'Mul', inputs: [`o${k}`, `g${k}`], outputs: [`m${k}`] },
    { op: 'ReduceSum', inputs: [`m${k}`, 'axes'], outputs: [`y${k}`], attributes: { keepdims: 0 } },
  ]
  const given: ModelGiven = {
    opset: 17,
    nodes: [
      ...layer(1),
      ...layer(2),
      { op: 'Add', inputs: ['y1', 'y2'], outputs: ['sum'] },
      { op: 'Unsqueeze', inputs: ['sum', 'one'], outputs: ['y'] },
    ],
    tensors: [
      ...[first, second].flatMap(([attention, gradient], at) => [
        tensor(`log${at + 1}`, [1, 2, 3, 3], logits(attention)),
        tensor(`g${at + 1}`, [1, 2, 3, 3], Float32Array.from(gradient)),
      ]),
      tensor('eye', [3, 3], eye),
      tensor('axes', [3], BigInt64Array.of(1n, 2n, 3n)),
      tensor('one', [1], BigInt64Array.of(1n)),
    ],
    inputs: [valueInfo('x', ['N', 2, 3, 3])],
    outputs: [valueInfo('y', ['N', 1])],
  }
  change(given)
  return loadModel(writeModel(given))
}
const nothing = createTensor('f32', [1, 2, 3, 3], new Float32Array(18))
const close = (actual: ArrayLike<number>, expected: readonly number[], tolerance = 2e-6) =>
  actual.length === expected.length &&
  expected.every((value, at) => Math.abs(actual[at]! - value) <= tolerance)

test('example D: gradient x attention has row (1.3271875, .1148875, .132575)', async t => {
  const method = new GradientXAttention(await exampleD(), { row: 'first', identity: true })
  const attribution = await method.attribute(nothing, { target })
  t.deepEqual(attribution.inputs[0]!.units, { kind: 'tokens', tokens: ['0', '1', '2'] })
  const scores = attribution.scores().data
  t.true(close(scores, [1.3271875, 0.1148875, 0.132575]), `${scores}`)
  const without = new GradientXAttention(await exampleD(), { position: 0 })
  const own = (await without.attribute(nothing, { target })).scores().data
  t.true(close(own, [0.3271875, 0.1148875, 0.132575]), `${own}`)
})

test('example D: every row of rollout adds up to 1 and is that of the whole product', async t => {
  const model = await exampleD()
  const expected = rollout([first, second].map(([attention]) => meanOf(heads(attention, 3))))
  for (const position of [0, 1, 2]) {
    const attribution = await new AttentionRollout(model, { position }).attribute(nothing, { target })
    const scores = Array.from(attribution.scores().data)
    t.true(close(scores, expected[position]!), `${scores}`)
    t.true(Math.abs(scores.reduce((a, b) => a + b, 0) - 1) < 1e-6)
    t.deepEqual(attribution.method.details, { layers: 2, heads: 2, rows: 1, row: position })
  }
})

test('example D: heads by their greatest, and the smallest probabilities discarded', async t => {
  const model = await exampleD()
  const greatest = [first, second].map(([attention]) => {
    const [a, b] = heads(attention, 3) as [number[][], number[][]]
    return a.map((row, i) => row.map((value, j) => Math.max(value, b[i]![j]!)))
  })
  const options = { heads: 'max', position: 1 } as const
  const scores = (await new AttentionRollout(model, options).attribute(nothing, { target })).scores().data
  t.true(close(scores, rollout(greatest)[1]!))
  // Half of nine are four; equal ones go first come, first served, and the first element stays.
  const discarded = greatest.map(matrix => {
    const flat = matrix.flat().map((value, index) => ({ value, index }))
    const gone = new Set(
      flat
        .toSorted((a, b) => a.value - b.value || a.index - b.index)
        .slice(0, 4)
        .map(e => e.index),
    )
    return matrix.map((row, i) => row.map((value, j) => (gone.has(i * 3 + j) && i + j > 0 ? 0 : value)))
  })
  const few = new AttentionRollout(model, { ...options, discard: 0.5 })
  t.true(close((await few.attribute(nothing, { target })).scores().data, rollout(discarded)[1]!))
})

test('example D: LeGrad is the mean of positive gradients over heads, queries and layers', async t => {
  const expected = [0, 1, 2].map(
    key =>
      [first, second].reduce(
        (sum, [, gradient]) =>
          sum +
          heads(gradient, 3)
            .flat()
            .reduce((total, row) => total + Math.max(0, row[key]!), 0) /
            6,
        0,
      ) / 2,
  )
  const scores = (await new LeGrad(await exampleD()).attribute(nothing, { target })).scores().data
  t.true(close(scores, expected), `${scores}`)
})

test('scores of layers are refused where no sum goes around attention', async t => {
  const method = new LeGrad(await exampleD(), { scores: 'layers' })
  await t.throwsAsync(method.attribute(nothing, { target }), { code: 'MODEL_CAPABILITY' })
})

test('raw attention is the layer and the row that was asked for', async t => {
  const model = await exampleD()
  const row = async (options: ConstructorParameters<typeof RawAttention>[1]) =>
    (await new RawAttention(model, options).attribute(nothing, { target })).scores().data
  t.true(close(await row({ attention: 0, position: 2 }), [0.3, 0.175, 0.525]))
  t.true(close(await row({ row: 'last' }), [0.275, 0.4, 0.325]))
  t.true(close(await row({ heads: 'min', row: 'first' }), [0.5, 0.2, 0.1]))
  t.true(close(await row({ row: 'mean' }), [0.375, 1.225 / 3, 0.65 / 3]))
})

test('passes are counted: a backward pass where gradients are read, or the rows that the target reads are asked for', async t => {
  const model = await exampleD()
  const cost = async (method: RawAttention | AttentionRollout | GradientXAttention) => {
    const { forwardPasses, backwardPasses } = (await method.attribute(nothing, { target })).cost
    return [forwardPasses, backwardPasses]
  }
  t.deepEqual(await cost(new AttentionRollout(model, { row: 'mean' })), [1, 0])
  t.deepEqual(await cost(new AttentionRollout(model)), [1, 1])
  t.deepEqual(await cost(new GradientXAttention(model, { row: 'mean' })), [1, 1])
})

const folder = join(repositoryRoot, 'test/fixtures/exports')
const exports = readdirSync(folder).filter(name => /^(vit|bert|llama).*\.onnx$/.test(name))
const wave = (count: number, phase = 0) =>
  Float32Array.from({ length: count }, (_, at) => Math.sin(at * 0.7 + phase) + 0.4 * Math.cos(at * 2.3))
function inputsOf(name: string, phase = 0): Record<string, Tensor> {
  const x = createTensor('f32', [1, 5, 16], wave(80, phase))
  return name.startsWith('bert') ? { x, mask: createTensor('f32', [1, 5], [1, 1, 1, 0, 0]) } : { x }
}

for (const name of exports)
  test(`${name}: attention is found without a special export, and what is made of it is what matrices give`, async t => {
    const model = await loadModel(readFileSync(join(folder, name)))
    const { graph, names } = namedAttention(model.graph)
    t.is(names.length, name.startsWith('vit') ? 2 : 1)
    const inputs = inputsOf(name)
    // Probabilities and gradients by other ways: the model's own values, and products with its Jacobian in double.
    t.deepEqual(graph.values, model.graph.values, 'its probabilities have names in the file')
    const probabilities = (await model.run(inputs, { outputs: names })).outputs
    const output = model.outputs[0]!.name
    const shape = [...(await model.run(inputs)).outputs[output]!.shape]
    const weights = createTensor(
      'f32',
      shape,
      wave(
        shape.reduce((a, b) => a * b, 1),
        1,
      ),
    )
    const gradients = await vectorJacobianProduct(model, inputs, { [output]: weights }, names, {
      precision: 'f64',
    })
    const weighted = Target.expression('weighted', (builder, outputs) => {
      const product = builder.apply('mul', [
        outputs.get(output)!,
        builder.constant('f32', shape, weights.data),
      ])
      return builder.apply('sum', [product], { axes: shape.map((_, axis) => axis).slice(1), keepDims: 0 })
    })
    const layers = names.map(each => ({
      attention: heads(Array.from(probabilities[each]!.data, Number), 5),
      gradient: heads(Array.from(gradients[each]!.data, Number), 5),
    }))
    for (const position of [0, 4]) {
      const rolled = await new AttentionRollout(model, { position }).attribute(inputs, { target: weighted })
      const expected = rollout(layers.map(({ attention }) => meanOf(attention)))[position]!
      t.true(relativeDistance(rolled.scores().data, expected) < 1e-5)
      const relevant = new GradientXAttention(model, { position, identity: true })
      const scores = (await relevant.attribute(inputs, { target: weighted })).scores().data
      t.true(relativeDistance(scores, relevance(layers)[position]!) < 1e-4, `${scores}`)
    }
  })

test('probabilities inside one operator are found too, and patches of a picture are a grid without the class token', async t => {
  const width = 6
  const matrix = (name: string, dims: number[], phase: number) =>
    tensor(
      name,
      dims,
      wave(
        dims.reduce((a, b) => a * b, 1),
        phase,
      ).map(v => v * 0.3),
    )
  // Patches of 2 x 2 of a picture of 6 x 4: three by two, and a class token before them.
  const given: ModelGiven = {
    opset: 17,
    domains: { 'com.microsoft': 1 },
    nodes: [
      { op: 'Conv', inputs: ['picture', 'patch'], outputs: ['maps'], attributes: { strides: [2, 2] } },
      { op: 'Reshape', inputs: ['maps', 'flat'], outputs: ['columns'] },
      { op: 'Transpose', inputs: ['columns'], outputs: ['patches'], attributes: { perm: [0, 2, 1] } },
      { op: 'ReduceMean', inputs: ['patches'], outputs: ['class'], attributes: { axes: [1], keepdims: 1 } },
      { op: 'Concat', inputs: ['class', 'patches'], outputs: ['tokens'], attributes: { axis: 1 } },
      { op: 'MatMul', inputs: ['tokens', 'wq'], outputs: ['q'] },
      { op: 'MatMul', inputs: ['tokens', 'wk'], outputs: ['k'] },
      {
        op: 'MultiHeadAttention',
        domain: 'com.microsoft',
        inputs: ['q', 'k', 'tokens'],
        outputs: ['read'],
        attributes: { num_heads: 2 },
      },
      { op: 'Gather', inputs: ['read', 'zero'], outputs: ['own'], attributes: { axis: 1 } },
      { op: 'MatMul', inputs: ['own', 'head'], outputs: ['y'] },
    ],
    tensors: [
      matrix('patch', [width, 3, 2, 2], 0),
      matrix('wq', [width, width], 1),
      matrix('wk', [width, width], 2),
      matrix('head', [width, 4], 3),
      tensor('flat', [3], BigInt64Array.of(0n, BigInt(width), -1n)),
      tensor('zero', [], BigInt64Array.of(0n)),
    ],
    inputs: [valueInfo('picture', ['N', 3, 4, 6])],
    outputs: [valueInfo('y', ['N', 4])],
  }
  const model = await loadModel(writeModel(given))
  const { names } = namedAttention(model.graph)
  t.is(names.length, 1)
  const picture = (phase: number) => createTensor('f32', [1, 3, 4, 6], wave(72, phase))
  const method = new RawAttention(model)
  const attribution = await method.attribute(picture(0), { target: 2 })
  t.deepEqual(attribution.inputs[0]!.units, {
    kind: 'grid',
    layout: 'HW',
    channels: 1,
    height: 2,
    width: 3,
    placement: null,
  })
  // The class is read from the class token alone: its row was found.
  t.deepEqual(attribution.method.details, { layers: 1, heads: 2, rows: 1, row: 0 })
  const whole = new RawAttention(model, { classTokens: 0, gridWidth: 7, row: 'first' })
  const all = Array.from((await whole.attribute(picture(0), { target: 2 })).scores().data)
  t.true(Math.abs(all.reduce((a, b) => a + b, 0) - 1) < 1e-6)
  t.true(close(attribution.scores().data, all.slice(1)))

  const pictures = [0, 1, 2, 3].map(picture)
  for (const each of [
    method,
    new AttentionRollout(model),
    new GradientXAttention(model),
    new LeGrad(model),
  ]) {
    const together = await each.attributeBatch(pictures, { target: [1, 2] })
    for (const [at, input] of pictures.entries()) {
      const alone = await each.attribute(input, { target: [1, 2], chunk: 1 })
      t.deepEqual(together[at]!.scores().shape, [2, 2, 3])
      t.true(relativeDistance(together[at]!.scores().data, alone.scores().data) < 1e-5)
    }
  }
  await t.throwsAsync(new RawAttention(model, { classTokens: 3 }).attribute(picture(0), { target: 1 }), {
    code: 'MODEL_CAPABILITY',
  })
  await t.throwsAsync(new RawAttention(model, { attention: 1 }).attribute(picture(0), { target: 1 }), {
    code: 'OPTION_RANGE',
  })
  await t.throwsAsync(new LeGrad(model).attribute(picture(0), { target: 1, layer: 'tokens' }), {
    code: 'OPTION_RANGE',
  })
  await t.throwsAsync(new AttentionRollout(model, { position: 7 }).attribute(picture(0), { target: 1 }), {
    code: 'OPTION_RANGE',
  })
})

test('patches are counted off the picture, class tokens first', t => {
  const free = { classTokens: undefined, gridWidth: undefined }
  t.deepEqual(patchGrid(197, 224, 224, free), { classTokens: 1, height: 14, width: 14 })
  t.deepEqual(patchGrid(196, 224, 224, free), { classTokens: 0, height: 14, width: 14 })
  t.deepEqual(patchGrid(198, 224, 224, free), { classTokens: 2, height: 14, width: 14 })
  t.deepEqual(patchGrid(261, 224, 224, free), { classTokens: 5, height: 16, width: 16 })
  t.deepEqual(patchGrid(1 + 15 * 20, 240, 320, free), { classTokens: 1, height: 15, width: 20 })
  t.is(patchGrid(191, 224, 224, free), undefined)
  t.deepEqual(patchGrid(9, 32, 32, { classTokens: 1, gridWidth: 4 }), { classTokens: 1, height: 2, width: 4 })
  t.is(patchGrid(9, 32, 32, { classTokens: 1, gridWidth: 3 }), undefined)
})

test('transformer attribution: the relevance of attention, times its gradient, goes from layer to layer', async t => {
  const model = await loadModel(readFileSync(join(folder, 'vit-trace-17.onnx')))
  const { names } = namedAttention(model.graph)
  const inputs = inputsOf('vit')
  const output = model.outputs[0]!.name
  const target = Target.class(2)
  // Relevance and gradients of each layer's attention, of a graph of their own. The rules halve what meets what
  // follows from the input too.
  const builder = new GraphBuilder()
  const values = builder.include(model.graph)
  const logits = builder.apply('reshape', [model.output(values, output)!, builder.integers([1, -1])])
  const two = builder.constant('i64', [], BigInt64Array.of(2n))
  const objective = builder.apply('gather', [logits, two], { axis: 1 })
  const seed = builder.constant('f32', [1, 1], Float32Array.of(1))
  const inside = names.map(name => values.get(name)!)
  const plain = builder.vjp([objective], [seed], inside)
  const [, ...ruled] = builder.vjp([objective], [seed], [values.get('x')!, ...inside], { rules: 'attnLrp' })
  const plan = await settle(() =>
    native()
      .createGraph(builder.build([...inside, ...plain, ...ruled]))
      .compile(model.nativeParameters, { sizes: bindSizes(model.inputs, inputs) }),
  )
  const { outputs } = await settle(() => plan.run(inputs as Record<string, NativeTensor>, {}))
  const numbers = outputs.map(({ data }) => Array.from(data as Float32Array))
  const [a, g, r] = [0, 1, 2].map(part => numbers.slice(part * names.length, (part + 1) * names.length))
  const layers = names.map((_, at) => ({
    attention: heads(
      a![at]!.map((value, index) => value * r![at]![index]!),
      5,
    ),
    gradient: heads(g![at]!, 5),
  }))
  for (const position of [0, 3]) {
    const method = new TransformerAttribution(model, { position, identity: true })
    const attribution = await method.attribute(inputs, { target })
    t.true(relativeDistance(attribution.scores().data, relevance(layers)[position]!) < 1e-5)
    t.deepEqual([attribution.cost.forwardPasses, attribution.cost.backwardPasses], [1, 2])
  }
})

test('noise goes around methods that read gradients of values, not around these', async t => {
  const method = new RawAttention(await exampleD())
  t.throws(() => new SmoothGrad(method as never), { code: 'OPTION_TYPE' })
})

test('models without attention are refused, and say what was looked for', async t => {
  const model = await loadModel(
    writeModel({
      opset: 17,
      nodes: [{ op: 'Softmax', inputs: ['x'], outputs: ['y'] }],
      tensors: [],
      inputs: [valueInfo('x', ['N', 3])],
      outputs: [valueInfo('y', ['N', 3])],
    }),
  )
  for (const Method of [RawAttention, AttentionRollout, GradientXAttention, LeGrad])
    await t.throwsAsync(new Method(model).attribute(createTensor('f32', [1, 3], [1, 2, 3]), { target: 1 }), {
      code: 'MODEL_CAPABILITY',
    })
})

test('attention inside windows is refused where layers are gone through', async t => {
  // Two windows of two tokens: their pairs stand in front of the heads, with the batch.
  const model = await loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Reshape', inputs: ['x', 'windows'], outputs: ['w'] },
        { op: 'Softmax', inputs: ['w'], outputs: ['A'] },
        { op: 'MatMul', inputs: ['A', 'w'], outputs: ['o'] },
        { op: 'Reshape', inputs: ['o', 'rows'], outputs: ['r'] },
        { op: 'ReduceSum', inputs: ['r', 'axis'], outputs: ['y'] },
      ],
      tensors: [
        tensor('windows', [4], BigInt64Array.of(-1n, 1n, 2n, 2n)),
        tensor('rows', [2], BigInt64Array.of(-1n, 8n)),
        tensor('axis', [1], BigInt64Array.of(1n)),
      ],
      inputs: [valueInfo('x', ['N', 8])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const error = await t.throwsAsync(
    new AttentionRollout(model).attribute(createTensor('f32', [1, 8], wave(8)), { target }),
    { code: 'MODEL_CAPABILITY' },
  )
  t.regex(error!.message, /"A" has shape \[2, 1, 2, 2\]/)
})
