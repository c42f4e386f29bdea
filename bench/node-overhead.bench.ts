/**
 * What does a node cost beside its arithmetic? Chains of nodes over 16 numbers, of two lengths: the difference in time by
 * the difference in nodes, so that what a run costs as a whole falls out; ONNX Runtime on the same chains.
 *
 *   node build/ts/bench/node-overhead.bench.js [--quick] [--seconds 4]
 */
import * as ort from 'onnxruntime-node'
import { createTensor, loadModel } from '#lib/index.js'
import { native } from '#lib/native.js'
import { type NodeGiven, tensor, valueInfo, writeModel } from '../test/oracles/onnxWriter.js'
import { flags, printTable, quick, randomFloats, threads, timed } from './harness.js'

native().configure({ lanes: 1, threadsPerLane: threads })
const width = 16
const lengths = quick ? [100, 200] : [1000, 3000]

/** Kinds of nodes: one operand, two operands, and a product of 16 x 16. */
const links: Record<string, (from: string, to: string) => NodeGiven> = {
  Tanh: (from, to) => ({ op: 'Tanh', inputs: [from], outputs: [to] }),
  Add: (from, to) => ({ op: 'Add', inputs: [from, 'x'], outputs: [to] }),
  MatMul: (from, to) => ({ op: 'MatMul', inputs: [from, 'w'], outputs: [to] }),
}

function chain(link: (from: string, to: string) => NodeGiven, length: number): Uint8Array {
  const name = (at: number) => (at === 0 ? 'x' : at === length ? 'y' : `v${at}`)
  return writeModel({
    nodes: Array.from({ length }, (_, at) => link(name(at), name(at + 1))),
    inputs: [valueInfo('x', [1, width])],
    outputs: ['y'],
    tensors: [
      tensor(
        'w',
        [width, width],
        randomFloats(width * width).map(value => value / 4),
      ),
    ],
  })
}

const rows: string[][] = []
for (const [op, link] of Object.entries(links)) {
  const data = randomFloats(width)
  const runs = await Promise.all(
    lengths.map(async length => {
      const bytes = chain(link, length)
      const model = await loadModel(bytes)
      const session = await ort.InferenceSession.create(bytes, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: 'basic',
        logSeverityLevel: 3,
      })
      const input = createTensor('f32', [1, width], data)
      const { profile = [] } = await model.run({ x: input }, { profile: true })
      if (profile.length < length) throw new Error(`${profile.length} nodes of ${length} ${op} were left`)
      return {
        ours: () => model.run({ x: input }, { guard: false }),
        guarded: () => model.run({ x: input }),
        onnxruntime: () => session.run({ x: new ort.Tensor('float32', data, [1, width]) }),
      }
    }),
  )
  const [short, long] = runs as [(typeof runs)[0], (typeof runs)[0]]
  const found: Record<string, number[]> = { ours: [], guarded: [], onnxruntime: [] }
  const start = performance.now()
  const budgetMs = quick ? 0 : 1000 * Number(flags.seconds ?? 4)
  for (let round = 0; round < 3 || performance.now() - start < budgetMs; ++round)
    for (const side of ['ours', 'guarded', 'onnxruntime'] as const) {
      const [few, many] = [await timed(short[side]), await timed(long[side])]
      // The first round warms up.
      if (round > 0) found[side]!.push((1000 * (many - few)) / (lengths[1]! - lengths[0]!))
    }
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!
  rows.push([op, ...Object.values(found).map(values => median(values).toFixed(2))])
}
console.log(
  `microseconds a node over ${width} numbers, chains of ${lengths.join(' and ')}, ${threads} threads`,
)
printTable(['node', 'ours', 'ours, NaN guard', 'onnxruntime'], rows)
process.exit(0)
