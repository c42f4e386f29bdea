/**
 * What does the gradient of a class in the input cost? Against PyTorch's best (weights frozen, both memory layouts, its
 * compiler with `--compile`) where it is there, else counted in forward passes of our own.
 *
 *   [ASCRIBE_TORCH_PYTHON=…] node build/ts/bench/gradient.bench.js [--quick] [--only NET] [--batch 8] [--seconds 20] [--compile]
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadModel, Target } from '#lib/index.js'
import { native } from '#lib/native.js'
import { relativeDistance } from '../test/oracles/gradientOf.js'
import { convolutionNets } from './convolutionNets.js'
import { peakGflops, printTable, race, randomFloats, threads } from './harness.js'
import { inputGradient } from './inputGradient.js'
import { geometricMean, netCases, ratioText } from './nets/nets.js'
import { bestVariant } from './nets/peer.js'

native().configure({ lanes: 1, threadsPerLane: threads })
const peak = await peakGflops()
const rows: string[][] = []
const ratios: number[] = []

for await (const { name, batch, folder, model, input, peer } of netCases()) {
  const run = await inputGradient(model, input)
  const { outputs, profile = [] } = await run({ profile: true })
  await peer.values({ net: name, batch })
  const theirs = await readFile(join(folder, `gradient-${name}-${batch}.f32`))
  const error = relativeDistance(
    outputs[0]!.data as Float32Array,
    new Float32Array(theirs.buffer, theirs.byteOffset, theirs.length / 4),
  )
  const { variant } = await bestVariant(peer, 'gradient', { net: name, batch })
  const times = await race(
    () => run(),
    () => peer.run('gradient', { net: name, batch, variant }),
  )
  const flops = profile.reduce((sum, node) => sum + node.flops, 0)
  ratios.push(times.ratio)
  rows.push([
    `${name} x${batch}`,
    `${times.ours.toFixed(2)} ±${times.oursSpread.toFixed(2)}`,
    `${times.peer.toFixed(2)} ±${times.peerSpread.toFixed(2)}`,
    variant,
    ratioText(times),
    `${((100 * flops) / (times.ours * 1e6) / peak).toFixed(0)} %`,
    error.toExponential(1),
  ])
}
const raced = rows.length > 0
if (!raced)
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
printTable(
  raced
    ? ['case', 'ours ms', 'PyTorch ms', 'its best', 'throughput ratio', 'of peak', 'relative L2']
    : ['case', 'with gradient ms', 'forward ms', 'ratio', 'of peak', 'working MB with / without'],
  rows,
)
if (ratios.length > 1) console.log(`geometric mean ${geometricMean(ratios).toFixed(2)}`)
