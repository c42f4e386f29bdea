import { createHash } from 'node:crypto'
import test from 'ava'
import { type BadgePolicy, generateScene, SCENE_SIZE } from '../../models/scenes/generator.js'
import { SCENE_LABELS } from '../../models/scenes/objects.js'

const SEED = 3
const scenesOf = (count: number, badge: BadgePolicy, seed = SEED) =>
  Array.from({ length: count }, (_, index) => generateScene(index, { seed, badge }))

function changedPixels(first: Uint8Array, second: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: first.length / 3 }, (_, pixel) =>
    Number([0, 1, 2].some(channel => first[pixel * 3 + channel] !== second[pixel * 3 + channel])),
  )
}

test('a scene has the same bytes on every machine, in any order', t => {
  const hash = createHash('sha256')
  for (const index of [5, 0, 16383])
    for (const badge of ['own', 'other', 'none', 'uncorrelated'] as const) {
      const scene = generateScene(index, { seed: 1, badge, fadedShare: 0.5 })
      hash.update(scene.pixels).update(scene.objectMask)
    }
  // Recorded when the training data was made: with another hash the models' card no longer describes the data.
  t.is(hash.digest('hex'), '3b21e5b85dec335e8923b7de51733f0eaa8403e3dc4fdf58ab099dab2f84ee2d')
})

test('scenes of other seeds and other indices differ', t => {
  const hashes = new Set<string>()
  for (let seed = 0; seed < 4; seed++)
    for (const scene of scenesOf(16, 'none', seed))
      hashes.add(createHash('sha256').update(scene.pixels).digest('hex'))
  t.is(hashes.size, 64)
})

test('the classes come equally often', t => {
  const counts = new Array<number>(SCENE_LABELS.length).fill(0)
  for (const scene of scenesOf(64, 'none')) counts[scene.label]!++
  t.deepEqual(counts, new Array<number>(SCENE_LABELS.length).fill(8))
})

test('fading the object changes the pixels of its mask, and outside only its smoothed rim', t => {
  for (let index = 0; index < 16; index++) {
    const scene = generateScene(index, { seed: SEED })
    const faded = generateScene(index, { seed: SEED, fadedShare: 1 })
    t.deepEqual(faded.objectMask, scene.objectMask)
    const changed = changedPixels(scene.pixels, faded.pixels)
    const inside = scene.objectMask.reduce((sum, value) => sum + value, 0)
    const changedInside = changed.reduce((sum, value, pixel) => sum + value * scene.objectMask[pixel]!, 0)
    const changedOutside = changed.reduce(
      (sum, value, pixel) => sum + value * (1 - scene.objectMask[pixel]!),
      0,
    )
    t.true(inside > 300 && inside < 2500, `scene ${index} has ${inside} object pixels`)
    t.true(changedInside / inside > 0.9, `scene ${index}: ${changedInside} of ${inside} changed`)
    t.true(
      changedOutside / (changed.length - inside) < 0.01,
      `scene ${index}: ${changedOutside} outside changed`,
    )
  }
})

test('objects lie off the centre and clear of the badge', t => {
  for (const { objectMask, badge } of scenesOf(64, 'own')) {
    t.is(objectMask[(SCENE_SIZE / 2) * SCENE_SIZE + SCENE_SIZE / 2], 0)
    const { x, y, width, height } = badge.box
    for (let row = y; row < y + height; row++)
      t.false(objectMask.subarray(row * SCENE_SIZE + x, row * SCENE_SIZE + x + width).includes(1))
  }
})

test('badges change the pixels of their box and nothing else', t => {
  for (let index = 0; index < 16; index++) {
    const plain = generateScene(index, { seed: SEED, badge: 'none' })
    const own = generateScene(index, { seed: SEED, badge: 'own' })
    const other = generateScene(index, { seed: SEED, badge: 'other' })
    t.is(plain.badge.symbol, undefined)
    t.is(own.badge.symbol, own.label)
    t.not(other.badge.symbol, other.label)
    const { x, y, width, height } = own.badge.box
    for (const badged of [own, other]) {
      t.deepEqual(badged.badge.box, plain.badge.box)
      let [changedInside, changedOutside] = [0, 0]
      for (const [pixel, isChanged] of changedPixels(plain.pixels, badged.pixels).entries()) {
        const [column, row] = [pixel % SCENE_SIZE, Math.floor(pixel / SCENE_SIZE)]
        if (column >= x && column < x + width && row >= y && row < y + height) changedInside += isChanged
        else changedOutside += isChanged
      }
      t.is(changedOutside, 0)
      t.true(changedInside > 0.9 * width * height)
    }
  }
})

test('uncorrelated badges say nothing about the class', t => {
  const scenes = scenesOf(512, 'uncorrelated')
  const badged = scenes.filter(scene => scene.badge.symbol !== undefined)
  const agreeing = badged.filter(scene => scene.badge.symbol === scene.label)
  // Binomial with 1/2 and 1/8: five standard deviations either way.
  t.true(Math.abs(badged.length - 256) < 57, `${badged.length} of 512 have a badge`)
  t.true(Math.abs(agreeing.length - badged.length / 8) < 27, `${agreeing.length} of ${badged.length} agree`)
})
