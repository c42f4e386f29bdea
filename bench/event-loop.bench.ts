/**
 * Does a running job hold up the event loop? How late timers come while integrated gradients run with the engine's
 * default lanes, beside the same with as many other processes that only burn CPU, and with nothing at all.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { IntegratedGradients } from '#lib/index.js'
import { native } from '#lib/native.js'
import { loadScenes, sceneInput } from '../test/robustness/programs/model.js'
import { printTable, quick } from './harness.js'

// The harness races at one priority; here the engine's own default is what matters.
delete process.env.ASCRIBE_NICENESS

const segmentMs = quick ? 1000 : 3000
const rounds = quick ? 1 : 8
const intervalMs = 2

async function timerDelays(into: number[]): Promise<void> {
  const end = performance.now() + segmentMs
  while (performance.now() < end) {
    const due = performance.now() + intervalMs
    await sleep(intervalMs)
    into.push(Math.max(0, performance.now() - due))
  }
}

async function besideBurners(count: number, work: () => Promise<void>): Promise<void> {
  const burners: ChildProcess[] = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  )
  await sleep(200)
  await work().finally(() => {
    for (const burner of burners) burner.kill('SIGKILL')
  })
}

const model = await loadScenes()
const method = new IntegratedGradients(model, { steps: 1_000_000, rule: 'riemann_middle' })
async function besideJob(work: () => Promise<void>): Promise<void> {
  const controller = new AbortController()
  let resolve = () => {}
  const underWay = new Promise<void>(r => {
    resolve = r
  })
  const job = method
    .attribute(sceneInput(), { signal: controller.signal, onProgress: resolve })
    .catch(() => {})
  await underWay
  await work()
  controller.abort()
  await job
}

const { lanes, threadsPerLane } = native().engine()
const delays = { nothing: [] as number[], burners: [] as number[], job: [] as number[] }
for (let round = 0; round < rounds; round++) {
  await timerDelays(delays.nothing)
  await besideBurners(lanes * threadsPerLane, () => timerDelays(delays.burners))
  await besideJob(() => timerDelays(delays.job))
}

const at = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!
console.log(
  `timers of ${intervalMs} ms, late by milliseconds; ${lanes} lanes of ${threadsPerLane} threads, ${lanes * threadsPerLane} burners`,
)
printTable(
  ['beside', 'timers', 'p50', 'p99', 'p99.9', 'most'],
  Object.entries(delays).map(([name, values]) => [
    name,
    String(values.length),
    ...[0.5, 0.99, 0.999, 1].map(share => at(values, share).toFixed(2)),
  ]),
)
const difference = at(delays.job, 0.999) - at(delays.burners, 0.999)
console.log(`p99.9 beside a job minus p99.9 beside burners: ${difference.toFixed(2)} ms (wanted: at most 5)`)
