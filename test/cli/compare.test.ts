import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { temporaryFolder } from '../oracles/temporaryFolder.js'
import { runCli, scenes } from './runCli.js'

const model = scenes('scenes-sound.onnx')
const pictures = ['striped-disc.badge.png', 'spoked-ring.badge.png'].map(name => scenes('examples', name))
const withPictures = ['--preprocessing', scenes('preprocessor_config.json')]

test.serial('several methods become one page, and the figures a document', async t => {
  const out = join(await temporaryFolder(t), 'page.html')
  const methods = 'saliency,integrated-gradients:steps=4:rule=riemann_middle'
  const { code, out: text } = await runCli([
    ...['compare', model, ...pictures, ...withPictures],
    ...['--methods', methods, '--metrics', 'deletion,Sparseness', '--out', out, '--json'],
  ])
  t.is(code, 0, text)
  const { rows, spearman, samples } = JSON.parse(text)
  t.is(samples, 2)
  t.deepEqual(
    rows.map(({ name }: { name: string }) => name),
    ['Saliency', 'IntegratedGradients:steps=4:rule=riemann_middle', 'random map', 'edge map'],
  )
  t.is(rows[0].cost.backwardPasses, 1)
  t.true(rows[1].cost.backwardPasses >= 4)
  t.deepEqual(Object.keys(rows[0].metrics.Deletion), ['logit', 'probability'])
  t.is(spearman.length, 4)
  const page = await readFile(out, 'utf8')
  t.true(page.startsWith('<!doctype html>') && page.includes('striped-disc.badge.png'))
})

test.serial('what cannot be compared is refused with the code of usage', async t => {
  const run = async (...flags: string[]) => {
    const { code, out } = await runCli(['compare', model, pictures[0]!, ...withPictures, '--json', ...flags])
    return [code, JSON.parse(out).error.code]
  }
  t.deepEqual(await run('--methods', 'Saliency,Saliency'), [2, 'OPTION_RANGE'])
  t.deepEqual(await run('--methods', 'Beauty'), [2, 'OPTION_RANGE'])
  t.deepEqual(await run('--methods', 'Saliency:depth=2'), [2, 'OPTION_UNKNOWN'])
  t.deepEqual(await run('--methods', 'IntegratedGradients:steps=many'), [2, 'OPTION_TYPE'])
  t.deepEqual(await run('--metrics', 'Localisation'), [2, 'OPTION_RANGE'])
  t.deepEqual(await run('--out', 'page.png'), [2, 'OPTION_RANGE'])
})
