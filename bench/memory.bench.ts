/**
 * Does memory grow with the steps of integrated gradients? Peak anonymous memory above that of the loaded model, each
 * case in a process of its own, at the same chunk.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createTensor, IntegratedGradients, loadModel } from '#lib/index.js'
import { printTable, quick, randomFloats } from './harness.js'

/** Megabytes that no file stands behind. */
function anonymous(): number {
  return Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1e3
}

const [file, steps] = (process.env.ASCRIBE_BENCH_MEMORY ?? '').split('|')
if (file && steps) {
  const model = await loadModel(file)
  const shape = model.inputs[0]!.shape!.map((size, i) => (i === 0 ? 1 : (size as number)))
  const input = createTensor('f32', shape, randomFloats(shape.reduce((a, b) => a * b, 1)))
  await new IntegratedGradients(model, { steps: 8 }).attribute(input, { chunk: 8 })
  const loaded = anonymous()
  let peak = loaded
  const timer = setInterval(() => {
    peak = Math.max(peak, anonymous())
  }, 1)
  await new IntegratedGradients(model, { steps: Number(steps) }).attribute(input, { chunk: 8 })
  clearInterval(timer)
  console.log(JSON.stringify([loaded, Math.max(peak, anonymous())]))
  process.exit(0)
}
