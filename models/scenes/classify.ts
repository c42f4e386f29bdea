import type { InferenceSession } from 'onnxruntime-node'
import { SCENE_SIZE } from './generator.js'

/** The models' input for one scene: (value / 255 - 0.5) / 0.25, colour by colour. */
export function sceneToInput(pixels: Uint8Array, into: Float32Array): void {
  const area = SCENE_SIZE * SCENE_SIZE
  for (let channel = 0; channel < 3; channel++)
    for (let at = 0; at < area; at++)
      into[channel * area + at] = (pixels[at * 3 + channel]! / 255 - 0.5) / 0.25
}

/** The class that a model gives to each scene, by ONNX Runtime: what the provenance card's figures rest on. */
export async function classifyScenes(
  session: InferenceSession,
  scenes: readonly Uint8Array[],
): Promise<number[]> {
  const { Tensor } = await import('onnxruntime-node')
  const size = SCENE_SIZE * SCENE_SIZE * 3
  const input = new Float32Array(scenes.length * size)
  for (const [index, pixels] of scenes.entries())
    sceneToInput(pixels, input.subarray(index * size, (index + 1) * size))
  const shape = [scenes.length, 3, SCENE_SIZE, SCENE_SIZE]
  const { logits } = await session.run({ image: new Tensor('float32', input, shape) })
  const values = logits!.data as Float32Array
  const classes = values.length / scenes.length
  return scenes.map((_, index) => {
    const row = values.subarray(index * classes, (index + 1) * classes)
    return row.indexOf(Math.max(...row))
  })
}
