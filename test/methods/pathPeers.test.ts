import test from 'ava'
import {
  BlurIntegratedGradients,
  type GradientMethod,
  GuidedIntegratedGradients,
  Idgi,
  type Model,
} from '#lib/index.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { loadPeerModel, peerPicture, readPeers } from '../oracles/recordedPeers.js'

/** What the authors' own software makes of three exported models: record_paths.py, versions inside. */
type Recorded = Record<string, number[]>
const { target, models } = readPeers<{ target: number; models: Record<string, Recorded> }>('paths.json')
const inputs = readPeers<{ models: Record<string, Recorded> }>('peers.json').models

const blurred = { maximumSigma: 3, steps: 30, rule: 'riemann_left' } as const
const methods: Record<string, (model: Model) => GradientMethod> = {
  GuidedIntegratedGradients: model => new GuidedIntegratedGradients(model, { steps: 50, rule: 'left' }),
  'GuidedIntegratedGradients wide': model =>
    new GuidedIntegratedGradients(model, { steps: 20, fraction: 0.5, maximumDistance: 1, rule: 'left' }),
  Idgi: model => new Idgi(model, { steps: 50 }),
  // With differences of 1e-5 pixels in place of 1e-2, and Gaussians cut at 8 sigmas in place of 4.
  'BlurIntegratedGradients finer': model => new BlurIntegratedGradients(model, blurred),
}

for (const [name, recorded] of Object.entries(models)) {
  const x = peerPicture(inputs[name]!.x!)
  const baseline = peerPicture(inputs[name]!.baselines!)
  for (const [method, make] of Object.entries(methods)) {
    // The authors' software is 0.063 from itself there when its gradients are scaled by noise of 1e-8 (and 0.024 from
    // this one).
    if (name === 'attention' && method === 'GuidedIntegratedGradients wide') continue
    test(`${name}: ${method} is what its authors' software makes of it`, async t => {
      const model = await loadPeerModel(name)
      const given = method.startsWith('Blur') ? { target } : { target, baseline }
      const map = await make(model).attribute(x, given)
      const distance = relativeDistance(map.scores().data as Float32Array, recorded[method]!)
      t.log(`relative L2 ${distance.toExponential(1)}`)
      t.true(distance <= 1e-3, `${distance}`)
    })
  }

  test(`${name}: the blurred path is as far from the authors' coarse differences as their own finer ones are`, async t => {
    const model = await loadPeerModel(name)
    const map = await new BlurIntegratedGradients(model, blurred).attribute(x, { target })
    const coarse = recorded.BlurIntegratedGradients!
    const distance = relativeDistance(map.scores().data as Float32Array, coarse)
    t.log(`relative L2 ${distance.toExponential(1)}`)
    t.true(Math.abs(distance - relativeDistance(recorded['BlurIntegratedGradients finer']!, coarse)) <= 1e-4)
  })
}
