import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Image } from '#lib/index.js'
import { generateScene, SCENE_SIZE } from '../../models/scenes/generator.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'
import { runCli, scenes } from './runCli.js'

test.serial('a folder and a table of truths become a page of the wrong predictions', async t => {
  const folder = await temporaryFolder(t)
  const pictures = join(folder, 'pictures')
  await mkdir(pictures)
  const rows = ['file,label']
  for (const [index, badge] of [
    [0, 'other'],
    [1, 'own'],
  ] as const) {
    const { pixels, label } = generateScene(index, { seed: 4, badge })
    const size = { width: SCENE_SIZE, height: SCENE_SIZE, channels: 3 } as const
    await Image.fromPixels({ ...size, data: pixels }).writePng(join(pictures, `${index}.png`))
    rows.push(`${index}.png,${label}`)
  }
  const truth = join(folder, 'truth.csv')
  await writeFile(truth, rows.join('\n'))
  const out = join(folder, 'errors.html')
  const args = ['errors', scenes('scenes-shortcut.onnx'), pictures]
  const settings = [
    '--preprocessing',
    scenes('preprocessor_config.json'),
    '--regions',
    'grid',
    '--region-count',
    '9',
  ]
  const ran = await runCli([...args, '--labels', truth, ...settings, '--out', out, '--json'])
  t.is(ran.code, 0, ran.err)
  const summary = JSON.parse(ran.out)
  t.is(summary.pictures, 2)
  t.is(summary.wrong, 1)
  t.is(summary.errors[0].name, '0.png')
  t.regex(await readFile(out, 'utf8'), /1 of 2 predictions are wrong/)
  // Another absence, and double precision, which is the search's and not the model's.
  const grey = await runCli([
    ...args,
    '--labels',
    truth,
    ...settings,
    '--baseline',
    '0',
    '--precision',
    'f64',
    '--out',
    out,
    '--json',
  ])
  t.is(grey.code, 0, grey.err)
  t.not(JSON.parse(grey.out).errors[0].peak.probability, summary.errors[0].peak.probability)
  const without = await runCli([...args, ...settings, '--out', out, '--json'])
  t.is(JSON.parse(without.out).error.code, 'INPUT_MISSING')
  await writeFile(truth, 'gone.png,1\n')
  const missing = await runCli([...args, '--truth', truth, ...settings, '--out', out, '--json'])
  t.is(JSON.parse(missing.out).error.code, 'FILE_NOT_FOUND')
})
