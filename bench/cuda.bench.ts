/**
 * What does the GPU bring, forwards and with the input gradient, from host array to host array, against PyTorch on the
 * same GPU, and integrated gradients and SmoothGrad against Captum? `python bench/cuda/peer.py FOLDER` first; `--folder FOLDER`. `--device cpu` shows the CPU on the same models.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { IntegratedGradients, loadModel, SmoothGrad } from '#lib/index.js'
import { native } from '#lib/native.js'
import { flags, isChosen, printTable, quick, randomFloats } from './harness.js'
import { inputGradient } from './inputGradient.js'

interface Times {
  forward: number
  gradient: number
  forward_tf32: number
  gradient_tf32: number
}
interface Captum {
  milliseconds: number
  inner: number
}
interface Peer {
  torch: string
  device: string
  /** Times by batch, and how far PyTorch's own gradient in single precision is from the exact one. */
  models: Record<
    string,
    Record<string, Times> & { gradientError: number; integrated?: Captum; smooth?: Captum }
  >
}

const device = process.env.ASCRIBE_BENCH_DEVICE ?? 'cuda'
const cuda = native()
  .engine()
  .backends.find(({ name }) => name === 'cuda')
if (device === 'cuda' && !cuda?.available) {
  console.log(`skipped: ${cuda?.reason ?? 'there is no CUDA backend'}`)
  process.exit(0)
}
const { folder } = flags
if (folder === undefined || !existsSync(join(folder, 'peer.json'))) {
  console.log('skipped: run `python bench/cuda/peer.py FOLDER` and give --folder FOLDER')
  process.exit(0)
}
const peer = JSON.parse(await readFile(join(folder, 'peer.json'), 'utf8')) as Peer

async function median(run: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < 3; ++i) await run()
  const times: number[] = []
  const start = performance.now()
  while (times.length < 5 || (times.length < 15 && performance.now() - start < 4000)) {
    const before = performance.now()
    await run()
    times.push(performance.now() - before)
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!
}

const floats = async (name: string) => new Float32Array((await readFile(join(folder, name))).buffer.slice(0))
function distances(actual: Float32Array, expected: Float32Array) {
  let largest = 0
  let size = 0
  let difference = 0
  let norm = 0
  for (const [i, value] of expected.entries()) {
    largest = Math.max(largest, Math.abs(actual[i]! - value))
    size = Math.max(size, Math.abs(value))
    difference += (actual[i]! - value) ** 2
    norm += value ** 2
  }
  return { largest: largest / size, relative: Math.sqrt(difference / norm) }
}

const rows: string[][] = []
const integrated: string[][] = []
for (const [name, byBatch] of Object.entries(peer.models)) {
  if (!isChosen(name)) continue
  const model = await loadModel(join(folder, `${name}.onnx`), { device })
  const known = { dtype: 'f32' as const, shape: [2, 3, 224, 224], data: await floats(`${name}.x.f32`) }
  const run = await inputGradient(model, known)
  const forward = await model.run({ x: known })
  const both = await run()
  const output = distances(
    Object.values(forward.outputs)[0]!.data as Float32Array,
    await floats(`${name}.y.f32`),
  )
  const gradient = distances(both.outputs[0]!.data as Float32Array, await floats(`${name}.gradient.f32`))
  for (const [size, theirs] of Object.entries(byBatch)) {
    if (typeof theirs === 'number' || !('forward' in theirs)) continue
    const batch = Number(size)
    const x = {
      dtype: 'f32' as const,
      shape: [batch, 3, 224, 224],
      data: randomFloats(batch * 3 * 224 * 224),
    }
    const explain = await inputGradient(model, x)
    const mine = { forward: await median(() => model.run({ x })), gradient: await median(() => explain()) }
    rows.push([
      `${name} x${batch}`,
      mine.forward.toFixed(2),
      theirs.forward.toFixed(2),
      (theirs.forward / mine.forward).toFixed(2),
      mine.gradient.toFixed(2),
      theirs.gradient.toFixed(2),
      (theirs.gradient / mine.gradient).toFixed(2),
      `${theirs.forward_tf32.toFixed(2)} / ${theirs.gradient_tf32.toFixed(2)}`,
      output.largest.toExponential(1),
      `${gradient.relative.toExponential(1)} / ${byBatch.gradientError.toExponential(1)}`,
    ])
    if (batch === 32 || quick) {
      await explain()
      const { profile = [] } = await explain({ profile: true })
      const byKernel = new Map<string, number>()
      for (const { kernel, milliseconds } of profile)
        byKernel.set(kernel, (byKernel.get(kernel) ?? 0) + milliseconds)
      const slowest = [...byKernel].sort((a, b) => b[1] - a[1]).slice(0, 6)
      console.log(
        `${name} x${batch}: ${slowest.map(([kernel, ms]) => `${kernel} ${ms.toFixed(2)}`).join(', ')}`,
      )
    }
  }
  if (byBatch.integrated) {
    const x = { ...known, shape: [1, 3, 224, 224], data: known.data.slice(0, 3 * 224 * 224) }
    const scores = await floats(`${name}.integrated.f32`)
    for (const chunk of [undefined, 10, 25, 50]) {
      const methods = {
        'integrated gradients': [new IntegratedGradients(model, { steps: 50 }), byBatch.integrated],
        SmoothGrad: [new SmoothGrad(model, { samples: 50, sigma: 0.1 }), byBatch.smooth],
      } as const
      for (const [what, [method, theirs]] of Object.entries(methods)) {
        const explain = () => method.attribute(x, { target: 7, ...(chunk ? { chunk } : {}) })
        const first = await explain()
        const mine = await median(explain)
        const inside = (await explain()).cost.milliseconds
        integrated.push([
          `${name}, ${what}`,
          chunk === undefined ? `default, ${first.environment.chunk}` : String(chunk),
          `${mine.toFixed(1)} (${inside.toFixed(1)} in the native loop)`,
          theirs ? theirs.milliseconds.toFixed(1) : '',
          String(theirs?.inner ?? ''),
          theirs ? (theirs.milliseconds / mine).toFixed(2) : '',
          what === 'SmoothGrad'
            ? ''
            : distances(first.scores().data as Float32Array, scores).relative.toExponential(1),
        ])
      }
    }
  }
  await model.dispose()
}
console.log(`${peer.device}, PyTorch ${peer.torch}; milliseconds from host array to host array`)
if (rows.length > 0)
  printTable(
    [
      'case',
      'forward',
      'PyTorch',
      'ratio',
      'gradient',
      'PyTorch',
      'ratio',
      'PyTorch TF32',
      'output error',
      'gradient L2 ours / PyTorch',
    ],
    rows,
  )
if (integrated.length > 0) {
  console.log('one picture, 50 steps of integrated gradients, 50 samples of SmoothGrad')
  printTable(['case', 'chunk', 'ms', 'Captum', 'its best', 'ratio', 'L2 from Captum'], integrated)
}
