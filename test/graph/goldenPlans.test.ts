import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { loadModel } from '#lib/index.js'
import { native, settle } from '#lib/native.js'
import { repositoryRoot } from '../oracles/repository.js'

/**
 * What the compiler makes of a few models, line by line, on the portable kernels (which are the same everywhere).
 * ASCRIBE_RECORD_GOLDEN=1 writes the files anew; the difference belongs into the same commit as its reason.
 */
const cases: [string, string, string[]][] = [
  ['scenes-sound', 'models/scenes-sound.onnx', []],
  ['scenes-sound.without-passes', 'models/scenes-sound.onnx', ['all']],
  ['mobile', 'test/fixtures/exports/mobile-trace-17.onnx', []],
  ['vit', 'test/fixtures/exports/vit-trace-13.onnx', []],
  [
    'vit.without-raising',
    'test/fixtures/exports/vit-trace-13.onnx',
    ['raise-norm', 'raise-activation', 'raise-attention'],
  ],
  ['bert', 'test/fixtures/exports/bert-dynamo-18.onnx', []],
]

for (const [name, file, without] of cases)
  test(`the plan of ${name}`, async t => {
    const model = await loadModel(join(repositoryRoot, file))
    const symbols = model.inputs.flatMap(({ shape }) => shape!.filter(dim => typeof dim === 'string'))
    const sizes = Object.fromEntries(symbols.map(symbol => [symbol, 2]))
    const withoutPasses = without[0] === 'all' ? native().engine().passes : without
    const plan = await settle(() =>
      native()
        .createGraph(model.graph)
        .compile(model.nativeParameters, { sizes, withoutPasses, backends: ['cpu', 'reference'] }),
    )
    const path = join(repositoryRoot, 'test/golden', `${name}.txt`)
    const dump = `${plan.dump().trimEnd()}\n`
    if (process.env.ASCRIBE_RECORD_GOLDEN) await writeFile(path, dump)
    t.is(dump, await readFile(path, 'utf8'))
  })
