/** How fast is a forward pass, against ONNX Runtime on the same threads? */
import * as ort from 'onnxruntime-node'
import { loadModel } from '#lib/index.js'
import { native } from '#lib/native.js'
import { convolutionNets } from './convolutionNets.js'
import { peakGflops, printTable, race, randomFloats, threads, weighed } from './harness.js'

native().configure({ lanes: 1, threadsPerLane: threads })
const peak = await peakGflops()
const rows: string[][] = []
for (const { name, bytes, shape } of await convolutionNets()) {
  const data = randomFloats(shape.reduce((a, b) => a * b, 1))
  const theirs = await weighed(async () => {
    const session = await ort.InferenceSession.create(bytes, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
    })
    const feeds = { [session.inputNames[0]!]: new ort.Tensor('float32', data, shape) }
    return { session, feeds, outputs: await session.run(feeds) }
  })
  const ours = await weighed(async () => {
    const model = await loadModel(bytes)
    const inputs = { [model.inputs[0]!.name]: { dtype: 'f32' as const, shape, data } }
    return { model, inputs, result: await model.run(inputs, { profile: true }) }
  })
  const { session, feeds, outputs } = theirs.made
  const { model, inputs, result } = ours.made
  const mine = Object.values(result.outputs)[0]!.data as Float32Array
  const expected = Object.values(outputs)[0]!.data as Float32Array
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const error = mine.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / scale
  const times = await race(
    () => model.run(inputs),
    () => session.run(feeds),
  )
  const flops = (result.profile ?? []).reduce((sum, node) => sum + node.flops, 0)
  rows.push([
    name,
    `${times.ours.toFixed(2)} ±${times.oursSpread.toFixed(2)}`,
    `${times.peer.toFixed(2)} ±${times.peerSpread.toFixed(2)}`,
    (times.peer / times.ours).toFixed(2),
    `${((100 * flops) / (times.ours * 1e6) / peak).toFixed(0)} %`,
    error.toExponential(1),
    `${ours.megabytes.toFixed(0)} / ${theirs.megabytes.toFixed(0)}`,
  ])
}
console.log(`forward, batch 1, ${threads} threads; peak ${peak.toFixed(0)} GFLOP/s by the probe`)
printTable(
  ['case', 'ours ms', 'onnxruntime ms', 'throughput ratio', 'of peak', 'max error', 'added MB ours / peer'],
  rows,
)
