import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  Comprehensiveness,
  createTensor,
  Deletion,
  FaithfulnessCorrelation,
  GradCam,
  Infidelity,
  InputXGradient,
  Insertion,
  loadModel,
  type Metric,
  type MetricSample,
  type Model,
  MuFidelity,
  PixelFlipping,
  RandomLogit,
  Saliency,
  type SampleResult,
  SensitivityMax,
  SmoothGrad,
  sobelMap,
  Target,
} from '#lib/index.js'
import { heldOutScenes, loadPair } from '../../examples/quickstart/scenes.js'
import { bag, text } from '../oracles/bagOfTokens.js'
import { close } from '../oracles/close.js'
import { floats, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { repositoryRoot } from '../oracles/repository.js'

const pair = loadPair(join(repositoryRoot, 'models'))

/** Scenes with maps of very unlike sizes: whoever scales by a maximum over all of them changes the small ones. */
const scenes = (count: number): MetricSample[] =>
  [...heldOutScenes(count)].map((scene, at) => ({
    id: scene.name,
    input: scene.badge,
    target: scene.label,
    map: sobelMap(scene.badge).map(score => score * 1000 ** at),
  }))

const metrics = (model: Model): Metric[] => [
  new Deletion(model),
  new Insertion(model, { steps: 7 }),
  new PixelFlipping(model, { featuresInStep: 2000 }),
  new Comprehensiveness(model),
  new FaithfulnessCorrelation(model, { runs: 20 }),
  new MuFidelity(model, { samples: 30 }),
  new Infidelity(model, { perturbation: 'mask' }),
  new Infidelity(model, { perturbation: 'square', size: 16 }),
]

const correlations = new Set(['FaithfulnessCorrelation', 'MuFidelity'])

function alike(t: ExecutionContext, found: SampleResult, alone: SampleResult, name: string): void {
  t.deepEqual(Object.keys(found.values), ['logit', 'probability'], name)
  for (const key of Object.keys(alone.values)) {
    const [a, b] = [found.values[key]!, alone.values[key]!]
    // What is correlated is compared on the scale of a correlation: near 0 it is a difference of large numbers.
    const scale = correlations.has(name) ? 1 : Math.abs(b)
    t.true(Math.abs(a - b) <= 1e-5 * scale + 1e-9, `${name}, ${key}: ${a}, alone ${b}`)
  }
}

test('a sample has the value that it has alone, whatever its batch mates, their order and the chunk', async t => {
  const { sound } = await pair
  const samples = scenes(3)
  for (const metric of metrics(sound)) {
    const { name } = metric.identity()
    const together = await metric.evaluate(samples)
    const backwards = await metric.evaluate([...samples].reverse(), { chunk: 3 })
    for (const [at, sample] of samples.entries()) {
      const alone = (await metric.evaluate([sample])).samples[0]!
      alike(t, together.samples[at]!, alone, name)
      alike(t, backwards.samples[2 - at]!, alone, name)
    }
    t.deepEqual(
      together.samples.map(({ id }) => id),
      samples.map(({ id }) => id),
    )
  }
})

test('maps of neighbours and of other classes are the same alone and with those of other samples', async t => {
  const { sound } = await pair
  const samples = scenes(4).map(({ map: _, ...sample }) => sample)
  const maps = new InputXGradient(sound)
  /** A method that the metric knows nothing of: explained one after the other. */
  const plain = {
    model: sound,
    attribute: (...call: Parameters<typeof maps.attribute>) => maps.attribute(...call),
  }
  for (const metric of [new SensitivityMax({ samples: 9 }), new RandomLogit()]) {
    const { name } = metric.identity()
    const together = await metric.evaluate(samples, { maps })
    const backwards = await metric.evaluate([...samples].reverse(), { maps })
    const oneByOne = await metric.evaluate(samples, { maps: plain })
    t.is(together.cost.forwardPasses, oneByOne.cost.forwardPasses, name)
    for (const [at, sample] of samples.entries()) {
      const alone = (await metric.evaluate([sample], { maps })).samples[0]!
      for (const [key, value] of Object.entries(alone.values))
        for (const { samples } of [together, { samples: backwards.samples.toReversed() }, oneByOne]) {
          const found = samples[at]!.values[key]!
          t.true(
            Math.abs(found - value) <= 1e-5 * Math.abs(value),
            `${name}, ${key}: ${found}, alone ${value}`,
          )
        }
    }
  }
})

test('scores alone are those of the results, for classes and layers of their own', async t => {
  const { sound } = await pair
  const inputs = scenes(3).map(({ input }) => input)
  for (const [method, options] of [
    [new InputXGradient(sound), {}],
    [new GradCam(sound), {}],
    [new Saliency(sound), { layer: 'last-convolution' }],
    [new SmoothGrad(sound, { samples: 3 }), {}],
  ] as const) {
    const calls = inputs.map((input, at) => ({ input, target: Target.class(2 * at) }))
    const plain = await method.scoresOf(calls, options)
    const tops = await method.scoresOf([{ input: inputs[0]!, target: Target.from(undefined) }], options)
    const expected = [...calls, { input: inputs[0]!, target: undefined }]
    for (const [at, found] of [...plain, ...tops].entries()) {
      const { input, target } = expected[at]!
      const whole = await method.attribute(input, { ...options, ...(target ? { target } : {}) })
      for (const [value, { name: own, units, scores }] of whole.inputs.entries()) {
        const alone = found.values[value]!
        t.is(alone.name, own)
        t.deepEqual(alone.units, units)
        close(t, alone.scores, scores.data as Float32Array, 1e-5)
      }
    }
  }
})

test('random draws follow the seed and the name of a sample', async t => {
  const { sound } = await pair
  const [sample] = scenes(1)
  const value = async (seed: number, id: string) => {
    const metric = new MuFidelity(sound, { samples: 12, seed })
    return (await metric.evaluate([{ ...sample!, id }])).samples[0]!.values.logit
  }
  t.is(await value(1, 'a'), await value(1, 'a'))
  t.not(await value(1, 'a'), await value(2, 'a'))
  t.not(await value(1, 'a'), await value(1, 'b'))
})

test('samples stream one by one, progress is told and an abort stops', async t => {
  const { sound } = await pair
  const deletion = new Deletion(sound, { steps: 2 })
  let read = 0
  async function* endless() {
    for (;;) for (const sample of scenes(2)) yield { ...sample, id: String(read++) }
  }
  const first: string[] = []
  for await (const { id } of deletion.stream(endless())) {
    first.push(id!)
    if (first.length === 20) break
  }
  t.deepEqual(
    first,
    Array.from({ length: 20 }, (_, at) => String(at)),
  )
  t.true(read <= 33, `${read} samples were read for 20 results`)
  const seen: [number, number | undefined][] = []
  await deletion.evaluate(scenes(2), { onProgress: (...each) => seen.push(each) })
  t.deepEqual(seen, [
    [1, 2],
    [2, 2],
  ])
  await t.throwsAsync(deletion.evaluate(scenes(1), { signal: AbortSignal.abort() }), { code: 'ABORTED' })
  const controller = new AbortController()
  const long = new PixelFlipping(sound, { featuresInStep: 4 }).evaluate(scenes(1), {
    signal: controller.signal,
  })
  setTimeout(() => controller.abort(), 50)
  await t.throwsAsync(long, { code: 'ABORTED' })
})

test('maps may come from a method, from a function, or be recorded: the values are the same', async t => {
  const { sound } = await pair
  const deletion = new Deletion(sound)
  const method = new InputXGradient(sound)
  const samples = scenes(2).map(({ map: _, ...sample }) => sample)
  const computed = await deletion.evaluate(samples, { maps: method })
  const given = await deletion.evaluate(samples, {
    maps: ({ input, target }) => method.attribute(input, { target: target as string }),
  })
  const recorded = await deletion.evaluate(
    await Promise.all(
      samples.map(async sample => ({
        ...sample,
        map: (await method.attribute(sample.input, { target: sample.target as string })).scores().data,
      })),
    ),
  )
  t.deepEqual(given.samples, computed.samples)
  t.deepEqual(recorded.samples, computed.samples)
  await t.throwsAsync(deletion.evaluate(samples, { maps: 'IntegratedGradients' as never }), {
    code: 'OPTION_TYPE',
  })
})

test('tokens are removed as wholes where the model looks them up; what is masked anyway costs nothing', async t => {
  const model = await bag()
  const target = Target.regression()
  const sample = { input: text([1, 4, 2, 3], [1, 1, 0, 1]), target }
  const method = new InputXGradient(model)
  const deletion = new Deletion(model, { steps: 4 })
  const found = await deletion.evaluate([sample], { maps: method })
  const curve = found.samples[0]!.curves!.score!
  t.is(curve.length, 5)
  const { outputs } = await model.run(sample.input)
  close(t, [curve[0]!, curve[4]!], [Number(outputs.y!.data[0]), 0], 1e-6)
  const third = { ...sample, map: [0, 0, 1, 0] }
  const masked = await deletion.evaluate([third])
  const [whole, without] = masked.samples[0]!.curves!.score!
  t.is(whole, without)
  const sensitivity = new SensitivityMax({ samples: 2 })
  await t.throwsAsync(sensitivity.evaluate([third], { maps: deletion as never }), { code: 'OPTION_TYPE' })
})

test('a model of a fixed batch that does not let go of it gives the same values, with a warning', async t => {
  const make = (batch: number | string) =>
    loadModel(
      writeModel({
        opset: 17,
        nodes: [
          { op: 'Add', inputs: ['x', 'offset'], outputs: ['moved'] },
          { op: 'Gemm', inputs: ['moved', 'w'], outputs: ['y'] },
        ],
        tensors: [
          floats('w', [6, 3], index => Math.sin(index)),
          // As many rows as the batch: no other batch fits.
          floats('offset', [typeof batch === 'number' ? batch : 1, 6], index => index % 6),
        ],
        inputs: [valueInfo('x', [batch, 6])],
        outputs: [valueInfo('y', [batch, 3])],
      }),
    )
  const input = createTensor(
    'f32',
    [1, 6],
    Float32Array.from({ length: 6 }, (_, at) => Math.cos(at)),
  )
  const sample = { input, target: 1, map: [6, 5, 4, 3, 2, 1] }
  const free = await new Deletion(await make('N'), { steps: 6 }).evaluate([sample])
  const fixed = await new Deletion(await make(2), { steps: 6 }).evaluate([sample])
  close(t, fixed.samples[0]!.curves!.logit!, free.samples[0]!.curves!.logit!, 1e-6)
  t.deepEqual(
    fixed.warnings.map(({ code }) => code),
    ['BATCH_FIXED'],
  )
  t.is(fixed.cost.forwardPasses, 7)
  await t.throwsAsync(new Deletion(await make('N'), { steps: 6 }).evaluate([{ ...sample, target: 3 }]), {
    code: 'TARGET_INVALID',
  })
})
