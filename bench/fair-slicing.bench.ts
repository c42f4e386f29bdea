/** What does a short call cost while a long one runs on the same lane? Against the same call alone. */
import { IntegratedGradients } from '#lib/index.js'
import { native } from '#lib/native.js'
import { loadScenes, sceneInput } from '../test/robustness/programs/model.js'
import { printTable, quick } from './harness.js'

native().configure({ lanes: 1, threadsPerLane: 1 })
const model = await loadScenes()
const input = sceneInput()
const method = new IntegratedGradients(model, { steps: 1_000_000, rule: 'riemann_middle' })

let controller = new AbortController()
let job: Promise<unknown> = Promise.resolve()
let progress = 0
async function startLong() {
  controller = new AbortController()
  await new Promise<void>(resolve => {
    job = method
      .attribute(input, {
        chunk: 1,
        signal: controller.signal,
        onProgress: done => {
          progress = done
          resolve()
        },
      })
      .catch(() => {})
  })
}
async function stopLong() {
  controller.abort()
  await job
}

async function latency(): Promise<number> {
  const start = performance.now()
  await model.run(input)
  return performance.now() - start
}

const alone: number[] = []
const beside: number[] = []
let steps = 0
for (let round = 0; round < (quick ? 2 : 10); round++) {
  for (let i = 0; i < 20; i++) alone.push(await latency())
  await startLong()
  const before = progress
  for (let i = 0; i < 20; i++) beside.push(await latency())
  steps += progress - before
  await stopLong()
}
const row = (name: string, share: number) => {
  const [a, b] = [beside, alone].map(
    list => list.toSorted((x, y) => x - y)[Math.min(list.length - 1, Math.floor(list.length * share))]!,
  )
  return [name, a!.toFixed(2), b!.toFixed(2), (a! / b!).toFixed(2)]
}
printTable(
  ['case', 'beside the long job ms', 'alone ms', 'ratio'],
  [row('median', 0.5), row('p95', 0.95), row('most', 1)],
)
console.log(
  `${beside.length} short calls; the long job, which would take hours, made ${steps} steps meanwhile`,
)
