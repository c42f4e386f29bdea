/**
 * How fast are metrics, against Quantus? The same maps, the same classifier (models/scenes-sound.onnx, and MobileNetV2 of
 * the folder of real models; the peer has them in PyTorch with the same weights), the same number of threads, in turns.
 * Quantus runs all maps in one batch, its default, and in the fastest of some batch sizes. Values are compared too where
 * nothing is drawn.
 *
 *   ASCRIBE_QUANTUS_PYTHON=venv/bin/python PYTHONPATH=FOLDER_OF_QUANTUS node build/ts/bench/metrics.bench.js
 *     [--quick] [--batch MAPS] [--runs RUNS] [--only CASE] [--model mobilenet]
 *
 * Without ASCRIBE_QUANTUS_PYTHON, ours alone is measured. `--batch` is how many maps there are, default 4; `--runs` how often
 * each side runs, default 3; `--model mobilenet` races MobileNetV2 in place of the scenes' classifier.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import {
  Complexity,
  classify,
  createTensor,
  FaithfulnessCorrelation,
  type Image,
  Infidelity,
  InputXGradient,
  loadModel,
  type Metric,
  type MetricSample,
  PixelFlipping,
  preprocess,
  readImage,
  SensitivityMax,
  Sparseness,
  type Tensor,
  writeNpy,
} from '#lib/index.js'
import { call, native } from '#lib/native.js'
import { heldOutScenes } from '../examples/quickstart/scenes.js'
import { SCENE_LABELS } from '../models/scenes/objects.js'
import { flags, isChosen, printTable, quick, threads } from './harness.js'
import { dataRoot, photos } from './realModels.js'

call(() => native().configure({ lanes: 1, threadsPerLane: threads }))
const models = join(import.meta.dirname, '../../../models')
const isReal = flags.model === 'mobilenet'
const file = isReal
  ? join(dataRoot, 'imagenet-mobilenet-v2/mobilenet_v2_1.0_224.onnx')
  : join(models, 'scenes-sound.onnx')
const model = await loadModel(file, {
  preprocessing: isReal ? 'inception' : join(models, 'preprocessor_config.json'),
})
const count = quick ? 2 : Number(flags.batch ?? 4)
const method = new InputXGradient(model)
const element = { features: 'element' } as const

interface Prepared extends MetricSample {
  input: Tensor
  target: number
  map: Float32Array
}

async function prepare(id: string, image: Image, label?: number): Promise<Prepared> {
  const { tensor: input } = await preprocess(image, model.preprocessing!)
  const target = label ?? (await classify(model, input, { count: 1 }))[0]!.index
  const map = (await method.attribute(input, { target })).scores().data as Float32Array
  return { id, input, target, map }
}
const samples: Prepared[] = []
if (isReal)
  for (const name of photos.slice(0, count))
    samples.push(await prepare(name, await readImage(join(dataRoot, 'photos', name))))
else
  for (const { badge, label, name } of heldOutScenes(count))
    samples.push(await prepare(name, badge, SCENE_LABELS.indexOf(label as (typeof SCENE_LABELS)[number])))

/** About as many steps for every size of picture: 48 of pixel flipping, 64 patches. */
const size = samples[0]!.map.length
const featuresInStep = Math.floor(size / 48)
const side = Math.floor(samples[0]!.input.shape.at(-1)! / 8)

/** What is raced: the metric, the value that the peer gives, and whether both must agree. */
const cases: [string, string, Metric, string, boolean][] = [
  [
    'PixelFlipping',
    `48 steps of ${featuresInStep} numbers`,
    new PixelFlipping(model, { ...element, featuresInStep }),
    'probability',
    true,
  ],
  [
    'FaithfulnessCorrelation',
    '100 subsets of 224 numbers',
    new FaithfulnessCorrelation(model, element),
    'logit',
    false,
  ],
  [
    'Infidelity',
    `64 patches of ${side} x ${side}`,
    new Infidelity(model, {
      perturbation: 'cumulativePatches',
      size: side,
      multiplyByInputs: false,
      baseline: 'minimum',
    }),
    'logit',
    true,
  ],
  ['SensitivityMax', '10 neighbours', new SensitivityMax(), 'sensitivity', false],
  ['Sparseness', `${size} numbers`, new Sparseness(element), 'gini', true],
  ['Complexity', `${size} numbers`, new Complexity(element), 'entropy', true],
]

interface Peer {
  versions: Record<string, string>
  run(name: string, batchSize: number): Promise<{ seconds: number; values: number[] }>
  end(): void
}

async function startPeer(python: string, folder: string): Promise<Peer> {
  const script = join(import.meta.dirname, '../../../bench/metrics/peer.py')
  const child: ChildProcess = spawn(python, [script, file, folder, String(threads)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('The peer ended')
    return JSON.parse(value)
  }
  return {
    versions: await next(),
    run: (name, batchSize) => {
      child.stdin!.write(`${name} ${batchSize}\n`)
      return next()
    },
    end: () => child.stdin!.end(),
  }
}

/** A run takes seconds to minutes: medians of few rounds in turns, with half their range. */
const rounds = Number(flags.runs ?? 3)
/** What Quantus runs at once: its default, and what may be faster. */
const defaultBatch = 64
const otherBatches = [1, 4, 16].filter(size => size < count)

const median = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1]!

interface Timing {
  time: number
  spread: number
}

async function raceFew(
  ours: () => Promise<unknown>,
  batches: readonly number[],
  peer: (batch: number) => Promise<unknown>,
): Promise<{ ours: Timing; peers: Timing[] }> {
  const timed = async (run: () => Promise<unknown>) => {
    const start = performance.now()
    await run()
    return performance.now() - start
  }
  const different = [...new Set(batches)]
  const times = [ours, ...different.map(batch => () => peer(batch))].map(run => ({
    run,
    list: [] as number[],
  }))
  for (let round = 0; round < rounds; ++round) for (const { run, list } of times) list.push(await timed(run))
  const [first, ...peers] = times.map(({ list }): Timing => {
    const sorted = [...list].sort((a, b) => a - b)
    return { time: median(list), spread: (sorted.at(-1)! - sorted[0]!) / 2 }
  }) as [Timing, ...Timing[]]
  return { ours: first, peers: batches.map(batch => peers[different.indexOf(batch)]!) }
}

const python = quick ? undefined : process.env.ASCRIBE_QUANTUS_PYTHON
const folder = mkdtempSync(join(tmpdir(), 'ascribe-metrics-'))
let peer: Peer | undefined
try {
  if (python === undefined)
    console.log('Quantus is not raced: needs ASCRIBE_QUANTUS_PYTHON, and no --quick. Ours alone:')
  else {
    const stacked = (pick: (sample: Prepared) => Float32Array) => {
      const data = new Float32Array(count * samples[0]!.map.length)
      for (const [at, sample] of samples.entries()) data.set(pick(sample), at * sample.map.length)
      return createTensor('f32', [count, ...samples[0]!.input.shape.slice(1)], data)
    }
    await writeNpy(
      join(folder, 'x.npy'),
      stacked(sample => sample.input.data as Float32Array),
    )
    await writeNpy(
      join(folder, 'maps.npy'),
      stacked(sample => sample.map),
    )
    const classes = BigInt64Array.from(samples, ({ target }) => BigInt(target))
    await writeNpy(join(folder, 'y.npy'), createTensor('i64', [count], classes))
    peer = await startPeer(python, folder)
    console.log(`Quantus ${peer.versions.quantus}, torch ${peer.versions.torch}, ${threads} threads each`)
  }
  const rows: string[][] = []
  for (const [name, what, metric, value, agrees] of cases) {
    if (!isChosen(name)) continue
    const ours = () => metric.evaluate(samples, name === 'SensitivityMax' ? { maps: method } : {})
    const { samples: found } = await ours()
    if (peer === undefined) {
      const start = performance.now()
      await ours()
      rows.push([name, what, (performance.now() - start).toFixed(1), '', '', '', ''])
      continue
    }
    const server = peer
    const { values } = await server.run(name, defaultBatch)
    const distance = Math.sqrt(
      found.reduce((sum, each, at) => sum + (each.values[value]! - values[at]!) ** 2, 0) /
        values.reduce((sum, each) => sum + each ** 2, 0),
    )
    let best = { size: defaultBatch, seconds: (await server.run(name, defaultBatch)).seconds }
    for (const size of otherBatches) {
      const { seconds } = await server.run(name, size)
      if (seconds < best.seconds) best = { size, seconds }
    }
    const result = await raceFew(ours, [defaultBatch, best.size], size => server.run(name, size))
    const said = ({ time, spread }: Timing) => `${time.toFixed(1)} \u00b1 ${spread.toFixed(1)}`
    const [usual, fastest] = result.peers as [Timing, Timing]
    rows.push([
      name,
      what,
      said(result.ours),
      said(usual),
      `${(usual.time / result.ours.time).toFixed(1)} x`,
      best.size === defaultBatch ? '' : `${said(fastest)} (${best.size})`,
      agrees ? distance.toExponential(1) : 'own draws',
    ])
  }
  printTable(
    ['metric', `of ${count} maps`, 'ours ms', 'Quantus ms', 'ratio', 'in its best batch', 'relative L2'],
    rows,
  )
} finally {
  peer?.end()
  rmSync(folder, { recursive: true })
}
