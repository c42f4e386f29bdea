import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { InferenceSession } from 'onnxruntime-node'
import { classifyScenes } from '../../models/scenes/classify.js'
import { type BadgePolicy, generateScene } from '../../models/scenes/generator.js'
import { SCENE_LABELS } from '../../models/scenes/objects.js'

const folder = join(import.meta.dirname, '../../../../models')
const TEST_SEED = 3
const COUNT = 128

test('the models are the files that the card describes', async t => {
  const description = JSON.parse(await readFile(join(folder, 'scenes.json'), 'utf8'))
  const card = await readFile(join(folder, 'README.md'), 'utf8')
  t.deepEqual(description.labels, [...SCENE_LABELS])
  for (const name of ['sound', 'shortcut']) {
    const { file, sha256 } = description.models[name]
    const bytes = await readFile(join(folder, file))
    t.is(createHash('sha256').update(bytes).digest('hex'), sha256)
    t.true(card.includes(sha256), `README.md names the hash of ${file}`)
    t.true(bytes.length < 3_000_000)
  }
})

test('both models are right with badges; without them only the shortcut model breaks down', async t => {
  const right = new Map<string, number>()
  for (const name of ['sound', 'shortcut']) {
    const session = await InferenceSession.create(join(folder, `scenes-${name}.onnx`))
    for (const badge of ['own', 'none', 'other'] satisfies BadgePolicy[]) {
      const scenes = Array.from({ length: COUNT }, (_, index) =>
        generateScene(index, { seed: TEST_SEED, badge }),
      )
      const classes = await classifyScenes(
        session,
        scenes.map(scene => scene.pixels),
      )
      const hits = classes.filter((value, index) => value === scenes[index]!.label).length
      right.set(`${name} ${badge}`, hits)
    }
    await session.release()
  }
  t.log(Object.fromEntries(right))
  t.true(right.get('sound own')! >= 122)
  t.true(right.get('shortcut own')! >= 122)
  t.true(right.get('sound none')! >= 122)
  t.true(right.get('sound other')! >= 122)
  t.true(right.get('shortcut none')! <= 32)
  t.true(right.get('shortcut other')! <= 8)
})
