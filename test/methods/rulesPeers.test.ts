import test from 'ava'
import {
  type AttributionMethod,
  Cam,
  createTensor,
  IntegratedGradients,
  loadModel,
  type Model,
  Saliency,
  SmoothGrad,
  SmoothGradSquared,
  Target,
  VarGrad,
} from '#lib/index.js'
import { AttnLrp, LayerwiseRelevance } from '#lib/relevance.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { floats, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { loadPeerModel, peerPicture, readPeers } from '../oracles/recordedPeers.js'

/** What Captum, LXT and torch-cam make of three exported models: record_rules.py, versions inside. */
type Recorded = Record<string, number[]>
const { models } = readPeers<{ models: Record<string, Recorded> }>('rules.json')
const { target, models: inputs } = readPeers<{ target: number; models: Record<string, Recorded> }>(
  'peers.json',
)
const noise = readPeers<number[][]>('noise.json')

const samples = { samples: noise.length, sigma: 0.3, seed: 3 }
const convolutions = (rule: 'gamma' | 'captumAlpha1Beta0') => ({ first: rule, convolution: rule })
const methods: Record<string, (model: Model) => AttributionMethod> = {
  SmoothGrad: model => new SmoothGrad(model, samples),
  SmoothGradSquared: model => new SmoothGradSquared(model, samples),
  VarGrad: model => new VarGrad(model, { ...samples, biased: true }),
  'SmoothGrad IntegratedGradients': model => new SmoothGrad(new IntegratedGradients(model), samples),
  'LayerwiseRelevance epsilon': model => new LayerwiseRelevance(model),
  'LayerwiseRelevance gamma': model => new LayerwiseRelevance(model, convolutions('gamma')),
  'LayerwiseRelevance captumAlpha1Beta0': model =>
    new LayerwiseRelevance(model, convolutions('captumAlpha1Beta0')),
  AttnLrp: model => new AttnLrp(model),
  Cam: model => new Cam(model),
}

for (const [name, recorded] of Object.entries(models)) {
  const given = (of: 'x' | 'baselines') => peerPicture(inputs[name]![of]!)
  test(`${name}: noise, relevance and the maps of the head are those that were recorded`, async t => {
    const model = await loadPeerModel(name)
    for (const [method, expected] of Object.entries(recorded)) {
      const baseline = method.endsWith('IntegratedGradients') ? { baseline: given('baselines') } : {}
      const map = await methods[method]!(model).attribute(given('x'), { target, ...baseline })
      const distance = relativeDistance(map.scores().data as Float32Array, expected)
      t.log(`${method} ${distance.toExponential(1)}`)
      t.true(distance <= 1e-4, `${method}: ${distance}`)
    }
  })
}

test('the variance of n samples is n / (n - 1) of that of Captum', async t => {
  const model = await loadPeerModel('plain')
  const x = peerPicture(inputs.plain!.x!)
  const map = await new VarGrad(model, samples).attribute(x, { target })
  const expected = models.plain!.VarGrad!.map(value => (value * noise.length) / (noise.length - 1))
  t.true(relativeDistance(map.scores().data as Float32Array, expected) <= 1e-4)
})

test('the noise that Captum was given is that of the seed: the gradient of half a square at 0 is the noise', async t => {
  const square = await loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Flatten', inputs: ['x'], outputs: ['f'] },
        { op: 'Mul', inputs: ['f', 'f'], outputs: ['s'] },
        { op: 'Mul', inputs: ['s', 'half'], outputs: ['h'] },
        { op: 'ReduceSum', inputs: ['h', 'axis'], outputs: ['y'] },
      ],
      tensors: [floats('half', [1], () => 0.5), tensor('axis', [1], BigInt64Array.of(1n))],
      inputs: [valueInfo('x', ['N', 3, 12, 12])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const zero = createTensor('f32', [1, 3, 12, 12], new Float32Array(432))
  let before = new Float64Array(432)
  for (const [at, expected] of noise.entries()) {
    const method = new SmoothGrad(new Saliency(square, { absolute: false }), { ...samples, samples: at + 1 })
    const mean = (await method.attribute(zero, { target: Target.regression() })).scores().data
    const sum = Float64Array.from(mean as Float32Array, value => value * (at + 1))
    t.true(
      relativeDistance(
        sum.map((value, i) => value - before[i]!),
        expected,
      ) <= 1e-5,
      `sample ${at}`,
    )
    before = sum
  }
})
