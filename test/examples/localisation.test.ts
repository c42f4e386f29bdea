import { join } from 'node:path'
import test from 'ava'
import { withShuffledParameters } from '#lib/index.js'
import { exampleScenes, heldOutScenes, loadPair } from '../../examples/quickstart/scenes.js'
import { measureShares } from '../../examples/quickstart/shares.js'
import { repositoryRoot } from '../oracles/repository.js'

const models = join(repositoryRoot, 'models')

test('attribution lies on the object of the sound model and on the badge of the shortcut model', async t => {
  const pair = await loadPair(models)
  const rows = await measureShares(pair, [...heldOutScenes(12)], () => {})
  const of = (name: string) => rows.find(row => row.name === name)!
  const nulls = rows.filter(row => row.isNull)
  t.is(nulls.length, 4)
  for (const row of nulls) {
    t.true(of('sound model').object.low > row.object.high, `object: ${JSON.stringify(row)}`)
    t.true(of('shortcut model').badge.low > row.badge.high, `badge: ${JSON.stringify(row)}`)
  }
  t.true(of('sound model').badge.high < 0.1)
  t.true(of('shortcut model').object.high < 0.15)
})

test('the scenes in the files are those that the generator draws', async t => {
  const scenes = await exampleScenes(models)
  t.is(scenes.length, 4)
  for (const scene of scenes) {
    t.true(scene.objectMask.reduce((sum, value) => sum + value, 0) > 300)
    t.is(
      scene.badgeMask.reduce((sum, value) => sum + value, 0),
      256,
    )
    const differing = scene.badge.data.findIndex(
      (value, at) => value !== scene.plain.data[at] && scene.badgeMask[Math.floor(at / 3)] === 0,
    )
    t.is(differing, -1, 'with and without its badge a scene differs only inside the badge')
  }
})

test('shuffled weights are the same weights in another order', async t => {
  const { sound } = await loadPair(models)
  const [first] = sound.parameters.list()
  const before = [...(sound.parameters.read(first!.name).data as Float32Array)]
  const after = [...(withShuffledParameters(sound, 5).parameters.read(first!.name).data as Float32Array)]
  t.notDeepEqual(after, before)
  t.deepEqual(
    after.sort((a, b) => a - b),
    before.sort((a, b) => a - b),
  )
})
