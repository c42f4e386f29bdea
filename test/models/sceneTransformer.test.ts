import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { Image, KernelShap, loadModel, relevanceMass } from '#lib/index.js'
import { generateScene } from '../../models/scenes/generator.js'
import { repositoryRoot } from '../oracles/repository.js'

const folder = join(repositoryRoot, 'models')
const path = join(folder, 'scenes-transformer.onnx')
/** Held out: never used for training or stopping. */
const TEST_SEED = 3

async function load() {
  const { labels, preprocessing } = JSON.parse(await readFile(join(folder, 'scenes.json'), 'utf8'))
  return loadModel(path, { labels, preprocessing })
}

const pictureOf = (index: number) => {
  const scene = generateScene(index, { seed: TEST_SEED, badge: 'none' })
  return { scene, image: Image.fromPixels({ width: 128, height: 128, channels: 3, data: scene.pixels }) }
}

test('the transformer is the file that the card describes', async t => {
  const description = JSON.parse(await readFile(join(folder, 'scenes.json'), 'utf8'))
  const { file, sha256 } = description.models.transformer
  const bytes = await readFile(join(folder, file))
  t.is(createHash('sha256').update(bytes).digest('hex'), sha256)
  t.true((await readFile(join(folder, 'README.md'), 'utf8')).includes(sha256))
  t.true(bytes.length < 1_000_000)
})

test('the transformer: outputs as ONNX Runtime has them within 1e-5, and right about most scenes', async t => {
  const model = await load()
  const session = await InferenceSession.create(path)
  let right = 0
  const count = 64
  for (let first = 0; first < count; first += 16) {
    const scenes = Array.from({ length: 16 }, (_, at) =>
      generateScene(first + at, { seed: TEST_SEED, badge: 'none' }),
    )
    const data = new Float32Array(16 * 3 * 128 * 128)
    for (const [row, { pixels }] of scenes.entries())
      for (let channel = 0; channel < 3; channel++)
        for (let place = 0; place < 128 * 128; place++)
          data[(row * 3 + channel) * 128 * 128 + place] = (pixels[place * 3 + channel]! / 255 - 0.5) / 0.25
    const shape = [16, 3, 128, 128]
    const own = (await model.run({ dtype: 'f32', shape, data })).outputs.logits!.data as Float32Array
    const theirs = (await session.run({ image: new Tensor('float32', data, shape) })).logits!
      .data as Float32Array
    const greatest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    for (const [at, value] of own.entries()) t.true(Math.abs(value - theirs[at]!) <= 1e-5 * greatest)
    for (const [row, { label }] of scenes.entries()) {
      const scores = [...own.subarray(row * 8, row * 8 + 8)]
      if (scores.indexOf(Math.max(...scores)) === label) right++
    }
  }
  t.log(`${right} of ${count}`)
  t.true(right >= 0.75 * count)
})

test('the transformer: Shapley values of regions lie on the object, far beyond its share of the area', async t => {
  const model = await load()
  let [mass, area] = [0, 0]
  const indices = [0, 1, 2, 3]
  for (const index of indices) {
    const { scene, image } = pictureOf(index)
    const attribution = await new KernelShap(model, { samples: 200 }).attribute(image, {
      target: scene.label,
    })
    const own = relevanceMass(attribution.scores().data, scene.objectMask, 'positive')
    mass += own / indices.length
    area += scene.objectMask.reduce((sum, value) => sum + value, 0) / scene.objectMask.length / indices.length
  }
  t.log(`${mass.toFixed(3)} of the mass on ${area.toFixed(3)} of the area`)
  t.true(mass > 3 * area)
})
