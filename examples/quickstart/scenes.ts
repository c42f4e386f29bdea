import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Image, loadModel, type Model, readImage } from '#lib/index.js'
import { generateScene, SCENE_SIZE } from '../../models/scenes/generator.js'
import { SCENE_LABELS } from '../../models/scenes/objects.js'

/** A scene of which everything is known: what is on it, where, and where the badge is. */
export interface KnownScene {
  name: string
  label: string
  /** With the badge of its class, and without any. */
  badge: Image
  plain: Image
  /** 1 where the object is, and where the badge is, pixel by pixel. */
  objectMask: Uint8Array
  badgeMask: Uint8Array
}

interface Box {
  x: number
  y: number
  width: number
  height: number
}

const area = SCENE_SIZE * SCENE_SIZE

function boxMask({ x, y, width, height }: Box): Uint8Array {
  return Uint8Array.from({ length: area }, (_, at) => {
    const [column, row] = [at % SCENE_SIZE, Math.floor(at / SCENE_SIZE)]
    return column >= x && column < x + width && row >= y && row < y + height ? 1 : 0
  })
}

/** The four scenes of models/examples, read from their files as anybody's pictures are. */
export async function exampleScenes(models: string): Promise<KnownScene[]> {
  const folder = join(models, 'examples')
  const listed = JSON.parse(await readFile(join(folder, 'examples.json'), 'utf8')) as {
    label: string
    badgeBox: Box
    files: { badge: string; plain: string; object: string }
  }[]
  return Promise.all(
    listed.map(async ({ label, badgeBox, files }) => {
      const object = await readImage(join(folder, files.object))
      return {
        name: label.replace(' ', '-'),
        label,
        badge: await readImage(join(folder, files.badge)),
        plain: await readImage(join(folder, files.plain)),
        objectMask: Uint8Array.from({ length: area }, (_, at) => (object.data[at * 3]! > 127 ? 1 : 0)),
        badgeMask: boxMask(badgeBox),
      }
    }),
  )
}

/** Held-out scenes, drawn now: seed 3 was never used for training or for stopping it. */
export function* heldOutScenes(count: number): Generator<KnownScene> {
  for (let index = 0; index < count; index++) {
    const scene = generateScene(index, { seed: 3, badge: 'own' })
    const image = (pixels: Uint8Array) =>
      Image.fromPixels({ width: SCENE_SIZE, height: SCENE_SIZE, channels: 3, data: pixels })
    yield {
      name: `scene ${index}`,
      label: SCENE_LABELS[scene.label]!,
      badge: image(scene.pixels),
      plain: image(generateScene(index, { seed: 3, badge: 'none' }).pixels),
      objectMask: scene.objectMask,
      badgeMask: boxMask(scene.badge.box),
    }
  }
}

/** The bundled pair: as accurate as each other, for different reasons. */
export async function loadPair(models: string): Promise<{ sound: Model; shortcut: Model }> {
  const { labels } = JSON.parse(await readFile(join(models, 'scenes.json'), 'utf8')) as { labels: string[] }
  const options = { preprocessing: join(models, 'preprocessor_config.json'), labels }
  const [sound, shortcut] = await Promise.all([
    loadModel(join(models, 'scenes-sound.onnx'), { ...options, name: 'sound model' }),
    loadModel(join(models, 'scenes-shortcut.onnx'), { ...options, name: 'shortcut model' }),
  ])
  return { sound, shortcut }
}
