/**
 * What does the gradient of a class in the input cost? Against PyTorch's best (weights frozen, both memory layouts, its
 * compiler with `--compile`) where it is there, else counted in forward passes of our own.
 *
 *   [ASCRIBE_TORCH_PYTHON=…] node build/ts/bench/gradient.bench.js [--quick] [--only NET] [--batch 8] [--seconds 20] [--compile]
 *
 * race.bench.ts says what else the command takes: --package, --results, --budget.
 */
import { loadModel, Target } from '#lib/index.js'
import { native } from '#lib/native.js'
import { convolutionNets } from './convolutionNets.js'
import { peakGflops, printTable, race, randomFloats, threads } from './harness.js'
import { inputGradient } from './inputGradient.js'
import { printRaces, raceAll } from './race/race.js'
import { hasTorch } from './race/racedNets.js'

if (hasTorch()) {
  printRaces(await raceAll(['gradient']))
  process.exit(0)
}
native().configure({ lanes: 1, threadsPerLane: threads })
const peak = await peakGflops()
const rows: string[][] = []
for (const { name, bytes, shape, output } of await convolutionNets()) {
  const model = await loadModel(bytes)
  const data = randomFloats(shape.reduce((a, b) => a * b, 1))
  const input = { dtype: 'f32' as const, shape, data }
  // The sum of all outputs where there are no classes: it passes through the same layers.
  const target =
    output === 'classes'
      ? Target.class(0)
      : Target.expression('sum', (graph, outputs) => {
          const sums = [...outputs.values()].map(value =>
            graph.apply('sum', [value], { axes: [1, 2], keepDims: 0 }),
          )
          return sums.reduce((total, one) => graph.apply('add', [total, one]))
        })
  const inputs = { [model.inputs[0]!.name]: input }
  const run = await inputGradient(model, input, target)
  const forward = await model.run(inputs, { profile: true })
  const { profile = [], peakBytes } = await run({ profile: true })
  const times = await race(
    () => run(),
    () => model.run(inputs),
  )
  const flops = profile.reduce((sum, node) => sum + node.flops, 0)
  rows.push([
    name,
    `${times.ours.toFixed(2)} ±${times.oursSpread.toFixed(2)}`,
    `${times.peer.toFixed(2)} ±${times.peerSpread.toFixed(2)}`,
    (times.ours / times.peer).toFixed(2),
    `${((100 * flops) / (times.ours * 1e6) / peak).toFixed(0)} %`,
    `${(peakBytes / 1e6).toFixed(1)} / ${(forward.peakBytes / 1e6).toFixed(1)}`,
  ])
}
console.log(`forward and input gradient, ${threads} threads; peak ${peak.toFixed(0)} GFLOP/s by the probe`)
printTable(['case', 'with gradient ms', 'forward ms', 'ratio', 'of peak', 'working MB with / without'], rows)
