/**
 * How fast is a forward pass, against ONNX Runtime on the same threads?
 *
 *   [ASCRIBE_TORCH_PYTHON=…] node build/ts/bench/forward.bench.js [--quick] [--only NET] [--batch 8] [--seconds 20]
 *
 * Over nine nets at batch 1 and 8 where PyTorch, which makes them, is there (bench/nets); else over the nets at hand.
 */
import { readFile } from 'node:fs/promises'
import * as ort from 'onnxruntime-node'
import { loadModel, type Model, type Tensor } from '#lib/index.js'
import { native } from '#lib/native.js'
import { convolutionNets } from './convolutionNets.js'
import { peakGflops, printTable, race, randomFloats, threads } from './harness.js'
import { geometricMean, netCases, ratioText } from './nets/nets.js'

native().configure({ lanes: 1, threadsPerLane: threads })
const peak = await peakGflops()
const rows: string[][] = []
const ratios: number[] = []

async function measure(name: string, bytes: Uint8Array, model: Model, input: Tensor): Promise<void> {
  const session = await ort.InferenceSession.create(bytes, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  })
  const feeds = {
    [session.inputNames[0]!]: new ort.Tensor('float32', input.data as Float32Array, input.shape),
  }
  const inputs = { [model.inputs[0]!.name]: input }
  const expected = Object.values(await session.run(feeds))[0]!.data as Float32Array
  const { outputs, profile = [] } = await model.run(inputs, { profile: true })
  const mine = Object.values(outputs)[0]!.data as Float32Array
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const error = mine.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / scale
  const times = await race(
    () => model.run(inputs),
    () => session.run(feeds),
  )
  const flops = profile.reduce((sum, node) => sum + node.flops, 0)
  ratios.push(times.ratio)
  rows.push([
    name,
    `${times.ours.toFixed(2)} ±${times.oursSpread.toFixed(2)}`,
    `${times.peer.toFixed(2)} ±${times.peerSpread.toFixed(2)}`,
    ratioText(times),
    `${((100 * flops) / (times.ours * 1e6) / peak).toFixed(0)} %`,
    error.toExponential(1),
  ])
  await session.release()
}

for await (const { name, batch, file, model, input } of netCases())
  await measure(`${name} x${batch}`, await readFile(file), model, input)
if (rows.length === 0)
  for (const { name, bytes, shape } of await convolutionNets()) {
    const data = randomFloats(shape.reduce((a, b) => a * b, 1))
    await measure(name, bytes, await loadModel(bytes), { dtype: 'f32', shape, data })
  }
console.log(`forward, ${threads} threads; peak ${peak.toFixed(0)} GFLOP/s by the probe`)
printTable(['case', 'ours ms', 'onnxruntime ms', 'throughput ratio', 'of peak', 'max error'], rows)
if (ratios.length > 1) console.log(`geometric mean ${geometricMean(ratios).toFixed(2)}`)
