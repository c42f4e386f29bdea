import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { GraphBuilder } from '#lib/graph/builder.js'
import { createTensor, loadModel, type Model, type Tensor } from '#lib/index.js'
import { bindSizes } from '#lib/model/bindSizes.js'
import { native, settle } from '#lib/native.js'
import type { CompileOptions } from '#typings/addon.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { floats, type ModelGiven, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { repositoryRoot } from '../oracles/repository.js'

const folder = join(repositoryRoot, 'test/fixtures/exports')
const names = readdirSync(folder).filter(name => name.endsWith('.onnx'))
const wave = (count: number) =>
  Float32Array.from({ length: count }, (_, at) => Math.sin(at * 0.7) + 0.4 * Math.cos(at * 2.3))

const shapes: Record<string, number[]> = {
  mobile: [2, 3, 17, 17],
  vit: [2, 5, 16],
  bert: [2, 5, 16],
  llama: [2, 5, 16],
}

function inputsOf(name: string): Record<string, Tensor> {
  const shape = shapes[name.split('-')[0]!]!
  const x = createTensor('f32', shape, wave(shape.reduce((a, b) => a * b, 1)))
  if (!name.startsWith('bert')) return { x }
  return { x, mask: createTensor('f32', [2, 5], [1, 1, 1, 1, 1, 1, 1, 0, 0, 1]) }
}

/** Output and gradient of its weighted sum in x, in one plan. */
async function planOf(model: Model, inputs: Record<string, Tensor>, options: CompileOptions = {}) {
  const builder = new GraphBuilder()
  const values = builder.include(model.graph)
  const output = model.output(values, model.outputs[0]!.name)!
  const flat = builder.apply('reshape', [output, builder.integers([1, -1])])
  const seed = builder.constant('f32', [1, 1, 1], Float32Array.of(1))
  const like = builder.apply('expandLike', [seed, flat], { leading: 1 })
  const [gradient] = builder.vjp([flat], [like], [values.get('x')!])
  const plan = await settle(() =>
    native()
      .createGraph(builder.build([output, gradient!]))
      .compile(model.nativeParameters, { sizes: bindSizes(model.inputs, inputs), ...options }),
  )
  const { outputs } = await settle(() => plan.run(inputs as never, {}))
  const ops = plan.describe().nodes.map(({ op }) => op)
  return { output: outputs[0]!.data as Float32Array, gradient: outputs[1]!.data as Float32Array, ops }
}

const count = (ops: readonly string[], op: string) => ops.filter(each => each === op).length

/** What each architecture is raised to. */
const expected: Record<string, Record<string, number>> = {
  vit: { layerNorm: 4, gelu: 2, attention: 2, softmax: 0, erf: 0, sqrt: 0 },
  bert: { layerNorm: 2, gelu: 1, attention: 1, softmax: 0, tanh: 0, sqrt: 0 },
  llama: { rmsNorm: 2, silu: 1, attention: 1, softmax: 0, sigmoid: 0, sqrt: 0 },
  mobile: { silu: 1, hardSwish: 1, sigmoid: 0 },
}

for (const name of names)
  test(`${name} is raised, and computes what ONNX Runtime does`, async t => {
    const bytes = readFileSync(join(folder, name))
    const model = await loadModel(bytes)
    const inputs = inputsOf(name)
    const { output, gradient, ops } = await planOf(model, inputs)
    for (const [op, times] of Object.entries(expected[name.split('-')[0]!]!))
      t.is(count(ops, op), times, `${op}: ${ops.filter(each => !/Grad|conv|reorder/.test(each)).join(' ')}`)

    const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 })
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([key, { data, shape }]) => [
        key,
        new OrtTensor('float32', data as Float32Array, shape),
      ]),
    )
    const theirs = (await session.run(feeds))[model.outputs[0]!.name]!.data as Float32Array
    await session.release()
    const greatest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    for (const [at, value] of theirs.entries())
      t.true(Math.abs(value - output[at]!) <= 1e-5 * greatest, `output ${at}`)

    const double = await planOf(model, inputs, { precision: 'f64' })
    t.is(
      count(double.ops, 'attention') + count(double.ops, 'gelu'),
      0,
      'the double reference keeps what the model says',
    )
    t.true(
      relativeDistance(gradient, double.gradient) < 1e-5,
      `${relativeDistance(gradient, double.gradient)}`,
    )

    for (const pass of native().engine().passes) {
      const without = await planOf(model, inputs, { withoutPasses: [pass] })
      t.true(relativeDistance(without.output, output) < 1e-5, `without ${pass}`)
      t.true(relativeDistance(without.gradient, gradient) < 1e-5, `gradient without ${pass}`)
    }
  })

/** A model of one expression, and the ops of its plan. */
async function opsOf(given: ModelGiven, options: CompileOptions = {}): Promise<string[]> {
  const model = await loadModel(
    writeModel({ inputs: [valueInfo('x', ['N', 4, 6])], outputs: [valueInfo('y', undefined)], ...given }),
  )
  return (await planOf(model, { x: createTensor('f32', [2, 4, 6], wave(48)) }, options)).ops
}
const scalar = (name: string, value: number) => tensor(name, [], Float32Array.of(value))

test('what only looks like an activation stays', async t => {
  const gated = (other: string, value = 1): ModelGiven => ({
    nodes: [
      { op: 'Mul', inputs: ['x', 'c'], outputs: ['z'] },
      { op: 'Neg', inputs: ['x'], outputs: ['n'] },
      { op: 'Sigmoid', inputs: ['x'], outputs: ['s'] },
      { op: 'Mul', inputs: [other, 's'], outputs: ['y'] },
    ],
    tensors: [scalar('c', value)],
  })
  t.is(count(await opsOf(gated('x')), 'silu'), 1)
  t.is(count(await opsOf(gated('n')), 'silu'), 0)
  t.is(count(await opsOf(gated('z', 2)), 'silu'), 0)
})

const layerNorm = (
  change: { second?: string; axis?: number; power?: number; read?: string } = {},
): ModelGiven => ({
  opset: 13,
  nodes: [
    { op: 'ReduceMean', inputs: ['x'], outputs: ['m'], attributes: { axes: [change.axis ?? -1] } },
    { op: 'Sub', inputs: ['x', 'm'], outputs: ['d'] },
    { op: 'Sub', inputs: [change.second ?? 'x', 'm'], outputs: ['e'] },
    { op: 'Pow', inputs: ['e', 'p'], outputs: ['q'] },
    { op: 'ReduceMean', inputs: ['q'], outputs: ['v'], attributes: { axes: [-1] } },
    { op: 'Add', inputs: ['v', 'eps'], outputs: ['w'] },
    { op: 'Sqrt', inputs: ['w'], outputs: ['r'] },
    { op: 'Div', inputs: ['d', 'r'], outputs: ['n'] },
    { op: 'Mul', inputs: ['n', 'scale'], outputs: ['o'] },
    { op: 'Add', inputs: ['o', change.read ?? 'bias'], outputs: ['y'] },
    { op: 'Neg', inputs: ['x'], outputs: ['other'] },
  ],
  tensors: [scalar('p', change.power ?? 2), scalar('eps', 1e-5), floats('scale', [6]), floats('bias', [6])],
})

test('a layer norm whose mean is taken twice is one; what only looks like one stays', async t => {
  const raised = await opsOf(layerNorm())
  t.is(count(raised, 'layerNorm'), 1)
  t.is(count(raised, 'sqrt'), 0)
  for (const change of [{ second: 'other' }, { axis: 1 }, { power: 4 }, { read: 'v' }, { read: 'd' }])
    t.is(count(await opsOf(layerNorm(change)), 'layerNorm'), 0, JSON.stringify(change))
})

test('no pass crosses a value that somebody asked for', async t => {
  const name = 'vit-trace-13.onnx'
  const model = await loadModel(readFileSync(join(folder, name)))
  const inputs = inputsOf(name)
  const { outputs: plain } = await model.run(inputs)
  const softmax = model.layers().filter(({ op }) => op === 'softmax')
  t.is(softmax.length, 2)
  const probabilities = softmax[0]!.name
  const { outputs } = await model.run(inputs, { outputs: [probabilities, model.outputs[0]!.name] })
  const rows = outputs[probabilities]!.data as Float32Array
  for (let row = 0; row < rows.length; row += 5)
    t.true(Math.abs(rows.subarray(row, row + 5).reduce((sum, value) => sum + value, 0) - 1) < 1e-6)
  const y = model.outputs[0]!.name
  t.true(relativeDistance(outputs[y]!.data as Float32Array, plain[y]!.data as Float32Array) < 1e-6)
  // The gradient in the probabilities exists, so the attention that holds them is not raised.
  const pinned = await planOf(model, inputs, { pinned: [probabilities] })
  t.is(count(pinned.ops, 'attention'), 1)
  t.is(count(pinned.ops, 'softmax'), 1)
})
