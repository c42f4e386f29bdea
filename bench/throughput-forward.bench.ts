/**
 * How many forward passes a second does one process give when many are asked for at once? Ours on as many lanes of one
 * thread as there are cores, ONNX Runtime in the best of its ways (bench/throughput/runtimeWays.ts).
 *
 *   [ASCRIBE_BENCH_NETS=…] node build/ts/bench/throughput-forward.bench.js [--quick] [--only NET] [--seconds 20]
 *
 * Over the nets that the race left in that folder; without it, over those at hand.
 */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Tensor } from '#lib/index.js'
import { native } from '#lib/native.js'
import { convolutionNets } from './convolutionNets.js'
import { isChosen, printTable, quick, race, randomFloats, threads } from './harness.js'
import { geometricMean, netNames, ratioText } from './nets/nets.js'
import { bestWay } from './throughput/runtimeWays.js'

native().configure({ lanes: threads, threadsPerLane: 1 })
const requests = quick ? 4 : 16

/** Files of nets by name. */
async function netFiles(scratch: string): Promise<[name: string, file: string][]> {
  const folder = process.env.ASCRIBE_BENCH_NETS
  if (folder !== undefined)
    return netNames
      .filter(isChosen)
      .map((name): [string, string] => [name, join(folder, `${name}.onnx`)])
      .filter(([, file]) => existsSync(file))
  const files: [string, string][] = []
  for (const { name, bytes, output } of await convolutionNets()) {
    if (output !== 'classes') continue
    files.push([name, join(scratch, `${name}.onnx`)])
    await writeFile(files.at(-1)![1], bytes)
  }
  return files
}

const rows: string[][] = []
const ratios: number[] = []
const scratch = await mkdtemp(join(tmpdir(), 'ascribe-throughput-'))
try {
  for (const [name, file] of await netFiles(scratch)) {
    const model = await loadModel(file)
    const [declared] = model.inputs
    if (declared?.dtype !== 'f32') continue
    const shape = [1, ...declared.shape!.slice(1)] as number[]
    const input: Tensor = { dtype: 'f32', shape, data: randomFloats(shape.reduce((a, b) => a * b, 1)) }
    const takesBatches = typeof declared.shape![0] === 'string'
    const theirs = await bestWay(file, shape, input.data as Float32Array, requests, takesBatches)
    const ours = () =>
      Promise.all(Array.from({ length: requests }, () => model.run({ [declared.name]: input })))
    const times = await race(ours, theirs.serve, { warmups: 1, fewest: 3 })
    await theirs.end()
    model.dispose()
    ratios.push(times.ratio)
    rows.push([
      name,
      ((1000 * requests) / times.ours).toFixed(1),
      ((1000 * requests) / times.peer).toFixed(1),
      theirs.name,
      ratioText(times),
    ])
  }
} finally {
  await rm(scratch, { recursive: true, force: true })
}
console.log(`${requests} requests for a forward pass at once, ${threads} lanes of one thread`)
printTable(['case', 'ours a second', 'ONNX Runtime a second', 'its best', 'ratio'], rows)
if (ratios.length > 1) console.log(`geometric mean ${geometricMean(ratios).toFixed(2)}`)
process.exit(0)
