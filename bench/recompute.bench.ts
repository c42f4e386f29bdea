/**
 * What computing activations again saves in memory and costs in time: the gradient of the sum of a model's first output in
 * its input, or in the embeddings of its tokens, with everything kept and with as little kept as can be, in turns.
 *
 *   node build/ts/bench/recompute.bench.js --model MODEL[,MODEL…] [--sizes batch=8,tokens=1024] [--runs 5]
 *
 * A model is an ONNX file or a checkpoint folder; by default two of models/. Time is the processor's, which other programs move less.
 */
import { basename, join } from 'node:path'
import { loadModel } from '#lib/index.js'
import { settle } from '#lib/native.js'
import { gradientGraph } from '#lib/tools/gradientGraph.js'
import { plannedSizes } from '#lib/tools/inspect.js'
import { sampleInputs } from '#lib/tools/sampleInputs.js'
import type { NativePlan, NativeTensor } from '#typings/addon.js'
import { repositoryRoot } from '../test/oracles/repository.js'
import { flags, printTable } from './harness.js'

const given = Object.fromEntries(
  (flags.sizes ?? '').split(',').flatMap(pair => {
    const [name, size] = pair.split('=')
    return size === undefined ? [] : [[name!, Number(size)]]
  }),
)
const runs = Number(flags.runs ?? 5)
const defaults = ['scenes-sound.onnx', 'scenes-transformer.onnx']
  .map(name => join(repositoryRoot, 'models', name))
  .join()

const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)

/** Outputs, and milliseconds of the processor. */
async function run(plan: NativePlan, inputs: Record<string, NativeTensor>) {
  const before = process.cpuUsage()
  const { outputs } = await settle(() => plan.run(inputs, {}))
  const { user, system } = process.cpuUsage(before)
  return { outputs, milliseconds: (user + system) / 1e3 }
}

const rows: string[][] = []
for (const file of (flags.model ?? defaults).split(',')) {
  const plans: NativePlan[] = []
  let inputs: Record<string, NativeTensor> = {}
  for (const recompute of [false, true]) {
    const model = await loadModel(file, { recompute })
    const known = Object.entries(given).filter(([name]) =>
      model.inputs.some(({ shape }) => shape?.includes(name)),
    )
    const sizes = plannedSizes(model, Object.fromEntries(known))
    plans.push(await model.plan(`recompute ${JSON.stringify(sizes)}`, () => gradientGraph(model), { sizes }))
    inputs = sampleInputs(model, sizes, 1) as Record<string, NativeTensor>
  }
  const needed = new Set(plans[0]!.describe().inputs.map(({ name }) => name))
  const own = Object.fromEntries(Object.entries(inputs).filter(([name]) => needed.has(name)))
  const times: number[][] = [[], []]
  let isEqual = true
  for (let round = 0; round <= runs; round++) {
    const both = []
    for (const plan of plans) both.push(await run(plan, own))
    // The first round meets cold memory.
    if (round > 0) for (const [at, { milliseconds }] of both.entries()) times[at]!.push(milliseconds)
    const [kept, again] = both.map(({ outputs }) => outputs.map(({ data }) => Buffer.from(data.buffer)))
    isEqual &&= kept!.every((bytes, at) => bytes.equals(again![at]!))
  }
  const [kept, again] = plans.map(plan => plan.describe())
  const flops = (nodes: { flops: number }[]) => nodes.reduce((sum, node) => sum + node.flops, 0)
  rows.push([
    basename(file),
    megabytes(kept!.arenaBytes),
    megabytes(again!.arenaBytes),
    (again!.arenaBytes / kept!.arenaBytes).toFixed(2),
    String(again!.recomputed?.nodes ?? 0),
    `${(((again!.recomputed?.flops ?? 0) / flops(kept!.nodes)) * 100).toFixed(0)} %`,
    median(times[0]!).toFixed(0),
    median(times[1]!).toFixed(0),
    (median(times[1]!) / median(times[0]!)).toFixed(2),
    isEqual ? 'the same' : 'DIFFER',
  ])
  if (!isEqual) process.exitCode = 1
}
printTable(
  [
    'model',
    'kept MB',
    'again MB',
    'ratio',
    'nodes twice',
    'more arithmetic',
    'kept, processor ms',
    'again',
    'ratio',
    'bits',
  ],
  rows,
)
