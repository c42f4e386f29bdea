/**
 * How fast are metrics, against Quantus? The same maps, the same classifier (models/scenes-sound.onnx; the peer has it in
 * PyTorch with the same weights), the same number of threads, in turns. Values are compared too where nothing is drawn.
 *
 *   ASCRIBE_QUANTUS_PYTHON=venv/bin/python PYTHONPATH=FOLDER_OF_QUANTUS node build/ts/bench/metrics.bench.js [--quick]
 *
 * Without ASCRIBE_QUANTUS_PYTHON, ours alone is measured.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import {
  Complexity,
  createTensor,
  FaithfulnessCorrelation,
  Infidelity,
  InputXGradient,
  loadModel,
  type Metric,
  type MetricSample,
  PixelFlipping,
  preprocess,
  SensitivityMax,
  Sparseness,
  type Tensor,
  writeNpy,
} from '#lib/index.js'
import { call, native } from '#lib/native.js'
import { heldOutScenes } from '../examples/quickstart/scenes.js'
import { SCENE_LABELS } from '../models/scenes/objects.js'
import { isChosen, printTable, quick, threads } from './harness.js'

call(() => native().configure({ lanes: 1, threadsPerLane: threads }))
const models = join(import.meta.dirname, '../../../models')
const file = join(models, 'scenes-sound.onnx')
const model = await loadModel(file, { preprocessing: join(models, 'preprocessor_config.json') })
const count = quick ? 2 : 4
const method = new InputXGradient(model)
const element = { features: 'element' } as const

interface Prepared extends MetricSample {
  input: Tensor
  target: number
  map: Float32Array
}
const samples: Prepared[] = []
for (const { badge, label, name } of heldOutScenes(count)) {
  const { tensor } = await preprocess(badge, model.preprocessing!)
  const target = SCENE_LABELS.indexOf(label as (typeof SCENE_LABELS)[number])
  const map = (await method.attribute(tensor, { target })).scores().data as Float32Array
  samples.push({ id: name, input: tensor, target, map })
}

/** What is raced: the metric, the value that the peer gives, and whether both must agree. */
const cases: [string, string, Metric, string, boolean][] = [
  [
    'PixelFlipping',
    '48 steps of 1024 numbers',
    new PixelFlipping(model, { ...element, featuresInStep: 1024 }),
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
    '64 patches of 16 x 16',
    new Infidelity(model, {
      perturbation: 'cumulativePatches',
      size: 16,
      multiplyByInputs: false,
      baseline: 'minimum',
    }),
    'logit',
    true,
  ],
  ['SensitivityMax', '10 neighbours', new SensitivityMax(), 'sensitivity', false],
  ['Sparseness', '49152 numbers', new Sparseness(element), 'gini', true],
  ['Complexity', '49152 numbers', new Complexity(element), 'entropy', true],
]

interface Peer {
  versions: Record<string, string>
  run(name: string): Promise<{ seconds: number; values: number[] }>
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
    run: name => {
      child.stdin!.write(`${name}\n`)
      return next()
    },
    end: () => child.stdin!.end(),
  }
}

/** A run takes seconds to minutes: medians of few rounds in turns, with half their range. */
const rounds = 3

const median = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1]!

async function raceFew(ours: () => Promise<unknown>, peer: () => Promise<unknown>) {
  const times = { ours: [] as number[], peer: [] as number[] }
  const timed = async (run: () => Promise<unknown>) => {
    const start = performance.now()
    await run()
    return performance.now() - start
  }
  for (let round = 0; round < rounds; ++round) {
    times.ours.push(await timed(ours))
    times.peer.push(await timed(peer))
  }
  const spread = (list: readonly number[]) => {
    const sorted = [...list].sort((a, b) => a - b)
    return (sorted.at(-1)! - sorted[0]!) / 2
  }
  return {
    ours: median(times.ours),
    peer: median(times.peer),
    oursSpread: spread(times.ours),
    peerSpread: spread(times.peer),
  }
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
      rows.push([name, what, (performance.now() - start).toFixed(1), '', '', ''])
      continue
    }
    const server = peer
    const { values } = await server.run(name)
    const distance = Math.sqrt(
      found.reduce((sum, each, at) => sum + (each.values[value]! - values[at]!) ** 2, 0) /
        values.reduce((sum, each) => sum + each ** 2, 0),
    )
    const result = await raceFew(ours, () => server.run(name))
    rows.push([
      name,
      what,
      `${result.ours.toFixed(1)} \u00b1 ${result.oursSpread.toFixed(1)}`,
      `${result.peer.toFixed(1)} \u00b1 ${result.peerSpread.toFixed(1)}`,
      `${(result.peer / result.ours).toFixed(1)} x`,
      agrees ? distance.toExponential(1) : 'own draws',
    ])
  }
  printTable(['metric', `of ${count} maps`, 'ours ms', 'Quantus ms', 'ratio', 'relative L2'], rows)
} finally {
  peer?.end()
  rmSync(folder, { recursive: true })
}
