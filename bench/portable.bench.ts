/**
 * How far are the portable kernels, which run where oneDNN is absent, from what runs where it is there? The same nets in
 * processes of their own, in turns: with oneDNN, without it, and without it and AVX-512; by kinds of nodes too.
 *
 *   node build/ts/bench/portable.bench.js [--quick] [--only NET] [--seconds 8] [--batch 8]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createTensor, loadModel } from '#lib/index.js'
import { native } from '#lib/native.js'
import type { NodeProfile } from '#typings/addon.js'
import { convolutionNets } from './convolutionNets.js'
import { compare, flags, isChosen, printTable, quick, randomFloats, threads } from './harness.js'
import { inputGradient } from './inputGradient.js'
import { geometricMean } from './nets/nets.js'

type What = 'forward' | 'gradient'
interface Answer {
  milliseconds: number
  /** Milliseconds by kind of node. */
  kinds: Record<string, number>
}

function kindOf({ op, kernel }: NodeProfile): string {
  if (/depthwise|jit_dw/.test(kernel)) return 'depthwise'
  if (op === 'convDataGradient') return 'convolution, gradient'
  if (/conv/i.test(op)) return 'convolution, forward'
  return /pool/i.test(op) ? 'pooling' : 'all else'
}

/** Answers what it is asked, with the kernels that its environment allows. */
async function work(source: string, shape: number[]): Promise<void> {
  native().configure({ lanes: 1, threadsPerLane: threads })
  const model = await loadModel(source === '' ? await resnet() : source)
  const input = createTensor('f32', shape, randomFloats(shape.reduce((a, b) => a * b, 1)))
  const gradient = await inputGradient(model, input)
  const runs = {
    forward: () => model.run({ [model.inputs[0]!.name]: input }, { profile: true }),
    gradient: () => gradient({ profile: true }),
  }
  process.on('message', async (what: What) => {
    const start = performance.now()
    const { profile = [] } = await runs[what]()
    const milliseconds = performance.now() - start
    const kinds: Record<string, number> = {}
    for (const node of profile) kinds[kindOf(node)] = (kinds[kindOf(node)] ?? 0) + node.milliseconds
    process.send!({ milliseconds, kinds } satisfies Answer)
  })
  process.send!('ready')
}
const resnet = async () => (await import('./models/resnet50.js')).resnet50()

const settings: Record<string, NodeJS.ProcessEnv> = {
  oneDNN: {},
  portable: { ASCRIBE_ONEDNN_BACKEND: 'none' },
  'portable, AVX2': { ASCRIBE_ONEDNN_BACKEND: 'none', ASCRIBE_MAX_ISA: 'avx2' },
}

/** Files to race: what bench/nets exported, else the nets at hand that are files, else a ResNet-50 made here. */
async function sources(): Promise<{ name: string; file: string; shape: number[] }[]> {
  const folder = process.env.ASCRIBE_BENCH_NETS
  const exported = ['squeezenet', 'mobilenet-v2', 'efficientnet-b0', 'resnet-50', 'vgg-19']
    .map(name => ({ name, file: join(folder ?? '', `${name}.onnx`), shape: [3, 224, 224] }))
    .filter(({ file }) => folder !== undefined && existsSync(file))
  if (exported.length > 0 && !quick) return exported.filter(({ name }) => isChosen(name))
  const found = (await convolutionNets()).filter(({ name }) => name === 'resnet50')
  return found.slice(0, 1).map(({ name, shape }) => ({ name, file: '', shape: shape.slice(1) }))
}

async function measure(name: string, file: string, shape: number[]): Promise<void> {
  const workers = Object.entries(settings).map(([setting, env]) => ({
    setting,
    child: fork(import.meta.filename, [], {
      env: { ...process.env, ...env, ASCRIBE_BENCH_PORTABLE: JSON.stringify([file, shape]) },
    }),
    answers: { forward: [] as Answer[], gradient: [] as Answer[] },
  }))
  for (const { child } of workers) await once(child, 'message')
  for (const what of ['forward', 'gradient'] as const) {
    const ask = async ({ child }: (typeof workers)[0]) => {
      child.send(what)
      return (await once(child, 'message'))[0] as Answer
    }
    for (let warm = 0; warm < (quick ? 1 : 3); ++warm) for (const worker of workers) await ask(worker)
    const start = performance.now()
    const budgetMs = 1000 * Number(flags.seconds ?? (quick ? 0 : 8))
    const { length } = workers[0]!.answers[what]
    for (let rounds = length; rounds < (quick ? 2 : 6) || performance.now() - start < budgetMs; ++rounds)
      for (const worker of workers) worker.answers[what].push(await ask(worker))
    const times = (worker: (typeof workers)[0]) => worker.answers[what].map(each => each.milliseconds)
    const [best, ...others] = workers
    const ratios = others.map(other => compare(times(other), times(best!)))
    for (const [at, { ratio }] of ratios.entries()) shares[at]!.push(ratio)
    rows.push([
      `${name} x${shape[0]} ${what}`,
      ratios[0]!.peer.toFixed(1),
      ...ratios.flatMap(({ ours, ratio, low, high }) => [
        ours.toFixed(1),
        `${(100 * ratio).toFixed(0)} % [${(100 * low).toFixed(0)}, ${(100 * high).toFixed(0)}]`,
      ]),
    ])
    const kinds = Object.keys(best!.answers[what][0]!.kinds)
    for (const kind of kinds) {
      const [exact, ...rest] = workers.map(({ answers }) =>
        median(answers[what].map(each => each.kinds[kind] ?? 0)),
      )
      parts.push([
        `${name} x${shape[0]} ${what}: ${kind}`,
        exact!.toFixed(2),
        ...rest.flatMap(ms => [ms.toFixed(2), ms > 0 ? `${((100 * exact!) / ms).toFixed(0)} %` : '']),
      ])
    }
  }
  for (const { child } of workers) child.disconnect()
}
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!

const rows: string[][] = []
const parts: string[][] = []
const shares: number[][] = [[], []]
const mine = process.env.ASCRIBE_BENCH_PORTABLE
if (mine !== undefined) {
  const [file, shape] = JSON.parse(mine) as [string, number[]]
  await work(file, shape)
} else if (
  native()
    .engine()
    .backends.find(({ name }) => name === 'onednn')?.available !== true
) {
  console.log('skipped: there is no oneDNN to compare with')
} else {
  for (const { name, file, shape } of await sources())
    await measure(name, file, [Number(flags.batch ?? 1), ...shape])
  const header = ['with oneDNN ms', 'portable ms', 'of it', 'portable, AVX2 ms', 'of it']
  printTable(['case', ...header], rows)
  for (const [at, name] of Object.keys(settings).slice(1).entries())
    console.log(`${name}: ${(100 * geometricMean(shares[at]!)).toFixed(0)} % in the geometric mean`)
  printTable(['nodes', ...header], parts)
}
