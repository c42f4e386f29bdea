import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import * as ort from 'onnxruntime-node'
import { type Contender, threads, timed } from '../harness.js'

export interface Way {
  name: string
  serve: Contender
  end(): Promise<unknown>
}

/** One session with all threads, requests in batches of this size. */
async function oneSession(
  file: string,
  shape: readonly number[],
  data: Float32Array,
  requests: number,
  batch: number,
): Promise<Way> {
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: threads })
  const all = new Float32Array(batch * data.length)
  for (let example = 0; example < batch; ++example) all.set(data, example * data.length)
  const feeds = { [session.inputNames[0]!]: new ort.Tensor('float32', all, [batch, ...shape.slice(1)]) }
  return {
    name: `${threads} threads x${batch}`,
    serve: () => Promise.all(Array.from({ length: requests / batch }, () => session.run(feeds))),
    end: () => session.release(),
  }
}

/** A session of one thread on each of as many workers: `run` holds up the event loop it is called on, so one loop runs one at a time. */
async function sessionsOnWorkers(
  file: string,
  shape: readonly number[],
  data: Float32Array,
  requests: number,
): Promise<Way> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(join(import.meta.dirname, 'sessionWorker.js'), { workerData: { file, shape, data } }),
  )
  const ask = (runs: number) =>
    Promise.all(
      workers.map(worker => {
        worker.postMessage(runs)
        return once(worker, 'message')
      }),
    )
  await ask(1)
  return {
    name: `${threads} workers of one thread`,
    serve: () => ask(requests / threads),
    end: () => Promise.all(workers.map(worker => worker.terminate())),
  }
}

/** The fastest way that ONNX Runtime has to serve many requests, by a pilot; in batches where the net takes them. The others are ended. */
export async function bestWay(
  file: string,
  shape: readonly number[],
  data: Float32Array,
  requests: number,
  takesBatches: boolean,
): Promise<Way> {
  const ways = [
    await oneSession(file, shape, data, requests, 1),
    ...(takesBatches ? [await oneSession(file, shape, data, requests, Math.min(8, requests))] : []),
    await sessionsOnWorkers(file, shape, data, requests),
  ]
  const fastest: { way: Way; milliseconds: number }[] = []
  for (const way of ways) {
    await way.serve()
    const times = [await timed(way.serve), await timed(way.serve), await timed(way.serve)]
    fastest.push({ way, milliseconds: Math.min(...times) })
  }
  fastest.sort((a, b) => a.milliseconds - b.milliseconds)
  const [{ way: best }] = fastest as [(typeof fastest)[0]]
  await Promise.all(ways.filter(way => way !== best).map(way => way.end()))
  return best
}
