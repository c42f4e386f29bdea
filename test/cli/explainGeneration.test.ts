import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { explainGeneration, loadModel } from '#lib/index.js'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { letterTokenizer } from '../oracles/letterTokenizer.js'
import { checkpointFolder } from '../oracles/recordedCheckpoints.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'
import { runCli } from './runCli.js'

test.serial('explain on a causal model shows the map of what it writes, or of an answer', async t => {
  const folder = await checkpointCopy(t, 'llama', { 'tokenizer.json': letterTokenizer() })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer!.dispose())
  const map = await explainGeneration(model, 'ab c', { maximumTokens: 3, method: 'InputXGradient' })
  const flags = ['--text', 'ab c', '--method', 'InputXGradient']
  const shown = await runCli(['explain', folder, ...flags, '--maximum-tokens', '3'])
  t.deepEqual([shown.code, shown.out, shown.err], [0, `${map.toText()}\n`, ''])
  const zero = await explainGeneration(model, 'ab c', { answer: 'd', baseline: 0 })
  const based = await runCli(['explain', folder, '--text', 'ab c', '--answer', 'd', '--baseline', '0'])
  t.is(based.out, `${zero.toText()}\n`)
  t.not(zero.toText(), (await explainGeneration(model, 'ab c', { answer: 'd' })).toText())
  const page = join(await temporaryFolder(t), 'map.html')
  const told = await runCli([
    'explain',
    folder,
    ...flags,
    '--answer',
    ' de',
    '--function',
    'contrastLogitDifference',
    '--contrast',
    ' fg',
    '--step-score',
    'probability',
    '--aggregation',
    'l2',
    '--group',
    'word',
    '--out',
    page,
    '--json',
  ])
  t.is(told.code, 0)
  const expected = await explainGeneration(model, 'ab c', {
    answer: ' de',
    function: 'contrastLogitDifference',
    contrast: { answer: ' fg' },
    stepScores: ['probability'],
    aggregation: 'l2',
    method: 'InputXGradient',
  })
  t.deepEqual(JSON.parse(told.out).steps, JSON.parse(JSON.stringify(expected.group('word').steps)))
  t.regex(await readFile(page, 'utf8'), /where generated tokens came from/)
})

test.serial(
  'a model that reads one text and writes another is explained; folders hold texts too',
  async t => {
    const folder = await checkpointCopy(t, 't5', { 'tokenizer.json': letterTokenizer() })
    const base = ['explain', folder, '--method', 'InputXGradient']
    const told = await runCli([...base, '--text', 'ab c', '--answer', 'de', '--json'])
    t.is(told.code, 0, told.err)
    t.deepEqual(
      JSON.parse(told.out).steps.map(({ token }: { token: string }) => token),
      ['d', 'e'],
    )
    const [texts, out] = [await temporaryFolder(t), await temporaryFolder(t)]
    await writeFile(join(texts, 'one.txt'), 'ab c')
    const files = await runCli([...base, texts, '--maximum-tokens', '2', '--out', out])
    t.is(files.code, 0, files.err)
    t.regex(await readFile(join(out, 'one.html'), 'utf8'), /where generated tokens came from/)
  },
)

test.serial('flags of generated tokens belong to causal models and texts', async t => {
  const failed = async (args: string[], exit: number, what: RegExp) => {
    const { code, err } = await runCli(['explain', ...args])
    t.is(code, exit)
    t.regex(err, what)
  }
  const folder = await checkpointCopy(t, 'llama', { 'tokenizer.json': letterTokenizer() })
  await failed([checkpointFolder('vit'), '--text', 'a', '--answer', 'b'], 2, /--answer is for texts/)
  await failed([folder, '--text', 'a', '--maximum-tokens', '2', '--target', 'token:-1:3'], 2, /--target/)
  await failed([folder, '--text', 'a', '--function', 'beauty'], 2, /beauty/)
  await failed([folder, '--text', 'a', '--smoothing', '2'], 2, /--smoothing is for pictures/)
  await failed([folder, '--text', 'a', '--out', 'a.png'], 2, /generated tokens are \.html, \.json, \.npy/)
  const out = await temporaryFolder(t)
  await failed([folder, '--text', 'a', '--out', `${out}/`, '--format', 'svg'], 2, /received .*text-1\.svg/)
  await failed([folder, '--text', 'a', '--function', 'pcxmi', '--answer', 'b'], 2, /contrast/)
})
