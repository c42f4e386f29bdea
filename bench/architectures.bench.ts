/**
 * Does what people export load, and is it right? Every .onnx file of a folder (bench/architectures/export.py fills one),
 * judged as bench/correctness.bench.ts judges trained models, on seeded inputs.
 *
 *   node build/ts/bench/architectures.bench.js --folder FOLDER [--only NAME]
 */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import { AscribeError, createTensor, loadModel, type Model, type Tensor } from '#lib/index.js'
import { embeddingLookups } from '#lib/model/embeddings.js'
import { flags, isChosen, printTable, randomFloats } from './harness.js'
import { measure } from './measure.js'

/** Ids below 200, the last the one that CLIP takes for the end of its text; masks of ones. */
const inputsOf = (model: Model): Record<string, Tensor> =>
  Object.fromEntries(
    model.inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const dims = shape!.map(Number)
      const count = dims.reduce((product, dim) => product * dim, 1)
      if (dtype === 'f32') return [name, createTensor('f32', dims, randomFloats(count, 3))]
      const ids = BigInt64Array.from({ length: count }, (_, at) =>
        name === 'mask' ? 1n : at === count - 1 ? 199n : BigInt((at * 37 + 11) % 199),
      )
      return [name, createTensor('i64', dims, ids)]
    }),
  )

const rows: string[][] = []
let failed = 0
const folder = flags.folder
if (folder === undefined || !existsSync(folder)) {
  console.log(
    'no folder of exports: `python bench/architectures/export.py FOLDER` makes one, --folder names it',
  )
} else {
  for (const file of (await readdir(folder))
    .filter(name => name.endsWith('.onnx') && isChosen(name))
    .sort()) {
    const name = file.replace('.onnx', '')
    const path = join(folder, file)
    try {
      const model = await loadModel(path)
      const session = await InferenceSession.create(path, { logSeverityLevel: 3 })
      const explained =
        model.inputs.find(input => input.dtype === 'f32')?.name ?? embeddingLookups(model)[0]?.layer
      if (explained === undefined) throw new Error('nothing in it can be explained')
      const errors = await measure(model, session, inputsOf(model), explained)
      const good =
        errors.forward <= 1e-5 && errors.topFive && errors.replayed <= 1e-4 && errors.differences <= 1e-4
      if (!good) failed++
      const e = (value: number) => value.toExponential(1)
      rows.push([
        name,
        e(errors.forward),
        errors.topFive ? 'equal' : 'DIFFERS',
        e(errors.replayed),
        e(errors.unreplayed),
        e(errors.differences),
        good ? 'good' : 'OFF',
      ])
      await session.release()
      model.dispose()
    } catch (error) {
      failed++
      const what = error instanceof AscribeError ? error.code : (error as Error).name
      rows.push([
        name,
        '',
        '',
        '',
        '',
        '',
        `${what}: ${(error as Error).message.split('\n')[0]!.slice(0, 150)}`,
      ])
    }
    console.log(rows.at(-1)!.filter(Boolean).join('  '))
  }
  printTable(
    ['export', 'forward', 'top 5', 'gradient, replayed', 'unreplayed', 'double vs differences', ''],
    rows,
  )
  console.log(`${rows.length - failed} good, ${failed} not`)
}
process.exitCode = failed === 0 ? 0 : 1
