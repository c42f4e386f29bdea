import { parentPort, workerData } from 'node:worker_threads'
import { IntegratedGradients } from '#lib/index.js'
import { loadScenes, sceneInput } from './model.js'

/** A worker whose job never ends by itself; it says when the job is under way. */
const model = await loadScenes({ device: workerData.device })
let told = false
await new IntegratedGradients(model, { steps: 1_000_000, rule: 'riemann_middle' }).attribute(sceneInput(), {
  chunk: 4,
  onProgress: () => {
    if (!told) parentPort?.postMessage('under way')
    told = true
  },
})
