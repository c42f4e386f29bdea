import { join } from 'node:path'
import { createTensor, type LoadModelOptions, loadModel, type Model, type Tensor } from '#lib/index.js'

/** The bundled model that the programs of this folder drive, and a repeatable input for it. */
export function loadScenes(options: LoadModelOptions = {}): Promise<Model> {
  return loadModel(join(import.meta.dirname, '../../../../../models/scenes-sound.onnx'), options)
}

export function sceneInput(): Tensor {
  const data = Float32Array.from(
    { length: 3 * 128 * 128 },
    (_, i) => Math.sin(i * 0.37) * Math.cos(i * 0.011),
  )
  return createTensor('f32', [1, 3, 128, 128], data)
}
