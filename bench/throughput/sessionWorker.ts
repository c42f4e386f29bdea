/** A session of ONNX Runtime on a thread of its own: runs as often as a message says, and says when that is done. */
import { parentPort, workerData } from 'node:worker_threads'
import * as ort from 'onnxruntime-node'

const { file, shape, data } = workerData as { file: string; shape: number[]; data: Float32Array }
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 })
const feeds = { [session.inputNames[0]!]: new ort.Tensor('float32', data, shape) }
parentPort!.on('message', async (runs: number) => {
  for (let run = 0; run < runs; ++run) await session.run(feeds)
  parentPort!.postMessage(runs)
})
