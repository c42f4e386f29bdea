import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { AscribeError, type Attribution, IntegratedGradients, SmoothGrad } from '#lib/index.js'
import { native } from '#lib/native.js'
import { loadScenes, sceneInput } from './programs/model.js'

const scores = (result: Attribution) => result.inputs[0]!.scores.data as Float32Array

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Native bytes that a call added at its worst to what lay there before. */
async function peakOf(work: () => Promise<unknown>): Promise<number> {
  // What earlier calls left behind must not go away, and not be counted as gone, during this one.
  collect()
  await setImmediate()
  native().resetPeakMemory()
  const before = native().memory().current
  await work()
  return native().memory().peak - before
}

for (const device of ['cpu', 'fake'])
  test.serial(`ten times the steps take the same memory on ${device}`, async t => {
    const model = await loadScenes({ device })
    const explain = (steps: number) => () =>
      new IntegratedGradients(model, { steps }).attribute(sceneInput(), { chunk: 32 })
    // Plans are made, which takes memory of its own.
    await explain(100)()
    const few = await peakOf(explain(100))
    const many = await peakOf(explain(1000))
    t.log({ few, many })
    t.true(few > 1_000_000)
    t.true(Math.abs(many / few - 1) < 0.05)
    model.dispose()
  })

test.serial('a bound is kept: smaller chunks, the same scores', async t => {
  const free = await loadScenes()
  const method = { steps: 64 }
  const expected = await new IntegratedGradients(free, method).attribute(sceneInput())
  const largest = expected.cost.peakBytes!
  const chunks: number[] = []
  for (const share of [0.6, 0.5, 0.31]) {
    // a chunk of one takes 0.3
    const memoryLimitBytes = Math.floor(largest * share)
    const model = await loadScenes({ memoryLimitBytes })
    const result = await new IntegratedGradients(model, method).attribute(sceneInput())
    t.true(result.cost.peakBytes! <= memoryLimitBytes, `${result.cost.peakBytes} of ${memoryLimitBytes}`)
    chunks.push(result.environment.chunk!)
    const [a, b] = [scores(expected), scores(result)]
    const distance = Math.hypot(...sampled(a.map((value, i) => value - b[i]!)))
    t.true(distance <= 1e-5 * Math.hypot(...sampled(a)), `relative distance ${distance}`)
    model.dispose()
  }
  t.log({ largest, chunks })
  t.true(chunks.every((chunk, i) => chunk < (chunks[i - 1] ?? 32)))
})

test.serial('a bound that one example does not fit is an error, and nothing stays behind', async t => {
  for (const device of ['cpu', 'fake']) {
    const model = await loadScenes({ device, memoryLimitBytes: 300_000 })
    await t.throwsAsync(model.run(sceneInput()), { code: 'OUT_OF_MEMORY_BUDGET' })
    const before = native().memory().current
    for (const Method of [IntegratedGradients, SmoothGrad]) {
      const error = await t.throwsAsync(new Method(model, {}).attribute(sceneInput()), {
        instanceOf: AscribeError,
        code: 'OUT_OF_MEMORY_BUDGET',
      })
      t.regex(error!.message, /of 292\.97 KiB|of 300000 bytes/)
    }
    t.true(native().memory().current - before < 4_000_000, 'only compiled plans')
    model.dispose()
  }
})

/** Enough of them to compare by: Math.hypot takes its values as arguments. */
function sampled(values: Float32Array): number[] {
  return Array.from(values.filter((_, i) => i % 7 === 0))
}
