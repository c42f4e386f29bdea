import { setImmediate } from 'node:timers/promises'
import { loadModel } from '#lib/index.js'

/**
 * Loads the model that it is given and prints, in MB, how much the JavaScript heap and the buffers beside it grew at
 * the worst, and for how many milliseconds the event loop stood still. Needs --expose-gc.
 */
const collect = globalThis.gc as () => void
const used = () => {
  const { heapUsed, external } = process.memoryUsage()
  return [heapUsed / 1e6, external / 1e6] as const
}

// The addon, the parser and the importer are there before the model comes.
await loadModel(process.argv[3] as string)
collect()
const before = used()
let heap = 0
let external = 0
let stoodStill = 0
let loading = true
const watching = (async () => {
  for (let last = performance.now(); loading; ) {
    await setImmediate()
    const now = performance.now()
    stoodStill = Math.max(stoodStill, now - last)
    const after = used()
    heap = Math.max(heap, after[0] - before[0])
    external = Math.max(external, after[1] - before[1])
    last = performance.now()
  }
})()
const start = performance.now()
const model = await loadModel(process.argv[2] as string)
const loadMs = performance.now() - start
loading = false
await watching
console.log(JSON.stringify({ heap, external, stoodStill, loadMs, inputs: model.inputs.length }))
