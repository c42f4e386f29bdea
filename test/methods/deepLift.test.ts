import test from 'ava'
import { createTensor, DeepLift, IntegratedGradients, loadModel, Target, type Tensor } from '#lib/index.js'
import { floats, integers, type NodeGiven, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { exampleA, exampleB, inputA, inputB } from '../oracles/workedModels.js'

const target = Target.regression()
const numbers = (values: ArrayLike<number>) => Array.from(values)
const close = (actual: ArrayLike<number>, expected: number[], tolerance: number) =>
  numbers(actual).length === expected.length &&
  expected.every((value, at) => Math.abs(actual[at]! - value) <= tolerance * Math.max(1, Math.abs(value)))

test('example A: one hidden layer, where it is integrated gradients without its error', async t => {
  const attribution = await new DeepLift(await exampleA()).attribute(inputA(), { target })
  t.true(close(attribution.scores().data as Float32Array, [1.65, 0.225, 0.775], 1e-6))
  t.deepEqual(attribution.warnings, [])
  t.true(Math.abs(attribution.checks.completeness![0]!.delta) < 1e-6)
})

test('example B: two hidden layers', async t => {
  const attribution = await new DeepLift(await exampleB()).attribute(inputB(), { target })
  t.true(close(attribution.scores().data as Float32Array, [-2.12307692, -3.57692308], 5e-7))
})

test('a baseline of another value, several at once, and several targets', async t => {
  const model = await exampleB()
  const method = new DeepLift(model)
  const baseline = createTensor('f32', [1, 2], Float32Array.of(0.5, -1))
  const alone = await method.attribute(inputB(), { target, baseline })
  const [difference] = alone.checks.completeness!
  const at = async (x: Float32Array) =>
    (await model.run(createTensor('f32', [1, 2], x))).outputs.y!.data[0] as number
  const change = (await at(Float32Array.of(1, 2))) - (await at(Float32Array.of(0.5, -1)))
  t.true(Math.abs(difference!.difference - change) < 1e-6)
  t.true(Math.abs(difference!.delta) < 1e-6)
  const other = createTensor('f32', [1, 2], Float32Array.of(-1, 0.25))
  const batch = await method.attributeBatch([inputB(), other], { target, baseline })
  t.true(close(batch[0]!.scores().data as Float32Array, numbers(alone.scores().data as Float32Array), 1e-6))
  t.true(Math.abs(batch[1]!.checks.completeness![0]!.delta) < 1e-6)
})

/** Layers of a transformer and more, of which all but a softmax keep the sum. */
const block = (nodes: NodeGiven[], features = 6) =>
  loadModel(
    writeModel({
      opset: 20,
      nodes: [...nodes, { op: 'MatMul', inputs: ['h', 'v'], outputs: ['y'] }],
      tensors: [
        floats('w', [features, features], at => Math.sin(at * 1.7)),
        floats('u', [features, features], at => Math.cos(at * 0.9)),
        floats('v', [features, 1], at => Math.cos(at * 1.1)),
        floats('one', [], () => 1),
        floats('steep', [], () => 40),
        floats('s', [features], at => 1 + 0.1 * at),
        integers('last', [-1]),
      ],
      inputs: [valueInfo('x', ['N', features])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
const dense: NodeGiven = { op: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] }
const x = createTensor('f32', [1, 6], Float32Array.of(1, -0.5, 2, 0.3, -1.2, 0.8))
const baseline = createTensor('f32', [1, 6], Float32Array.of(0.2, 0.1, -0.4, 0.5, 1, -1))

const complete: [string, NodeGiven[]][] = [
  ...['Gelu', 'Sigmoid', 'Tanh', 'Elu', 'Softplus', 'Relu', 'Abs', 'Mish'].map(
    (op): [string, NodeGiven[]] => [op, [dense, { op, inputs: ['z'], outputs: ['h'] }]],
  ),
  [
    'a gate',
    [
      dense,
      { op: 'MatMul', inputs: ['x', 'u'], outputs: ['q'] },
      { op: 'Sigmoid', inputs: ['q'], outputs: ['g'] },
      { op: 'Mul', inputs: ['z', 'g'], outputs: ['h'] },
    ],
  ],
  [
    'a quotient of two and a maximum of two',
    [
      dense,
      { op: 'MatMul', inputs: ['x', 'u'], outputs: ['q'] },
      { op: 'Exp', inputs: ['q'], outputs: ['e'] },
      { op: 'Add', inputs: ['e', 'one'], outputs: ['d'] },
      { op: 'Div', inputs: ['z', 'd'], outputs: ['r'] },
      { op: 'Max', inputs: ['r', 'q'], outputs: ['h'] },
    ],
  ],
  [
    'a norm',
    [dense, { op: 'LayerNormalization', inputs: ['z', 's'], outputs: ['h'], attributes: { axis: -1 } }],
  ],
]

for (const [name, nodes] of complete)
  test(`contributions through ${name} add up`, async t => {
    const attribution = await new DeepLift(await block(nodes)).attribute(x, { target, baseline })
    const { delta, difference } = attribution.checks.completeness![0]!
    t.true(Math.abs(difference) > 0.01)
    t.true(Math.abs(delta) <= 2e-6 * Math.max(1, Math.abs(difference)), `${delta} of ${difference}`)
    t.deepEqual(attribution.warnings, [])
  })

test('a quotient is shared out as the product that it undoes: evenly over the mean of both denominators', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [
        { op: 'Add', inputs: ['b', 'd'], outputs: ['s'] },
        { op: 'Div', inputs: ['a', 's'], outputs: ['q'] },
        { op: 'MatMul', inputs: ['q', 'v'], outputs: ['y'] },
      ],
      tensors: [floats('d', [2], () => 0.5), floats('v', [2, 1], () => 1)],
      inputs: [valueInfo('a', ['N', 2]), valueInfo('b', ['N', 2])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const row = (...values: number[]) => createTensor('f32', [1, 2], Float32Array.from(values))
  // 3 / 2 from 1 / 0.5, and over a denominator that changes its sign, where both orders have half: 2 / 1 from 1 / -1.
  const found = await new DeepLift(model).attribute(
    { a: row(3, 2), b: row(1.5, 0.5) },
    { target, baseline: { a: row(1, 1), b: row(0, -1.5) } },
  )
  const parts = (input: string) => numbers(found.scores(input).data as Float32Array)
  t.true(close(parts('a'), [(2 * 2) / 2.5, 0], 1e-6), `${parts('a')}`)
  t.true(close(parts('b'), [(-(1.5 + 2) * 1.5) / 2.5, 3], 1e-6), `${parts('b')}`)
})

for (const form of ['LayerNormalization', 'written out'] as const)
  test(`norms upon norms, from a baseline of zeros: what they gain is no difference of large numbers (${form})`, async t => {
    const depth = 10
    const norm = (from: string, at: number): NodeGiven[] =>
      form === 'written out'
        ? [
            { op: 'Mul', inputs: [from, from], outputs: [`p${at}`] },
            {
              op: 'ReduceMean',
              inputs: [`p${at}`, 'last'],
              outputs: [`m${at}`],
              attributes: { keepdims: 1 },
            },
            { op: 'Add', inputs: [`m${at}`, 'epsilon'], outputs: [`e${at}`] },
            { op: 'Sqrt', inputs: [`e${at}`], outputs: [`r${at}`] },
            { op: 'Div', inputs: [from, `r${at}`], outputs: [`n${at}`] },
          ]
        : [{ op: 'LayerNormalization', inputs: [from, 's'], outputs: [`n${at}`], attributes: { axis: -1 } }]
    const layers = Array.from({ length: depth }, (_, at): NodeGiven[] => {
      const from = at === 0 ? 'x' : `h${at - 1}`
      return [
        ...norm(from, at),
        { op: 'MatMul', inputs: [`n${at}`, at % 2 === 0 ? 'w' : 'u'], outputs: [`z${at}`] },
        { op: 'Add', inputs: [from, `z${at}`], outputs: [`h${at}`] },
      ]
    })
    const model = await loadModel(
      writeModel({
        opset: 20,
        nodes: [...layers.flat(), { op: 'MatMul', inputs: [`h${depth - 1}`, 'v'], outputs: ['y'] }],
        tensors: [
          floats('w', [6, 6], at => Math.sin(at * 1.7)),
          floats('u', [6, 6], at => Math.cos(at * 0.9)),
          floats('v', [6, 1], at => Math.cos(at * 1.1)),
          floats('s', [6], at => 1 + 0.1 * at),
          floats('epsilon', [], () => 1e-5),
          integers('last', [-1]),
        ],
        inputs: [valueInfo('x', ['N', 6])],
        outputs: [valueInfo('y', ['N', 1])],
      }),
    )
    const found = await new DeepLift(model).attribute(x, { target, baseline: 0 })
    const { delta, difference } = found.checks.completeness![0]!
    t.true(Math.abs(delta) <= 1e-5 * Math.abs(difference), `${delta} of ${difference}`)
    const sizes = numbers(found.scores().data as Float32Array).reduce(
      (sum, score) => sum + Math.abs(score),
      0,
    )
    t.true(sizes < 100 * Math.abs(difference), `${sizes} of ${difference}`)
  })

test('a softmax inside does not keep the sum, and the result says so', async t => {
  const model = await block([
    dense,
    { op: 'Softmax', inputs: ['z'], outputs: ['p'], attributes: { axis: -1 } },
    { op: 'Mul', inputs: ['p', 'x'], outputs: ['h'] },
  ])
  const { warnings } = await new DeepLift(model).attribute(x, { target, baseline })
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['RULE_FALLBACK'],
  )
  t.regex(warnings[0]!.message, /softmax/)
  const exact = await new DeepLift(model, { softmax: 'exact' }).attribute(x, { target, baseline })
  const { delta, difference } = exact.checks.completeness![0]!
  t.true(Math.abs(delta) <= 2e-6 * Math.abs(difference), `${delta} of ${difference}`)
  t.deepEqual(exact.warnings, [])
})

test('for one hidden layer it is what integrated gradients tend to', async t => {
  const model = await block([dense, { op: 'Relu', inputs: ['z'], outputs: ['h'] }])
  const lifted = await new DeepLift(model).attribute(x, { target, baseline })
  const integrated = await new IntegratedGradients(model, {
    steps: 20_000,
    rule: 'riemann_middle',
  }).attribute(x, { target, baseline })
  t.true(close(lifted.scores().data as Float32Array, numbers(integrated.scores().data as Float32Array), 2e-4))
})

test('at the baseline every score is 0', async t => {
  const model = await block([dense, { op: 'Gelu', inputs: ['z'], outputs: ['h'] }])
  const attribution = await new DeepLift(model).attribute(x, { target, baseline: x })
  t.true(numbers(attribution.scores().data as Float32Array).every(value => value === 0))
})

test('what is masked with minus infinity has no part in a softmax', async t => {
  const model = await loadModel(
    writeModel({
      opset: 20,
      nodes: [
        { op: 'Add', inputs: ['x', 'mask'], outputs: ['z'] },
        { op: 'Softmax', inputs: ['z'], outputs: ['p'], attributes: { axis: -1 } },
        { op: 'MatMul', inputs: ['p', 'v'], outputs: ['y'] },
      ],
      tensors: [
        floats('mask', [6], at => (at < 4 ? 0 : Number.NEGATIVE_INFINITY)),
        floats('v', [6, 1], at => Math.cos(at * 1.1)),
      ],
      inputs: [valueInfo('x', ['N', 6])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const exact = await new DeepLift(model, { softmax: 'exact' }).attribute(x, { target, baseline })
  t.deepEqual(numbers(exact.scores().data as Float32Array).slice(4), [0, 0])
  t.true(Math.abs(exact.checks.completeness![0]!.delta) < 2e-6)
  const published = await new DeepLift(model).attribute(x, { target, baseline })
  t.true(numbers(published.scores().data as Float32Array).every(Number.isFinite))
})

test('a mask that is made from the input, which no multiplier reaches, is reported', async t => {
  const model = await block([
    dense,
    { op: 'Greater', inputs: ['z', 'one'], outputs: ['c'] },
    { op: 'Cast', inputs: ['c'], outputs: ['mask'], attributes: { to: 1 } },
    { op: 'Mul', inputs: ['z', 'mask'], outputs: ['h'] },
  ])
  const { warnings, checks } = await new DeepLift(model).attribute(x, { target, baseline })
  t.true(Math.abs(checks.completeness![0]!.delta) > 0.01)
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['RULE_FALLBACK'],
  )
})

test('a shape that is read from the input is the same for the baseline', async t => {
  const model = await block([
    dense,
    { op: 'Shape', inputs: ['z'], outputs: ['shape'] },
    { op: 'Reshape', inputs: ['z', 'shape'], outputs: ['r'] },
    { op: 'Tanh', inputs: ['r'], outputs: ['h'] },
  ])
  const { warnings, checks } = await new DeepLift(model).attribute(x, { target, baseline })
  t.deepEqual(warnings, [])
  t.true(Math.abs(checks.completeness![0]!.delta) < 2e-6)
})

test('models of double precision, with baselines of either', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [
        { op: 'Tanh', inputs: ['x'], outputs: ['h'] },
        { op: 'MatMul', inputs: ['h', 'v'], outputs: ['y'] },
      ],
      tensors: [tensor('v', [2, 1], Float64Array.of(1, 2))],
      inputs: [valueInfo('x', ['N', 2], 11)],
      outputs: [valueInfo('y', ['N', 1], 11)],
    }),
  )
  const at = createTensor('f64', [1, 2], Float64Array.of(0.5, -1))
  const scores = async (from: number | Tensor) =>
    numbers(
      (await new DeepLift(model).attribute(at, { target, baseline: from })).scores().data as Float32Array,
    )
  const parts = [0.5, -1].map((value, index) => (index + 1) * (Math.tanh(value) - Math.tanh(0.25)))
  t.true(close(await scores(0.25), parts, 1e-6))
  t.true(close(await scores(createTensor('f64', [1, 2], Float64Array.of(0.25, 0.25))), parts, 1e-6))
  t.true(close(await scores(createTensor('f32', [1, 2], Float32Array.of(0.25, 0.25))), parts, 1e-6))
})

test('where shares cancel until only rounding is left there is an error, and no numbers', async t => {
  const layers = [0, 1, 2, 3, 4].flatMap((at): NodeGiven[] => {
    const from = at === 0 ? 'z' : `h${at - 1}`
    return [
      { op: 'Abs', inputs: [from], outputs: [`a${at}`] },
      { op: 'ReduceMean', inputs: [`a${at}`, 'last'], outputs: [`m${at}`], attributes: { keepdims: 1 } },
      { op: 'Add', inputs: [`m${at}`, 'least'], outputs: [`d${at}`] },
      { op: 'Log', inputs: [`d${at}`], outputs: [`l${at}`] },
      { op: 'Neg', inputs: [`l${at}`], outputs: [`n${at}`] },
      { op: 'Exp', inputs: [`n${at}`], outputs: [`r${at}`] },
      { op: 'Mul', inputs: [from, `r${at}`], outputs: [`h${at}`] },
    ]
  })
  const model = await loadModel(
    writeModel({
      opset: 20,
      nodes: [dense, ...layers, { op: 'MatMul', inputs: ['h4', 'v'], outputs: ['y'] }],
      tensors: [
        floats('w', [6, 6], at => Math.sin(at * 1.7)),
        floats('v', [6, 1], at => Math.cos(at * 1.1)),
        floats('least', [], () => 1e-6),
        integers('last', [-1]),
      ],
      inputs: [valueInfo('x', ['N', 6])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  await t.throwsAsync(new DeepLift(model).attribute(x, { target, baseline: 0 }), { code: 'PRECISION_LOST' })
})

test('scores that miss much of what they should add up to carry a warning', async t => {
  const model = await block([
    dense,
    { op: 'Mul', inputs: ['z', 'steep'], outputs: ['q'] },
    { op: 'Sigmoid', inputs: ['q'], outputs: ['h'] },
  ])
  const codes = async (steps: number) =>
    (await new IntegratedGradients(model, { steps }).attribute(x, { target, baseline })).warnings.map(
      ({ code }) => code,
    )
  t.deepEqual(await codes(2), ['INCOMPLETE'])
  t.deepEqual(await codes(2000), [])
})

test('a target that is 0 at both ends has lost nothing to rounding', async t => {
  // x² - x³ from 0 to 1: of its gradient 2x - 3x² the two ends of the path make (0 - 1) / 2.
  const model = await loadModel(
    writeModel({
      opset: 20,
      nodes: [
        { op: 'Mul', inputs: ['x', 'x'], outputs: ['s'] },
        { op: 'Mul', inputs: ['s', 'x'], outputs: ['c'] },
        { op: 'Sub', inputs: ['s', 'c'], outputs: ['y'] },
      ],
      tensors: [],
      inputs: [valueInfo('x', ['N', 1])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const one = createTensor('f32', [1, 1], Float32Array.of(1))
  const result = await new IntegratedGradients(model, { steps: 2, rule: 'riemann_trapezoid' }).attribute(
    one,
    {
      target: 0,
      baseline: 0,
    },
  )
  t.deepEqual(
    result.warnings.map(({ code }) => code),
    ['INCOMPLETE'],
  )
  t.true(Math.abs((result.inputs[0]!.scores.data as Float32Array)[0]! + 0.5) < 1e-6)
})
