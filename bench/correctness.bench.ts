/**
 * Are the numbers right, on real models and real inputs? Forward against onnxruntime-node; the single-precision
 * gradient of the top logit (a final softmax is looked behind) against the double reference, once with the gates of the
 * single run replayed and once without; the double gradient against central differences along a random direction.
 *
 *   node build/ts/bench/correctness.bench.js [--quick] [--only NAME]
 */
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import { printTable, quick } from './harness.js'
import { type Errors, measure } from './measure.js'
import { dataRoot, realModels } from './realModels.js'

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
const worst = (values: readonly number[]): number => Math.max(...values)
const rows: string[][] = []
let isGood = true
for await (const { name, file, model, examples, explained } of realModels(quick)) {
  const session = await InferenceSession.create(join(dataRoot, file), { logSeverityLevel: 3 })
  const errors: Errors[] = []
  for (const { inputs } of examples) errors.push(await measure(model, session, inputs, explained))
  const all = (key: 'forward' | 'replayed' | 'unreplayed' | 'differences') => errors.map(each => each[key])
  const good =
    worst(all('forward')) <= 1e-5 &&
    errors.every(each => each.topFive) &&
    worst(all('replayed')) <= 1e-4 &&
    worst(all('differences')) <= 1e-4
  isGood &&= good
  const e = (value: number) => value.toExponential(1)
  rows.push([
    name,
    String(examples.length),
    e(worst(all('forward'))),
    errors.every(each => each.topFive) ? 'equal' : 'DIFFERS',
    e(worst(all('replayed'))),
    `${e(median(all('unreplayed')))} / ${e(worst(all('unreplayed')))}`,
    e(worst(all('differences'))),
    good ? 'good' : 'OFF',
  ])
  await session.release()
  model.dispose()
}
console.log(
  'bounds: forward 1e-5 (max|a-b| / max|b|), gates replayed 1e-4 and differences 1e-4 (relative L2); worst of the inputs',
)
printTable(
  [
    'model',
    'inputs',
    'forward',
    'top 5',
    'gradient, replayed',
    'unreplayed median / worst',
    'double vs differences',
    '',
  ],
  rows,
)
process.exitCode = isGood ? 0 : 1
