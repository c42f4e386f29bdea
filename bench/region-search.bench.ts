/**
 * LiMA over 49 regions against a batched PyTorch implementation of the same specification (bench/region-search/peer.py),
 * and the share of the engine's plain forward throughput that a search reaches.
 *
 * $ASCRIBE_PYTHON is a Python with torch and numpy; without it our side runs alone. $ASCRIBE_BENCH_STEPS: regions chosen
 * before both stop (default: all for one image through SqueezeNet, 2 for 16, else 1: a step asks for fewer sets the later it
 * is, so the first ones are most of a search); $ASCRIBE_BENCH_ROUNDS: searches of each side, in turn (default 1).
 * $ASCRIBE_BENCH_LAYOUT: `first` or `last`, where channels lie for PyTorch's convolutions (default: what is faster; few
 * programs change it). $ASCRIBE_BENCH_CELLS: cells of each side (default 7: 49 regions). On a busy machine compare
 * processor time: threads that wait for each other lose more wall time the more others run.
 *
 * $ASCRIBE_BENCH_FOLDER keeps models and PyTorch's best batch size and layout; where $ASCRIBE_BENCH_PREPARE is set they are
 * made and nothing else is measured, so that a later run is over in two minutes.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import {
  gridRegions,
  Lima,
  loadModel,
  type Model,
  type RegionSearch,
  type Tensor,
  writeSafetensors,
} from '#lib/index.js'
import { native } from '#lib/native.js'
import { flags, isChosen, printTable, quick, randomFloats, threads } from './harness.js'
import { squeezenet } from './models/squeezenet.js'
import { visionTransformer } from './models/visionTransformer.js'

const python = process.env.ASCRIBE_PYTHON
const pending = 8
const kept = process.env.ASCRIBE_BENCH_FOLDER
const isPreparing = process.env.ASCRIBE_BENCH_PREPARE !== undefined
const layout = process.env.ASCRIBE_BENCH_LAYOUT

interface Case {
  name: string
  peer: 'squeezenet' | 'vision-transformer' | undefined
  images: number
  side: number
  cells: number
  /** Regions chosen before both sides stop. */
  steps: number | undefined
  load(): Promise<Model>
}

/** Of each side of the grid: 49 regions. */
const cells = Number(process.env.ASCRIBE_BENCH_CELLS ?? 7)

/** A model of random numbers takes longer to make than to run. */
async function built(name: string, make: () => Uint8Array): Promise<Model> {
  if (kept === undefined) return loadModel(make(), { name })
  await mkdir(kept, { recursive: true })
  const file = join(kept, `${name}.onnx`)
  if (!existsSync(file)) await writeFile(file, make())
  return loadModel(file, { name })
}

const nets = {
  squeezenet: {
    peer: 'squeezenet',
    side: 224,
    cells,
    load: () => built('squeezenet', squeezenet),
  },
  'vision-transformer': {
    peer: 'vision-transformer',
    side: 224,
    cells,
    load: () => built('vision-transformer', visionTransformer),
  },
  scenes: { peer: undefined, side: 128, cells: 4, load: () => loadModel('models/scenes-sound.onnx') },
} as const

const cases: Case[] = quick
  ? [
      { name: 'scenes, 1 image', ...nets.scenes, images: 1, steps: undefined },
      { name: 'scenes, 4 images', ...nets.scenes, images: 4, steps: undefined },
    ]
  : (['squeezenet', 'vision-transformer'] as const).flatMap(net =>
      [1, 16].map(images => ({
        name: `${net}, ${images} image${images === 1 ? '' : 's'}`,
        ...nets[net],
        images,
        steps: Number(process.env.ASCRIBE_BENCH_STEPS ?? (net !== 'squeezenet' ? 1 : images === 1 ? 48 : 2)),
      })),
    )

/** Pictures with structure at the size of a region, so that sets differ. */
function pictures(count: number, side: number): Tensor<'f32'>[] {
  return Array.from({ length: count }, (_, at) => {
    const coarse = randomFloats(3 * 14 * 14, at + 5)
    const fine = randomFloats(3 * side * side, at + 105)
    const data = fine.map((value, place) => {
      const [channel, rest] = [Math.floor(place / (side * side)), place % (side * side)]
      const [y, x] = [Math.floor(rest / side), rest % side]
      const cell = channel * 196 + Math.floor((y * 14) / side) * 14 + Math.floor((x * 14) / side)
      return 1.2 * coarse[cell]! + 0.3 * value
    })
    return { dtype: 'f32', shape: [1, 3, side, side], data }
  })
}

/** The peer's process: one question, one answer. */
class Peer {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>
  constructor(path: string) {
    this.#child = spawn(path, [resolve('bench/region-search/peer.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }
  async ask(question: object) {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`)
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the peer ended')
    return JSON.parse(value)
  }
  end() {
    this.#child.stdin.end()
  }
}

/** Its best batch size, and unless it is told another its best layout. */
async function bestOf(peer: Peer, net: NonNullable<Case['peer']>): Promise<[number, boolean]> {
  const file = kept && join(kept, `${net}-${layout ?? 'any'}.json`)
  if (file && existsSync(file)) return JSON.parse(await readFile(file, 'utf8'))
  let best = Number.POSITIVE_INFINITY
  let choice: [number, boolean] = [1, false]
  const isConvolutional = net === 'squeezenet'
  const layouts = !isConvolutional ? [false] : layout === undefined ? [false, true] : [layout === 'last']
  for (const channelsLast of layouts) {
    await peer.ask({ do: 'layout', channels_last: channelsLast })
    for (const size of isConvolutional ? [4, 8, 16, 32] : [1, 4, 8]) {
      const { ms } = await peer.ask({ do: 'forward', batch: size })
      if (ms < best) [best, choice] = [ms, [size, channelsLast]]
    }
  }
  if (file) await writeFile(file, JSON.stringify(choice))
  return choice
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!

async function measure(given: Case): Promise<string[]> {
  const model = await given.load()
  const images = pictures(given.images, given.side)
  const regions = gridRegions(given.side, given.side, given.cells)
  const lima = new Lima(model, { regions, pending, stopAfter: given.steps })
  const baseline = -0.25
  const rounds = Number(process.env.ASCRIBE_BENCH_ROUNDS ?? 1)

  // Plain passes of full batches, and searches, in turn.
  // As many rows as a search takes by itself: larger batches leave the caches and are slower.
  const rows = 8
  const batch: Tensor<'f32'> = {
    dtype: 'f32',
    shape: [rows, 3, given.side, given.side],
    data: new Float32Array(rows * 3 * given.side ** 2),
  }
  for (let row = 0; row < rows; ++row)
    (batch.data as Float32Array).set(images[row % images.length]!.data, row * 3 * given.side ** 2)
  const plainOnce = async () => {
    const start = performance.now()
    await model.run(batch)
    return (performance.now() - start) / rows
  }
  const targets: number[] = []
  for (const image of images) {
    const { outputs } = await model.run(image)
    const scores = Object.values(outputs)[0]!.data as Float32Array
    targets.push(scores.indexOf(Math.max(...scores)))
  }
  const searchOnce = async () => {
    const [start, before] = [performance.now(), process.cpuUsage()]
    const found = await lima.searchBatch(images, { baseline })
    const { user, system } = process.cpuUsage(before)
    return { found, ms: performance.now() - start, cpu: (user + system) / 1000 }
  }
  let peer: Peer | undefined
  let peerBatch = 0
  let peerLayout = false
  const folder = await mkdtemp(join(tmpdir(), 'ascribe-bench-'))
  try {
    if (python !== undefined && given.peer !== undefined) {
      peer = new Peer(python)
      const weights = Object.fromEntries(
        model.parameters
          .list()
          .flatMap(({ name, dtype }) => (dtype === 'f32' ? [[name, model.parameters.read(name)]] : [])),
      )
      await writeSafetensors(join(folder, 'weights'), weights)
      const stacked = new Float32Array(images.length * images[0]!.data.length)
      for (const [at, image] of images.entries()) stacked.set(image.data, at * image.data.length)
      await writeSafetensors(join(folder, 'data'), {
        images: { dtype: 'f32', shape: [images.length, 3, given.side, given.side], data: stacked },
        regions: {
          dtype: 'i64',
          shape: [given.side, given.side],
          data: BigInt64Array.from(regions.labels, BigInt),
        },
        baseline: { dtype: 'f32', shape: [], data: Float32Array.of(baseline) },
      })
      await peer.ask({
        do: 'load',
        model: given.peer,
        weights: join(folder, 'weights'),
        data: join(folder, 'data'),
        threads,
      })
      ;[peerBatch, peerLayout] = await bestOf(peer, given.peer)
      await peer.ask({ do: 'layout', channels_last: peerLayout })
    }
    if (isPreparing) return [given.name, ...new Array<string>(5).fill(''), `${peerBatch}s`]
    // Plans are compiled before anything is timed: a budget that ends behind the first two sets is refused.
    await plainOnce()
    const tiny = new Lima(model, { regions, pending, stopAfter: given.steps, budget: 10 })
    await tiny.searchBatch(images, { baseline }).catch(() => undefined)
    native().resetPeakMemory()
    const [plain, ours, theirs]: [number[], number[], number[]] = [[], [], []]
    const [oursCpu, theirsCpu]: [number[], number[]] = [[], []]
    let found: RegionSearch[] = []
    let answer: { orders: [number[], number[]][]; evaluations: number; ms: number; cpu: number } | undefined
    for (let round = 0; round < rounds; ++round) {
      plain.push(await plainOnce())
      const own = await searchOnce()
      found = own.found
      ours.push(own.ms)
      oursCpu.push(own.cpu)
      plain.push(await plainOnce())
      if (peer === undefined) continue
      answer = await peer.ask({ do: 'search', batch: peerBatch, targets, pending, steps: given.steps ?? -1 })
      theirs.push(answer!.ms)
      theirsCpu.push(answer!.cpu)
    }
    if (found.some(({ order }) => order.length !== regions.count)) throw new Error('an order misses regions')
    const evaluations = found.reduce((sum, search) => sum + search.evaluations, 0)
    const share = (median(plain) * evaluations) / median(ours)
    const same = answer?.orders.filter(([front, back], at) => {
      const { order, chosen, rejected } = found[at]!.result
      return (
        order.slice(0, chosen).join() === front.join() &&
        order.slice(order.length - rejected).join() === back.join()
      )
    }).length
    const ties = found.reduce((sum, search) => sum + search.result.nearTies, 0)
    return [
      given.name,
      String(evaluations),
      (median(ours) / 1000).toFixed(2),
      theirs.length === 0 ? '' : `${(median(theirs) / 1000).toFixed(2)}`,
      theirs.length === 0 ? '' : (median(theirs) / median(ours)).toFixed(2),
      theirs.length === 0 ? '' : (median(theirsCpu) / median(oursCpu)).toFixed(2),
      answer === undefined
        ? ''
        : `${answer.evaluations} in ${peerBatch}s${peerLayout ? ', channels last' : ''}`,
      answer === undefined ? '' : `${same} of ${images.length}`,
      String(ties),
      `${(100 * share).toFixed(0)} %`,
      (native().memory().peak / 2 ** 20).toFixed(0),
    ]
  } finally {
    peer?.end()
    await rm(folder, { recursive: true, force: true })
    model.dispose()
  }
}

const rows: string[][] = []
for (const given of cases) {
  if (!isChosen(given.name)) continue
  rows.push(await measure(given))
  // A window may close before all cases are done.
  console.error(rows.at(-1)!.join('  '))
}
if (flags.only !== undefined && rows.length === 0) console.log(`no case is called ${flags.only}`)
printTable(
  [
    'case',
    'evaluations',
    'ours s',
    'PyTorch s',
    'ratio',
    'of CPU time',
    'its evaluations',
    'same orders',
    'near ties',
    'of plain forward',
    'peak MiB',
  ],
  rows,
)
