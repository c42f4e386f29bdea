/**
 * Does memory grow with the steps of integrated gradients? Peak anonymous memory above that of the loaded model, each
 * case in a process of its own, at the same chunk. And against Captum, where PyTorch is there (ASCRIBE_TORCH_PYTHON); with
 * `--peer captum` that alone.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createTensor, IntegratedGradients, loadModel } from '#lib/index.js'
import { flags, isChosen, printTable, quick, randomFloats } from './harness.js'
import { netCases } from './nets/nets.js'

/** Megabytes that no file stands behind. */
function anonymous(): number {
  return Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1e3
}

const [file, steps] = (process.env.ASCRIBE_BENCH_MEMORY ?? '').split('|')
if (file && steps) {
  const model = await loadModel(file)
  const shape = model.inputs[0]!.shape!.map((size, i) => (i === 0 ? 1 : (size as number)))
  const input = createTensor('f32', shape, randomFloats(shape.reduce((a, b) => a * b, 1)))
  const loaded = anonymous()
  let peak = loaded
  const timer = setInterval(() => {
    peak = Math.max(peak, anonymous())
  }, 5)
  await new IntegratedGradients(model, { steps: Number(steps) }).attribute(input, { chunk: 8 })
  clearInterval(timer)
  console.log(JSON.stringify([loaded, Math.max(peak, anonymous())]))
  process.exit(0)
}

function measured(file: string, steps: number): [loaded: number, peak: number] {
  const output = execFileSync(process.execPath, [import.meta.filename], {
    env: { ...process.env, ASCRIBE_BENCH_MEMORY: `${file}|${steps}` },
    encoding: 'utf8',
  })
  return JSON.parse(output.trim().split('\n').at(-1)!)
}

const root = process.env.ASCRIBE_SHARED_DATA ?? resolve('../shared/data')
const squeezenet = join(root, 'imagenet-squeezenet/squeezenet_v1.0_dc.onnx')
const hasSqueezenet = !quick && existsSync(squeezenet)
// Of the repository's own small model the runtime's heap, which wanders by some megabytes, is a good part.
const cases: [string, string][] = [
  hasSqueezenet ? ['squeezenet', squeezenet] : ['scenes-sound', 'models/scenes-sound.onnx'],
]
const rows: string[][] = []
for (const [name, model] of cases) {
  if (!isChosen(name) || flags.peer !== undefined) continue
  // The runtime's own heap wanders by some megabytes, so the median of several processes.
  const above = [100, 1000].map(steps => {
    const sizes = Array.from({ length: quick ? 1 : 3 }, () => {
      const [loaded, peak] = measured(model, quick ? steps / 5 : steps)
      return peak - loaded
    })
    return sizes.sort((a, b) => a - b)[sizes.length >> 1]!
  })
  rows.push([name, ...above.map(size => size.toFixed(1)), (above[1]! / above[0]!).toFixed(3)])
}
if (rows.length > 0) {
  console.log('integrated gradients, chunk 8: MB of anonymous memory at the peak, above the loaded model')
  printTable(['case', quick ? '20 steps' : '100 steps', quick ? '200 steps' : '1000 steps', 'ratio'], rows)
}

const list = (sizes: readonly number[]) => sizes.map(size => size.toFixed(0)).join(' ')
const against: string[][] = []
for await (const { name, file, peer } of netCases([1])) {
  const sizes: number[] = []
  const peers: number[] = []
  for (let round = 0; round < 3; round++) {
    const [loaded, peak] = measured(file, 50)
    sizes.push(peak - loaded)
    peers.push(await peer.peak({ net: name, batch: 1, steps: 50, inner: 8 }))
  }
  // In its one process the other side finds memory again that an earlier run let go.
  const ratio = Math.max(...sizes) / Math.max(...peers)
  against.push([name, list(sizes), list(peers), ratio.toFixed(2)])
}
if (against.length > 0) {
  console.log(
    'integrated gradients, 50 steps, chunk 8: MB of anonymous memory at the peak, above the loaded model; three runs, and the ratio of the greatest',
  )
  printTable(['case', 'ours', 'Captum', 'ratio'], against)
}
