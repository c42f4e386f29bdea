/**
 * What do products of bf16 cost in accuracy, and what do they save? Outputs, and the gradient of the top output's score,
 * with `precision: 'bf16'` against f32: relative L2, and how often the first of the outputs stays; with --seconds also the
 * time of both, in turns.
 *
 *   node build/ts/bench/precision.bench.js [--quick] [--only NAME] [--batch N] [--seconds N] [--folder LLAMA]
 *
 * Trained models with real inputs come from ASCRIBE_SHARED_DATA, nets with random weights from ASCRIBE_BENCH_NETS
 * (bench/nets/nets.py makes them), a checkpoint of a language model from --folder.
 */
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createTensor, loadModel, type Model, type Tensor, vectorJacobianProduct } from '#lib/index.js'
import { embeddingLookups } from '#lib/model/embeddings.js'
import { native } from '#lib/native.js'
import { relativeDistance } from '../test/oracles/gradientOf.js'
import { flags, isChosen, printTable, quick, race, randomFloats, threads } from './harness.js'
import { netNames } from './nets/nets.js'
import { realModels } from './realModels.js'

if (!native().engine().precisions.includes('bf16')) {
  console.log('skipped: this processor has no products of bf16, or ASCRIBE_MAX_ISA forbids them')
  process.exit(0)
}
native().configure({ lanes: 1, threadsPerLane: threads })

type Inputs = Record<string, Tensor>
type Precision = 'f32' | 'bf16'

const argmax = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((best, value, at, all) => (value > all[best]! ? at : best), 0)

/** Outputs and the gradient of the first output's greatest number (of the last row, where rows are positions). */
async function compute(model: Model, inputs: Inputs, explained: string, precision: Precision, at?: number) {
  const name = model.outputs[0]!.name
  const output = (await model.run(inputs, { precision })).outputs[name]!
  const data = output.data as Float32Array
  const width = output.shape.at(-1)!
  const top = at ?? data.length - width + argmax(data.subarray(data.length - width))
  const seed = createTensor('f32', [...output.shape])
  seed.data[top] = 1
  const gradient = () => vectorJacobianProduct(model, inputs, { [name]: seed }, [explained], { precision })
  return { data, top, gradient, run: () => model.run(inputs, { precision, guard: false }) }
}

const errors: string[][] = []
const times: string[][] = []
const e = (value: number) => value.toExponential(1)
const worst = (values: readonly number[]) => Math.max(...values)
const middle = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!

async function measure(name: string, model: Model, examples: readonly Inputs[], explained: string) {
  const found: { outputs: number; gradient: number; isSame: boolean }[] = []
  for (const inputs of examples) {
    const exact = await compute(model, inputs, explained, 'f32')
    const rounded = await compute(model, inputs, explained, 'bf16', exact.top)
    const [a, b] = [(await exact.gradient())[explained]!, (await rounded.gradient())[explained]!]
    found.push({
      outputs: relativeDistance(rounded.data, exact.data),
      gradient: relativeDistance(b.data as Float32Array, a.data as Float32Array),
      isSame: argmax(rounded.data) === argmax(exact.data),
    })
  }
  const [outputs, gradients] = [found.map(each => each.outputs), found.map(each => each.gradient)]
  errors.push([
    name,
    String(found.length),
    `${e(middle(outputs))} / ${e(worst(outputs))}`,
    `${found.filter(({ isSame }) => isSame).length} of ${found.length}`,
    `${e(middle(gradients))} / ${e(worst(gradients))}`,
  ])
  if (flags.seconds === undefined) return
  const [exact, rounded] = [
    await compute(model, examples[0]!, explained, 'f32'),
    await compute(model, examples[0]!, explained, 'bf16'),
  ]
  const cells = [name]
  for (const part of ['run', 'gradient'] as const) {
    const { ours, peer, ratio, low, high } = await race(
      () => rounded[part](),
      () => exact[part](),
    )
    cells.push(
      peer.toFixed(1),
      ours.toFixed(1),
      `${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`,
    )
  }
  times.push(cells)
}

const real = flags.seconds === undefined ? realModels(quick) : []
for await (const { name, model, examples, explained } of real) {
  if (name === 'charrnn' || name === 'silero-vad' || name === 'version-RFB-320') continue
  await measure(
    `${name}, trained`,
    model,
    examples.map(({ inputs }) => inputs),
    explained,
  )
  model.dispose()
}

const nets = process.env.ASCRIBE_BENCH_NETS
for (const name of netNames) {
  const path = join(nets ?? '', `${name}.onnx`)
  if (nets === undefined || !existsSync(path) || !isChosen(name)) continue
  const model = await loadModel(path)
  const batch = Number(flags.batch ?? 1)
  const input = model.inputs[0]!
  const shape = [batch, ...(input.shape!.slice(1) as number[])]
  const tensor = createTensor('f32', shape, randomFloats(shape.reduce((a, b) => a * b, 1)))
  await measure(`${name} x${batch}`, model, [{ [input.name]: tensor }], input.name)
  model.dispose()
}

if (flags.folder !== undefined && isChosen('llama')) {
  const model = await loadModel(flags.folder)
  const ids = BigInt64Array.from({ length: 64 }, (_, at) => BigInt(5 + ((at * 97) % 30_000)))
  const inputs = { [model.inputs[0]!.name]: createTensor('i64', [1, ids.length], ids) as Tensor }
  await measure(`llama (${basename(flags.folder)})`, model, [inputs], embeddingLookups(model)[0]!.layer)
}

printTable(['model', 'inputs', 'outputs, median / worst', 'same first', 'gradient, median / worst'], errors)
if (times.length > 0)
  printTable(['net', 'forward f32 ms', 'bf16', 'ratio', 'with gradient f32 ms', 'bf16', 'ratio'], times)
process.exit(0)
