import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { temporaryFolder } from '../oracles/temporaryFolder.js'
import { runCli, scenes } from './runCli.js'

const common = [
  scenes('examples', 'striped-disc.plain.png'),
  '--preprocessing',
  scenes('preprocessor_config.json'),
]

test('explain with a method on masked inputs: its options are flags, its result holds scores of regions', async t => {
  const out = join(await temporaryFolder(t), 'map.json')
  const { code, err } = await runCli([
    'explain',
    scenes('scenes-sound.onnx'),
    ...common,
    ...[
      '--method',
      'kernel-shap',
      '--regions',
      'grid',
      '--region-count',
      '16',
      '--samples',
      '40',
      '--seed',
      '3',
    ],
    ...['--out', out],
  ])
  t.is(code, 0, err)
  const { method, checks } = JSON.parse(await readFile(out, 'utf8'))
  t.is(method.name, 'KernelShap')
  t.is(method.seed, 3)
  t.deepEqual([method.options.regions, method.options.samples], ['grid', 40])
  t.is(method.details.regionScores.length, 16)
  t.true(Math.abs(checks.completeness[0].delta) < 1e-9)
})

test('a budget that allows no first step, and too few samples, end with a message and a code', async t => {
  for (const flags of [
    ['--method', 'shapley-value-sampling', '--regions', 'grid', '--budget', '5'],
    ['--method', 'KernelShap', '--regions', 'grid', '--samples', '20'],
  ]) {
    const { code, err } = await runCli(['explain', scenes('scenes-sound.onnx'), ...common, ...flags])
    t.not(code, 0)
    t.true(err.includes('OPTION_RANGE'), err)
  }
})
