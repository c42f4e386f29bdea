import test, { type ExecutionContext } from 'ava'
import {
  AblationCam,
  type AttributeOptions,
  type Attribution,
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
  GradientShap,
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
  type Model,
  NeuronConductance,
  NeuronGradient,
  NeuronIntegratedGradients,
  Occlusion,
  Saliency,
  ScoreCam,
  ShapleyValues,
  XGradCam,
} from '#lib/index.js'
import { uniformDraws } from '#lib/methods/inputs/pathDraws.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { loadPeerModel, peerPicture, readPeers } from '../oracles/recordedPeers.js'

/** What Captum and pytorch-grad-cam make of three exported models: test/fixtures/peers/record.py, versions inside. */
type Recorded = Record<string, number[]> & { layer: string; neuron: number[] }
const { target, models } = readPeers<{
  target: number
  models: Record<string, Recorded>
}>('peers.json')

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
  ScoreCam: model => new ScoreCam(model, { masks: 'corners' }),
  AblationCam: model => new AblationCam(model),
}

for (const [name, recorded] of Object.entries(models)) {
  const x = peerPicture(recorded.x!)
  const all = createTensor('f32', [3, 3, 12, 12], Float32Array.from(recorded.baselines!))
  const baseline = peerPicture(recorded.baselines!)
  const scoresOf = async (method: GradientMethod, options: AttributeOptions) =>
    (await method.attribute(x, options)).scores().data as Float32Array

  test(`${name}: guided Grad-CAM is guided backpropagation times the enlarged map`, async t => {
    const model = await loadPeerModel(name)
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
    const model = await loadPeerModel(name)
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
    t.log(`EigenCam ${Math.min(...distances).toExponential(1)}`)
    // The sign of a component is arbitrary there.
    t.true(Math.min(...distances) <= 1e-3, `EigenCam: ${distances}`)
  })

  test(`${name}: where Captum's weights do not add up, ours differ by what they miss`, async t => {
    const model = await loadPeerModel(name)
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

/** What Captum was given in the place of its own draws. */
const draws = readPeers<Record<string, number[]>>('draws.json')

test('the draws that Captum was given are those of the seed', t => {
  const { baselines, points } = uniformDraws(10, 3, 0)
  t.deepEqual([...baselines!], draws.baselines)
  t.deepEqual([...(points ?? [])], draws.places)
})

for (const [name, recorded] of Object.entries(models)) {
  const x = peerPicture(recorded.x!)
  const all = createTensor('f32', [3, 3, 12, 12], Float32Array.from(recorded.baselines!))
  const baseline = peerPicture(recorded.baselines!)
  const near = (t: ExecutionContext, found: Attribution, key: string, share = 1) => {
    const expected = recorded[key]!.slice(0, recorded[key]!.length / share)
    const distance = relativeDistance(found.scores().data as Float32Array, expected)
    t.log(`${key} ${distance.toExponential(1)}`)
    t.true(distance <= 1e-3, `${key}: ${distance}`)
  }

  test(`${name}: GradientSHAP by the same draws, Shapley values of quarters, occlusion`, async t => {
    const model = await loadPeerModel(name)
    const shap = new GradientShap(model, { sampling: 'captum', samples: 10, seed: 0 })
    near(t, await shap.attribute(x, { target, baseline: all }), 'GradientShap')
    const labels = Array.from({ length: 144 }, (_, at) => Math.floor(at / 72) * 2 + Math.floor((at % 12) / 6))
    const shapley = new ShapleyValues(model, { regions: { kind: 'labels', labels } })
    // Captum gives every channel the score of the place.
    near(t, await shapley.attribute(x, { target, baseline }), 'ShapleyValues', 3)
    const occlusion = new Occlusion(model, { window: 4, stride: 2 })
    near(t, await occlusion.attribute(x, { target, baseline }), 'Occlusion', 3)
  })

  test(`${name}: Score-CAM and Ablation-CAM where pytorch-grad-cam goes its own way`, async t => {
    const model = await loadPeerModel(name)
    const layer = camLayers[name]!
    const scoresOf = async (method: GradientMethod) =>
      (await method.attribute(x, { target, layer })).scores().data as Float32Array
    // Maps as large as the picture are laid over it in one way only.
    const corners = relativeDistance(await scoresOf(new ScoreCam(model)), recorded.ScoreCam!)
    t.is(corners <= 1e-5, name === 'residual', `${corners}`)
    // Where an activation is below 0 its own layer takes 1e7 off in place of the 0 of the paper, and once more for each
    // channel before it in the batch.
    const own = relativeDistance(await scoresOf(new AblationCam(model)), recorded['AblationCam ownLayer']!)
    t.is(own <= 1e-3, name !== 'attention', `${own}`)
  })
}

test("through max pooling ours keeps the sum that Captum's misses", async t => {
  const recorded = models.plain!
  const model = await loadPeerModel('plain')
  const x = peerPicture(recorded.x!)
  const baseline = peerPicture(recorded.baselines!)
  const { checks } = await new DeepLift(model).attribute(x, { target, baseline })
  const { difference, relative } = checks.completeness![0]!
  t.true(relative! < 2e-6, `${relative}`)
  const sum = recorded.DeepLift!.reduce((a, b) => a + b, 0)
  t.true(Math.abs(sum - difference) > 1e-3 * Math.abs(difference))
})
