import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  AblationCam,
  type AttributeOptions,
  createTensor,
  Deconvolution,
  DeepLift,
  DeepLiftShap,
  EigenCam,
  FeatureAblation,
  GradCam,
  GradCamElementwise,
  GradCamPlusPlus,
  type GradientMethod,
  GuidedBackprop,
  GuidedGradCam,
  HiResCam,
  InputXGradient,
  IntegratedGradients,
  InternalInfluence,
  LayerActivation,
  LayerCam,
  LayerConductance,
  LayerGradientXActivation,
  LayerIntegratedGradients,
  loadModel,
  type Model,
  NeuronConductance,
  NeuronGradient,
  NeuronIntegratedGradients,
  Saliency,
  ScoreCam,
  XGradCam,
} from '#lib/index.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { repositoryRoot } from '../oracles/repository.js'

/** What Captum and pytorch-grad-cam make of three exported models: test/fixtures/peers/record.py, versions inside. */
const folder = join(repositoryRoot, 'test/fixtures/peers')
type Recorded = Record<string, number[]> & { layer: string; neuron: number[] }
const { target, models } = JSON.parse(readFileSync(join(folder, 'peers.json'), 'utf8')) as {
  target: number
  models: Record<string, Recorded>
}

/** The layer that was hooked, by the name of its ONNX node. */
const layers: Record<string, string> = {
  plain: '/maps/Relu',
  residual: '/maps/Relu',
  attention: '/norm2/LayerNormalization',
}
const camLayers: Record<string, string> = { ...layers, attention: '/norm1/LayerNormalization' }

const features = createTensor(
  'f32',
  [1, 1, 12, 12],
  Float32Array.from({ length: 144 }, (_, at) => Math.floor(at / 48) * 3 + Math.floor((at % 12) / 4)),
)

/** Of max pooling behind a rectifier Captum's rule is lost: deepLiftPeers.test.ts. */
const pooling = { maxPool: 'gradient' } as const

type Make = (model: Model, recorded: Recorded, name: string) => GradientMethod
const unit = (name: string, { neuron }: Recorded) => ({ layer: layers[name]!, index: neuron })
const ofInputs: Record<string, Make> = {
  Saliency: model => new Saliency(model),
  InputXGradient: model => new InputXGradient(model),
  IntegratedGradients: model => new IntegratedGradients(model),
  'IntegratedGradients riemann_trapezoid': model =>
    new IntegratedGradients(model, { rule: 'captum-trapezoid' }),
  FeatureAblation: model => new FeatureAblation(model, { features }),
  GuidedBackprop: model => new GuidedBackprop(model),
  Deconvolution: model => new Deconvolution(model),
  DeepLift: model => new DeepLift(model, pooling),
  NeuronConductance: (model, recorded, name) =>
    new NeuronConductance(model, unit(name, recorded), { rule: 'captum-trapezoid' }),
  'NeuronConductance gausslegendre': (model, recorded, name) =>
    new NeuronConductance(model, unit(name, recorded)),
}
const ofUnits: Record<string, Make> = {
  NeuronGradient: (model, recorded, name) => new NeuronGradient(model, unit(name, recorded)),
  NeuronIntegratedGradients: (model, recorded, name) =>
    new NeuronIntegratedGradients(model, unit(name, recorded)),
}
const ofLayers: Record<string, Make> = {
  LayerActivation: model => new LayerActivation(model),
  LayerGradientXActivation: model => new LayerGradientXActivation(model),
  LayerIntegratedGradients: model => new LayerIntegratedGradients(model, { path: 'layer' }),
  LayerConductance: model => new LayerConductance(model, { points: 'captum' }),
  InternalInfluence: model => new InternalInfluence(model),
}
const ofMaps: Record<string, Make> = {
  GradCam: model => new GradCam(model),
  GradCamPlusPlus: model => new GradCamPlusPlus(model),
  HiResCam: model => new HiResCam(model),
  GradCamElementwise: model => new GradCamElementwise(model),
  LayerCam: model => new LayerCam(model),
  XGradCam: model => new XGradCam(model),
  ScoreCam: model => new ScoreCam(model),
  AblationCam: model => new AblationCam(model),
}

for (const [name, recorded] of Object.entries(models)) {
  const x = createTensor('f32', [1, 3, 12, 12], Float32Array.from(recorded.x!))
  const all = createTensor('f32', [3, 3, 12, 12], Float32Array.from(recorded.baselines!))
  const baseline = createTensor('f32', [1, 3, 12, 12], Float32Array.from(recorded.baselines!.slice(0, 432)))
  const scoresOf = async (method: GradientMethod, options: AttributeOptions) =>
    (await method.attribute(x, options)).scores().data as Float32Array

  test(`${name}: guided Grad-CAM is guided backpropagation times the enlarged map`, async t => {
    const model = await loadModel(join(folder, `${name}.onnx`))
    const layer = camLayers[name]!
    const method = new GuidedGradCam(model)
    if (!recorded.GuidedGradCam) {
      await t.throwsAsync(method.attribute(x, { target, layer }), { code: 'DERIVATIVE_UNSUPPORTED' })
      return
    }
    const nearest = await new GuidedGradCam(model, { interpolation: 'nearest' }).attribute(x, {
      target,
      layer,
    })
    const ours = nearest.scores().data as Float32Array
    if (name === 'plain') {
      // Every place of its map speaks against the class.
      t.true(recorded.GuidedGradCam.every(value => value === 0) && ours.every(value => value === 0))
    } else {
      const distance = relativeDistance(ours, recorded.GuidedGradCam)
      t.log(`against Captum ${distance.toExponential(1)}`)
      t.true(distance <= 1e-3, `${distance}`)
    }

    const guided = await new GuidedBackprop(model).attribute(x, { target: [0, target] })
    const map = await new GradCam(model, { relu: true, upsample: 'bilinear' }).attribute(x, {
      target: [0, target],
      layer,
    })
    const weights = map.scores().data
    const expected = (guided.scores().data as Float32Array).map(
      (value, at) => value * weights[Math.floor(at / 432) * 144 + (at % 144)]!,
    )
    const found = await method.attribute(x, { target: [0, target], layer })
    t.true(relativeDistance(found.scores().data as Float32Array, [...expected]) <= 1e-6)
    t.deepEqual(found.scores().shape, guided.scores().shape)
    t.is(found.cost.forwardPasses, guided.cost.forwardPasses + map.cost.forwardPasses)
    const [one, other] = await method.attributeBatch([x, x], { target, layer })
    t.deepEqual(one!.scores(), other!.scores())
  })

  test(`${name}: what Captum and pytorch-grad-cam recorded, within 1e-3 (relative L2)`, async t => {
    const model = await loadModel(join(folder, `${name}.onnx`))
    const found: [string, Float32Array][] = []
    const add = async (table: Record<string, Make>, options: AttributeOptions) => {
      for (const [method, make] of Object.entries(table))
        if (recorded[method]) found.push([method, await scoresOf(make(model, recorded, name), options)])
    }
    await add(ofInputs, { target, baseline })
    await add(ofUnits, { baseline })
    await add(ofLayers, { target, baseline, layer: layers[name]! })
    await add(ofMaps, { target, layer: camLayers[name]! })
    if (recorded.DeepLiftShap)
      found.push([
        'DeepLiftShap',
        await scoresOf(new DeepLiftShap(model, pooling), { target, baseline: all }),
      ])
    for (const [method, scores] of found) {
      const distance = relativeDistance(scores, recorded[method]!)
      t.log(`${method} ${distance.toExponential(1)}`)
      t.true(distance <= 1e-3, `${method}: ${distance}`)
    }
    const component = await scoresOf(new EigenCam(model), { target, layer: camLayers[name]! })
    const other = recorded.EigenCam!
    const distances = [1, -1].map(sign =>
      relativeDistance(
        component.map(value => sign * value),
        other,
      ),
    )
    // The sign of a component is arbitrary there.
    t.true(Math.min(...distances) <= 1e-3, `EigenCam: ${distances}`)
  })

  test(`${name}: where Captum's weights do not add up, ours differ by what they miss`, async t => {
    const model = await loadModel(join(folder, `${name}.onnx`))
    const right = await scoresOf(new IntegratedGradients(model, { rule: 'riemann_trapezoid' }), {
      target,
      baseline,
    })
    const share = recorded['IntegratedGradients riemann_trapezoid']!.map(value => (value * 50) / 49)
    t.true(relativeDistance(right, share) <= 1e-3)
    const conductance = new NeuronConductance(model, unit(name, recorded), { rule: 'riemann_trapezoid' })
    const expected = recorded.NeuronConductance!.map(value => (value * 50) / 49)
    t.true(relativeDistance(await scoresOf(conductance, { target, baseline }), expected) <= 1e-3)
  })
}

test("through max pooling ours keeps the sum that Captum's misses", async t => {
  const recorded = models.plain!
  const model = await loadModel(join(folder, 'plain.onnx'))
  const x = createTensor('f32', [1, 3, 12, 12], Float32Array.from(recorded.x!))
  const baseline = createTensor('f32', [1, 3, 12, 12], Float32Array.from(recorded.baselines!.slice(0, 432)))
  const { checks } = await new DeepLift(model).attribute(x, { target, baseline })
  const { difference, relative } = checks.completeness![0]!
  t.true(relative! < 2e-6, `${relative}`)
  const sum = recorded.DeepLift!.reduce((a, b) => a + b, 0)
  t.true(Math.abs(sum - difference) > 1e-3 * Math.abs(difference))
})
