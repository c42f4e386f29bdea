import {
  GradCam,
  InputXGradient,
  IntegratedGradients,
  type Model,
  Saliency,
  SmoothGrad,
  SmoothGradSquared,
} from '#lib/index.js'
import { loadScenes, sceneInput } from './model.js'

/** Explains on the CPU and on the CUDA device, and prints for each method how far the maps lie apart. */
const methods: Record<
  string,
  (
    model: Model,
  ) => Promise<{ inputs: readonly { scores: { data: unknown } }[]; environment: { device: string } }>
> = {
  Saliency: model => new Saliency(model).attribute(sceneInput()),
  'InputXGradient of two classes': model =>
    new InputXGradient(model).attribute(sceneInput(), { target: [0, 5] }),
  // At other numbers of steps a ReLU of this net lies within rounding of 0 at one of the points, and a gate that flips
  // moves its receptive field by far more than arithmetic does.
  IntegratedGradients: model => new IntegratedGradients(model, { steps: 5 }).attribute(sceneInput()),
  SmoothGrad: model => new SmoothGrad(model, { samples: 3, seed: 3 }).attribute(sceneInput()),
  'SmoothGrad with samples drawn on the device': model =>
    new SmoothGrad(model, { samples: 6, seed: 3 }).attribute(sceneInput(), { chunk: 4 }),
  'SmoothGradSquared of inputs times gradients': model =>
    new SmoothGradSquared(new InputXGradient(model), { samples: 4, seed: 5 }).attribute(sceneInput()),
  GradCam: model => new GradCam(model).attribute(sceneInput()),
}
for (const [name, explain] of Object.entries(methods)) {
  const [here, there, again] = [
    await explain(await loadScenes({ device: 'cpu' })),
    await explain(await loadScenes({ device: 'cuda' })),
    await explain(await loadScenes({ device: 'cuda' })),
  ]
  const [a, b, c] = [here, there, again].map(({ inputs }) => inputs[0]!.scores.data as Float32Array)
  let difference = 0
  let size = 0
  for (const [i, score] of a!.entries()) {
    difference += (b![i]! - score) ** 2
    size += score ** 2
  }
  console.log(
    JSON.stringify({
      name,
      device: there.environment.device,
      difference: Math.sqrt(difference / size),
      repeats: b!.every((score, i) => score === c![i]),
    }),
  )
}
