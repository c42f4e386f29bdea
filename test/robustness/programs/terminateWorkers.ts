import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

/**
 * Workers ended in the middle of a job, two at once, 100 in all (or 6 with --quick); the main thread never loads the
 * addon, so that it comes and goes with them. Every third pair works on the fake device, with work in its queue.
 */
const pairs = process.argv.includes('--quick') ? 3 : 50
let ended = 0
for (let pair = 0; pair < pairs; pair++) {
  const device = pair % 3 === 2 ? 'fake' : 'cpu'
  const workers = [0, 1].map(
    () => new Worker(join(import.meta.dirname, 'jobWorker.js'), { workerData: { device } }),
  )
  await Promise.all(workers.map(worker => once(worker, 'message')))
  // At another moment of the job each time, and the second worker while the first one goes.
  await sleep(pair % 7)
  for (const code of await Promise.all(workers.map(worker => worker.terminate()))) {
    if (code !== 1) throw new Error(`a worker exited with ${code}`)
    ended++
  }
}
console.log(`${ended} workers ended`)
