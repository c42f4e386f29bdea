import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { preprocess } from '#lib/data/preprocess.js'
import { Attribution, IntegratedGradients, loadModel, readImage, readNpy, writeNpy } from '#lib/index.js'
import { native } from '#lib/native.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'
import { runCli, scenes } from './runCli.js'

const model = scenes('scenes-sound.onnx')
const picture = scenes('examples', 'striped-disc.badge.png')
const withPictures = ['--preprocessing', scenes('preprocessor_config.json')]

test.serial('a picture becomes a page, and the summary says what was explained', async t => {
  const folder = await temporaryFolder(t)
  const labels = join(folder, 'labels.txt')
  await writeFile(labels, 'striped disc\nb\nc\nd\ne\nf\ng\nh\n')
  const out = join(folder, 'page.html')
  const args = [
    'explain',
    model,
    picture,
    ...withPictures,
    '--labels',
    labels,
    '--target',
    'striped disc',
    '--out',
    out,
  ]
  const { code, out: text } = await runCli([...args, '--steps', '10', '--json'])
  t.is(code, 0)
  const summary = JSON.parse(text)
  t.is(summary.targets[0].description, 'logit of "striped disc" (class 0)')
  t.is(summary.method.options.steps, 10)
  t.is(summary.output[0].index, 0)
  t.true((await stat(out)).size > 20_000)
})

test.serial('npy in and out are the numbers of the library, to the bit', async t => {
  const folder = await temporaryFolder(t)
  const loaded = await loadModel(model, { preprocessing: scenes('preprocessor_config.json') })
  const { tensor } = await preprocess(await readImage(picture), loaded.preprocessing!)
  const [input, out, json] = ['x.npy', 'a.npy', 'a.json'].map(name => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await writeNpy(input, tensor)
  const args = ['explain', model, '--input', `image=${input}`, '--target', '3', '--steps', '7']
  t.is((await runCli([...args, '--out', out])).code, 0)
  t.is((await runCli([...args, '--out', json])).code, 0)
  const ours = await new IntegratedGradients(loaded, { steps: 7 }).attribute(tensor, { target: 3 })
  t.deepEqual(await readNpy(out), ours.scores() as never)
  t.deepEqual((await Attribution.load(json)).scores(), ours.scores())
})

test.serial('a folder is explained file by file, and what is there already is left alone', async t => {
  const folder = await temporaryFolder(t)
  const out = join(folder, 'out')
  await mkdir(out)
  await writeFile(join(out, 'gridded-crescent.plain.npy'), 'untouched')
  const args = [
    'explain',
    model,
    scenes('examples'),
    ...withPictures,
    '--method',
    'saliency',
    '--out',
    out,
    '--format',
    'npy',
  ]
  const { code, err } = await runCli(args)
  t.is(code, 0)
  t.regex(err, /gridded-crescent\.plain\.npy is there already/)
  t.is((await readdir(out)).length, 12)
  t.is((await stat(join(out, 'gridded-crescent.plain.npy'))).size, 9)
  t.is((await readNpy(join(out, 'striped-disc.badge.npy'))).shape.join(), '1,3,128,128')
})

test.serial('noise goes around a base method, with the flags of both', async t => {
  const args = [
    'explain',
    model,
    picture,
    ...withPictures,
    '--method',
    'smooth-grad',
    '--base',
    'IntegratedGradients',
  ]
  const { code, out } = await runCli([...args, '--samples', '2', '--steps', '3', '--seed', '9', '--json'])
  t.is(code, 0)
  const { name, seed, options } = JSON.parse(out).method
  t.deepEqual(
    [name, seed, options.base, options.samples, options.steps],
    ['SmoothGrad', 9, 'IntegratedGradients', 2, 3],
  )
})

test.serial('several targets share one result', async t => {
  const { code, out } = await runCli([
    'explain',
    model,
    picture,
    ...withPictures,
    '--method',
    'Saliency',
    '--target',
    '1',
    '--target',
    'difference:0:2',
    '--json',
  ])
  t.is(code, 0)
  t.is(JSON.parse(out).targets.length, 2)
})

test.serial('Ctrl-C stops a long job', async t => {
  const started = Date.now()
  const { code, err } = await runCli(
    ['explain', model, picture, ...withPictures, '--rule', 'riemann_middle', '--steps', '100000'],
    {
      interruptAfter: 3000,
    },
  )
  t.is(code, 130)
  t.regex(err, /\[ABORTED\]/)
  t.true(Date.now() - started < 20_000)
})

for (const [what, args, code, error] of [
  ['an unknown flag', ['explain', model, picture, '--stepz', '3'], 2, 'OPTION_UNKNOWN'],
  ['an option out of range', ['explain', model, picture, ...withPictures, '--steps', '0'], 2, 'OPTION_RANGE'],
  ['an unknown method', ['explain', model, picture, '--method', 'Magic'], 2, 'OPTION_RANGE'],
  [
    'a class that is not there',
    ['explain', model, picture, ...withPictures, '--target', '8'],
    2,
    'TARGET_INVALID',
  ],
  [
    'a label without labels',
    ['explain', model, picture, ...withPictures, '--target', 'disc'],
    2,
    'TARGET_INVALID',
  ],
  ['a missing file', ['explain', model, 'nowhere.png'], 3, 'FILE_NOT_FOUND'],
  ['a picture without preprocessing', ['explain', model, picture], 3, 'PREPROCESSING_REQUIRED'],
  ['nothing to explain', ['explain', model], 3, 'INPUT_MISSING'],
  ['a model that is none', ['explain', picture, picture], 3, undefined],
] as const)
  test.serial(`refused with a code: ${what}`, async t => {
    const result = await runCli([...args, '--json'])
    t.is(result.code, code, result.err)
    const found = JSON.parse(result.out).error
    if (error !== undefined) t.is(found.code, error)
    t.true(found.message.length > 10)
    const plain = await runCli(args)
    t.is(plain.code, code)
    t.is(plain.out, '')
    t.notRegex(plain.err, /at .*\.js:\d+/)
  })

test.serial('a value inside the model is explained in place of its input', async t => {
  const layers = (await loadModel(model)).layers()
  const pooled = layers.findLast(({ op }) => op === 'globalAveragePool' || op === 'mean')!.name
  const folder = await temporaryFolder(t)
  const out = join(folder, 'a.npy')
  const { code, err } = await runCli([
    'explain',
    model,
    picture,
    ...withPictures,
    '--layer',
    pooled,
    '--out',
    out,
  ])
  t.is(code, 0, err)
  t.is((await readNpy(out)).shape.slice(0, 2).join(), '1,48')
})

const hasBf16 = native().engine().precisions.includes('bf16')
;(hasBf16 ? test.serial : test.serial.skip)(
  'products of bf16 on request, and the result says so',
  async t => {
    const out = join(await temporaryFolder(t), 'map.json')
    const args = ['explain', model, picture, ...withPictures, '--method', 'Saliency', '--out', out]
    t.is((await runCli([...args, '--precision', 'bf16'])).code, 0)
    t.is((await Attribution.load(out)).environment.precision, 'bf16')
  },
)

test.serial('double precision is refused where the method has none', async t => {
  const args = ['explain', model, picture, ...withPictures, '--target', '0', '--precision', 'f64']
  const { code, err } = await runCli([...args, '--method', 'Saliency'])
  t.not(code, 0)
  t.regex(err, /OPTION_RANGE|--precision/)
})
