import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Image, type TcavResult } from '#lib/index.js'
import { type BadgePolicy, generateScene, SCENE_SIZE } from '../../models/scenes/generator.js'
import { SCENE_LABELS } from '../../models/scenes/objects.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'
import { runCli, scenes } from './runCli.js'

const classes = SCENE_LABELS.length
const label = 3

/** Scenes of one class (or of all), drawn into a folder. */
async function draw(folder: string, from: number, count: number, badge: BadgePolicy, isClass: boolean) {
  await mkdir(folder, { recursive: true })
  for (let at = 0; at < count; at++) {
    const index = isClass ? classes * (from + at) + label : from + at
    const { pixels } = generateScene(index, { seed: 11, badge })
    const picture = Image.fromPixels({ width: SCENE_SIZE, height: SCENE_SIZE, channels: 3, data: pixels })
    await picture.writePng(join(folder, `${at}.png`))
  }
}

/** Concepts: the object of a class without its badge; the badge of that class, on scenes of other classes. */
async function examples(t: ExecutionContext) {
  const folder = await temporaryFolder(t)
  await draw(join(folder, 'inputs'), 0, 8, 'own', true)
  await draw(join(folder, 'object'), 100, 12, 'none', true)
  for (let set = 0; set < 10; set++)
    await draw(join(folder, 'random', `${set}`), 2000 + 24 * set, 12, 'none', false)
  await draw(join(folder, 'chance'), 5000, 12, 'none', false)
  return folder
}
const withPictures = ['--preprocessing', scenes('preprocessor_config.json')]

test.serial(
  'the object of a class is a concept that its score rises towards; other scenes are none',
  async t => {
    const folder = await examples(t)
    const out = join(folder, 'page.html')
    const flags = [
      ...['--target', String(label), '--concept', join(folder, 'object')],
      ...['--concept', `anything=${join(folder, 'chance')}`, '--random', join(folder, 'random')],
    ]
    const run = (...more: string[]) =>
      runCli([
        'tcav',
        scenes('scenes-sound.onnx'),
        join(folder, 'inputs'),
        ...withPictures,
        ...flags,
        ...more,
      ])
    const { code, out: text } = await run('--out', out, '--json')
    t.is(code, 0, text)
    const { results } = JSON.parse(text) as { results: TcavResult[] }
    const [object, anything] = results[0]!.concepts
    t.is(object!.name, 'object')
    t.is(anything!.name, 'anything')
    t.is(results[0]!.inputs, 8)
    t.is(results[0]!.randomSignCounts.length, 10)
    t.is(object!.signCount, 1)
    t.true(object!.isReliable && object!.pValue < 0.05, `${object!.accuracy} ${object!.pValue}`)
    t.true(!anything!.isReliable || anything!.pValue > 0.05, `${anything!.accuracy} ${anything!.pValue}`)
    const page = await readFile(out, 'utf8')
    t.true(page.startsWith('<!doctype html>') && page.includes('object') && !page.includes('<script'))
    const shown = await run()
    t.regex(shown.out, /object +100\.0 %.*yes/)
    t.regex(shown.out, /random +.*10 sets/)
  },
)

test.serial(
  'one folder of random examples is dealt out; too few, and what is no folder, are refused',
  async t => {
    const folder = await temporaryFolder(t)
    await draw(join(folder, 'inputs'), 0, 2, 'own', true)
    await draw(join(folder, 'object'), 100, 3, 'none', true)
    await draw(join(folder, 'pool'), 2000, 20, 'none', false)
    const run = async (...more: string[]) => {
      const { code, out } = await runCli([
        ...['tcav', scenes('scenes-sound.onnx'), join(folder, 'inputs'), ...withPictures],
        ...['--target', String(label), '--json', ...more],
      ])
      return [code, JSON.parse(out)] as const
    }
    const concept = ['--concept', join(folder, 'object')]
    const [code, { results }] = await run(...concept, '--random', join(folder, 'pool'))
    t.is(code, 0)
    t.is(results[0].randomSignCounts.length, 10)
    const refused = async (...more: string[]) => {
      const [code, { error }] = await run(...more)
      return [code, error.code]
    }
    t.deepEqual(await refused(...concept, '--random', join(folder, 'object')), [2, 'OPTION_RANGE'])
    t.deepEqual(await refused(...concept, '--random', join(folder, 'none')), [3, 'FILE_NOT_FOUND'])
    t.deepEqual(await refused(...concept, ...concept, '--random', join(folder, 'pool')), [2, 'OPTION_RANGE'])
    t.deepEqual(await refused(...concept, '--random', join(folder, 'inputs/0.png')), [2, 'OPTION_RANGE'])
    t.deepEqual(await refused(...concept, '--random', join(folder, 'pool'), '--out', 'a.png'), [
      2,
      'OPTION_RANGE',
    ])
    t.deepEqual(await refused(...concept, '--random', join(folder, 'pool'), '--layer', 'nowhere'), [
      3,
      'LAYER_NOT_FOUND',
    ])
  },
)
