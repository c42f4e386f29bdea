/** What does the gradient of the top class in the input cost, counted in forward passes? */
import { loadModel, Target } from '#lib/index.js'
import { explainedValues } from '#lib/methods/inputs/explainedValues.js'
import { gradientPlan } from '#lib/methods/inputs/gradientPlan.js'
import { prepareInput } from '#lib/model/prepareInput.js'
import { native, settle } from '#lib/native.js'
import { convolutionNets } from './convolutionNets.js'
import { peakGflops, printTable, race, randomFloats, threads } from './harness.js'

native().configure({ lanes: 1, threadsPerLane: threads })
const peak = await peakGflops()
const rows: string[][] = []
for (const { name, bytes, shape, output } of await convolutionNets()) {
  const model = await loadModel(bytes)
  const data = randomFloats(shape.reduce((a, b) => a * b, 1))
  const inputs = { [model.inputs[0]!.name]: { dtype: 'f32' as const, shape, data } }
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
  const { plan, target: compiled } = await gradientPlan(
    model,
    target,
    await explainedValues(model, await prepareInput(model, inputs), {}),
    inputs,
    1,
    { size: 1, graph: model.graph, inputs: model.inputs },
  )
  const extras = compiled.readsClass
    ? { 'ascribe.class': { dtype: 'i64' as const, shape: [1, 1], data: BigInt64Array.of(0n) } }
    : {}
  const gradient = () => settle(() => plan.run({ ...inputs, ...extras }, {}))
  const [forward, both] = [
    await model.run(inputs, { profile: true }),
    await settle(() => plan.run({ ...inputs, ...extras }, { profile: true })),
  ]
  const times = await race(gradient, () => model.run(inputs))
  const flops = (both.profile ?? []).reduce((sum, node) => sum + node.flops, 0)
  rows.push([
    name,
    `${times.ours.toFixed(2)} ±${times.oursSpread.toFixed(2)}`,
    `${times.peer.toFixed(2)} ±${times.peerSpread.toFixed(2)}`,
    (times.ours / times.peer).toFixed(2),
    `${((100 * flops) / (times.ours * 1e6) / peak).toFixed(0)} %`,
    `${(both.peakBytes / 1e6).toFixed(1)} / ${(forward.peakBytes / 1e6).toFixed(1)}`,
  ])
}
console.log(
  `forward and input gradient, batch 1, ${threads} threads; peak ${peak.toFixed(0)} GFLOP/s by the probe`,
)
printTable(['case', 'with gradient ms', 'forward ms', 'ratio', 'of peak', 'working MB with / without'], rows)
