/**
 * Writes models/examples: scenes of the examples' seed (never trained or tested on) with their badge, the same
 * scenes without it, and the objects' masks. Taken is the first scene of each listed class that both models get
 * right with its badge and of which only the shortcut model changes its mind without it, so they illustrate and
 * prove nothing: the figures in the README are from all test scenes. `node build/ts/models/scenes/writeExamples.js`
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import { encodePng } from '#lib/data/png.js'
import { classifyScenes } from './classify.js'
import { generateScene, SCENE_SIZE } from './generator.js'
import { SCENE_LABELS } from './objects.js'

const SEED = 4
const CLASSES = [0, 1, 3, 6]
const root = join(import.meta.dirname, '../../../../models')
const folder = join(root, 'examples')

const sound = await InferenceSession.create(join(root, 'scenes-sound.onnx'))
const shortcut = await InferenceSession.create(join(root, 'scenes-shortcut.onnx'))

async function illustrates(index: number): Promise<boolean> {
  const scenes = (['own', 'none'] as const).map(badge => generateScene(index, { seed: SEED, badge }))
  const pixels = scenes.map(scene => scene.pixels)
  const { label } = scenes[0]!
  const [soundWith, soundWithout] = await classifyScenes(sound, pixels)
  const [shortcutWith, shortcutWithout] = await classifyScenes(shortcut, pixels)
  return soundWith === label && soundWithout === label && shortcutWith === label && shortcutWithout !== label
}

await mkdir(folder, { recursive: true })
const examples = []
for (const label of CLASSES) {
  let index = label
  while (!(await illustrates(index))) index += SCENE_LABELS.length
  const badged = generateScene(index, { seed: SEED, badge: 'own' })
  const plain = generateScene(index, { seed: SEED, badge: 'none' })
  const name = SCENE_LABELS[label]!.replace(' ', '-')
  const files = { badge: `${name}.badge.png`, plain: `${name}.plain.png`, object: `${name}.object.png` }
  const size = { width: SCENE_SIZE, height: SCENE_SIZE }
  const mask = badged.objectMask.map(value => value * 255)
  await writeFile(join(folder, files.badge), await encodePng({ ...size, channels: 3, data: badged.pixels }))
  await writeFile(join(folder, files.plain), await encodePng({ ...size, channels: 3, data: plain.pixels }))
  await writeFile(join(folder, files.object), await encodePng({ ...size, channels: 1, data: mask }))
  examples.push({ seed: SEED, index, label: SCENE_LABELS[label], badgeBox: badged.badge.box, files })
}
await writeFile(join(folder, 'examples.json'), `${JSON.stringify(examples, null, 2)}\n`)
