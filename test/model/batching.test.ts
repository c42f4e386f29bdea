import test from 'ava'
import {
  AscribeError,
  createTensor,
  IntegratedGradients,
  loadModel,
  type Model,
  Saliency,
  SmoothGrad,
  Target,
} from '#lib/index.js'
import { batchingOf } from '#lib/model/batching.js'
import { floats, type NodeGiven, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'

const integers = (name: string, values: number[]) =>
  tensor(name, [values.length], BigInt64Array.from(values, BigInt))

/** What vision transformers do: a class token joined to reshaped patches, a product, the token's row as logits. */
function tokens(batch: number | string): Promise<Model> {
  const shape = typeof batch === 'number' ? [batch, 4, 3] : [0, 4, 3]
  const nodes: NodeGiven[] = [
    { op: 'Reshape', inputs: ['x', 'patches'], outputs: ['p'] },
    ...(typeof batch === 'number'
      ? [{ op: 'Concat', inputs: ['token', 'p'], outputs: ['t'], attributes: { axis: 1 } }]
      : [
          { op: 'Shape', inputs: ['x'], outputs: ['s'], attributes: { start: 0, end: 1 } },
          { op: 'Concat', inputs: ['s', 'rest'], outputs: ['all'], attributes: { axis: 0 } },
          { op: 'Expand', inputs: ['token', 'all'], outputs: ['many'] },
          { op: 'Concat', inputs: ['many', 'p'], outputs: ['t'], attributes: { axis: 1 } },
        ]),
    { op: 'MatMul', inputs: ['t', 'w'], outputs: ['m'] },
    { op: 'Tanh', inputs: ['m'], outputs: ['h'] },
    { op: 'Transpose', inputs: ['h'], outputs: ['ht'], attributes: { perm: [0, 2, 1] } },
    { op: 'MatMul', inputs: ['h', 'ht'], outputs: ['a'] },
    { op: 'MatMul', inputs: ['a', 'h'], outputs: ['o'] },
    { op: 'ReduceMean', inputs: ['o'], outputs: ['y'], attributes: { axes: [1], keepdims: 0 } },
  ]
  return loadModel(
    writeModel({
      opset: 17,
      nodes,
      tensors: [
        floats('token', [1, 1, 3], i => Math.cos(i)),
        floats('w', [3, 5], i => Math.sin(1.7 * i)),
        integers('patches', shape),
        integers('rest', [1, 3]),
      ],
      inputs: [valueInfo('x', [batch, 12])],
      outputs: [valueInfo('y', [batch, 5])],
    }),
  )
}

const example = (scale = 1, phase = 0) =>
  createTensor(
    'f32',
    [1, 12],
    Float32Array.from({ length: 12 }, (_, i) => scale * Math.sin(0.9 * i + phase)),
  )

const scores = (attribution: Awaited<ReturnType<Saliency['attribute']>>) =>
  attribution.inputs[0]!.scores.data as Float32Array

function relative(a: Float32Array, b: Float32Array): number {
  const norm = (values: Iterable<number>) => Math.hypot(...values)
  return norm(a.map((value, i) => value - b[i]!)) / norm(b)
}

test('a fixed batch of 1 is freed, class token and all, and changes no score', async t => {
  const [fixed, symbolic] = [await tokens(1), await tokens('N')]
  t.is((await batchingOf(fixed, { x: example() })).size, 'any')
  const options = { target: 2, baseline: 0.25 }
  const [a, b] = [
    await new IntegratedGradients(fixed, { steps: 20 }).attribute(example(), options),
    await new IntegratedGradients(symbolic, { steps: 20 }).attribute(example(), options),
  ]
  // The points, the input and the baseline in one pass.
  t.is(a.environment.chunk, 22)
  t.deepEqual(a.warnings, [])
  t.true(relative(scores(a), scores(b)) < 1e-6)
  t.true(a.checks.completeness![0]!.relative! < 1e-5)
})

test('a batch of 3 takes one example, and is freed', async t => {
  const [three, symbolic] = [await twoLayers(3), await twoLayers('N')]
  t.is((await batchingOf(three, { x: example() })).size, 'any')
  const [a, b] = [
    await new Saliency(three).attribute(example()),
    await new Saliency(symbolic).attribute(example()),
  ]
  t.deepEqual(a.targets[0]!.index, b.targets[0]!.index)
  t.deepEqual(a.output, b.output)
  t.true(relative(scores(a), scores(b)) < 1e-6)
  const error = await t.throwsAsync(
    new Saliency(three).attribute(createTensor('f32', [3, 12], new Float32Array(36))),
    { instanceOf: AscribeError },
  )
  t.is(error?.code, 'INPUT_SHAPE')
})

/** y = tanh(x w) v */
const twoLayers = (batch: number | string, more: NodeGiven[] = [], last = 'y') =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['m'] },
        { op: 'Tanh', inputs: ['m'], outputs: ['h'] },
        { op: 'MatMul', inputs: ['h', 'v'], outputs: ['y'] },
        ...more,
      ],
      tensors: [
        floats('w', [12, 6], i => Math.sin(1.3 * i)),
        floats('v', [6, 4], i => Math.cos(0.7 * i)),
        integers('flat', [4]),
      ],
      inputs: [valueInfo('x', [batch, 12])],
      outputs: [valueInfo(last, last === 'z' ? [batch, 'K'] : [batch, 4])],
    }),
  )

test('a batch that cannot be freed is used as it is, and the result says so', async t => {
  // [1, 4] becomes [4] and [1, 4] again, which two examples cannot.
  const model = await twoLayers(
    1,
    [
      { op: 'Reshape', inputs: ['y', 'flat'], outputs: ['f'] },
      { op: 'Flatten', inputs: ['f'], outputs: ['u'], attributes: { axis: 0 } },
      { op: 'Neg', inputs: ['u'], outputs: ['z'] },
    ],
    'z',
  )
  const attribution = await new IntegratedGradients(model, { steps: 7 }).attribute(example(), { target: 1 })
  t.is(attribution.environment.chunk, 1)
  t.deepEqual(
    attribution.warnings.map(({ code }) => code),
    ['BATCH_FIXED'],
  )
  const reference = await new IntegratedGradients(await twoLayers('N'), { steps: 7 }).attribute(example(), {
    target: 1,
  })
  t.true(
    relative(
      scores(attribution),
      scores(reference).map(value => -value),
    ) < 1e-6,
  )
})

/** Every example's logits times the mean of the batch's. */
const centred: NodeGiven[] = [
  { op: 'ReduceMean', inputs: ['y'], outputs: ['mean'], attributes: { axes: [0], keepdims: 1 } },
  { op: 'Mul', inputs: ['mean', 'y'], outputs: ['z'] },
]

test('examples that change each other go through the model alone, and the result says so', async t => {
  const model = await twoLayers('N', centred, 'z')
  const options = { target: Target.class(1) }
  const attribution = await new IntegratedGradients(model, { steps: 40 }).attribute(example(), options)
  t.is(attribution.environment.chunk, 1)
  t.deepEqual(
    attribution.warnings.map(({ code }) => code),
    ['BATCH_INTERACTS'],
  )
  t.true(attribution.checks.completeness![0]!.relative! < 1e-4)
  const error = await t.throwsAsync(
    (async () => new Saliency(await twoLayers(3, centred, 'z')).attribute(example(), options))(),
    { instanceOf: AscribeError },
  )
  t.is(error?.code, 'MODEL_CAPABILITY')
})

test('a batch of inputs gives what each gives alone, noise and all', async t => {
  const model = await tokens('N')
  const inputs = [0, 1, 2, 3, 4].map(at => example(1 + at, 1.3 * at))
  const passes: [number, number][] = []
  for (const method of [
    new Saliency(model),
    new SmoothGrad(new Saliency(model), { samples: 3, seed: 5 }),
    new IntegratedGradients(model, { steps: 6 }),
    new IntegratedGradients(model, { steps: 4, tolerance: 1e-3 }),
  ]) {
    const together = await method.attributeBatch(inputs, {
      onProgress: (done, total) => passes.push([done, total]),
    })
    t.is(together.length, inputs.length)
    for (const [at, input] of inputs.entries()) {
      const alone = await method.attribute(input)
      const both = together[at]!
      t.is(both.targets[0]!.index, alone.targets[0]!.index)
      t.true(relative(scores(both), scores(alone)) < 1e-5)
      t.true(Math.abs(both.targets[0]!.value! - alone.targets[0]!.value!) < 1e-6)
      t.is(both.checks.completeness?.length, alone.checks.completeness?.length)
    }
    t.is(new Set(together.map(each => each.targets[0]!.index)).size > 1, true)
    const [done, total] = passes.at(-1)!
    t.is(done, total)
  }
  // Saliency of five inputs is one chunk.
  const saliency = await new Saliency(model).attributeBatch(inputs)
  t.is(saliency[0]!.environment.chunk, 5)
})
