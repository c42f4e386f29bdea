import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  joinedLists,
  type PlaceChanges,
  pixelLists,
  rowAt,
  rowsOfCopies,
  versionsIn,
} from '#lib/graph/placeLists.js'
import { createTensor, Infidelity, loadModel, type MetricResult, type MetricSample } from '#lib/index.js'
import { heldOutScenes, loadPair } from '../../examples/quickstart/scenes.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { localNet, numbers, side } from '../oracles/localNet.js'
import { type NodeGiven, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { repositoryRoot } from '../oracles/repository.js'

/** 4 x 1 pixels of which the two in the middle change, the right one first. */
const changes = (stay: boolean): PlaceChanges => ({
  key: '',
  stepOf: Int32Array.of(-1, 1, 0, -1),
  steps: 2,
  stay,
})
const three = {
  height: 1,
  width: 4,
  taps: 3,
  at: (place: number, tap: number) => (place + tap - 1 > 3 ? -1 : place + tap - 1),
}

test('a place has one version for each change that its window sees, and copies find theirs', t => {
  const pixels = pixelLists(changes(true), 1, 4)
  t.deepEqual([...pixels.starts], [0, 0, 1, 2, 2])
  const joined = joinedLists([{ lists: pixels, window: three }], changes(true))!
  t.deepEqual([...joined.starts], [0, 1, 3, 5, 6])
  t.deepEqual([...joined.steps], [1, 0, 1, 0, 1, 0])
  t.is(versionsIn(joined), 10)
  t.is(joinedLists([{ lists: pixels, window: three }], changes(true), 9), undefined)
  // Rows: place 0 has 0 and 1, place 1 has 2 to 4, place 2 has 5 to 7, place 3 has 8 and 9.
  t.deepEqual([...rowsOfCopies(joined, changes(true))], [0, 2, 5, 8, 0, 3, 6, 9, 1, 4, 7, 9])
  // Where changes do not stay, the second copy has none of the first.
  t.deepEqual([...rowsOfCopies(joined, changes(false))], [0, 2, 5, 8, 0, 3, 6, 9, 1, 4, 7, 8])
  t.is(rowAt(pixels, 2, 1, true), 4)
  t.is(rowAt(pixels, 2, 1, false), 3)
})

const pair = loadPair(join(repositoryRoot, 'models'))
const kinds = ['patches', 'cumulativePatches'] as const
const values = ({ samples }: MetricResult) => samples.flatMap(sample => Object.values(sample.values))

/** A bound on the copies of a pass makes every copy go through the model by itself. */
async function sameAsEachByItself(t: ExecutionContext, metric: Infidelity, samples: readonly MetricSample[]) {
  const [shared, alone] = [await metric.evaluate(samples), await metric.evaluate(samples, { chunk: 5 })]
  const distance = relativeDistance(values(shared), values(alone))
  t.log(`${metric.options.perturbation} of ${metric.options.size}: ${distance.toExponential(1)}`)
  // Other kernels: were both the same, nothing was shared.
  t.true(distance > 0 && distance <= 1e-5, `${distance}`)
  t.is(shared.cost.forwardPasses, alone.cost.forwardPasses)
}

test('layers that are shared among copies of a picture give what each copy gives by itself', async t => {
  const { sound } = await pair
  const samples: MetricSample[] = [...heldOutScenes(2)].map(({ badge, label, name }, at) => ({
    id: name,
    input: badge,
    target: label,
    map: numbers(128 * 128, at),
  }))
  for (const perturbation of kinds)
    await sameAsEachByItself(t, new Infidelity(sound, { perturbation, size: 16 }), samples)
})

test('so they do through padded poolings, joined and added branches, and patches that do not fill the picture', async t => {
  const model = await localNet({}, 3)
  const samples: MetricSample[] = [1, 2].map(seed => ({
    input: createTensor('f32', [1, 3, side, side], numbers(3 * side * side, seed)),
    target: seed,
    map: numbers(side * side, 10 + seed),
  }))
  for (const perturbation of kinds)
    for (const size of [7, 8])
      await sameAsEachByItself(t, new Infidelity(model, { perturbation, size }), samples)
})

/** A strided convolution of a picture, what `early` makes of it, and a head whose windows see the whole. */
function netWith(early: NodeGiven[], channels: number) {
  const sizes: Record<string, number[]> = {
    shift: [1, 3, 1, 1],
    w1: [32, 3, 3, 3],
    one: [32],
    two: [32],
    same: [32, 32, 1, 1],
    w2: [8, 32, 1, 1],
    w3: [5, 8, 3, 3],
  }
  return loadModel(
    writeModel({
      nodes: [
        ...early,
        { op: 'Conv', inputs: ['c1', 'w2'], outputs: ['c2'] },
        {
          op: 'Conv',
          inputs: ['c2', 'w3'],
          outputs: ['c3'],
          attributes: { dilations: [4, 4], pads: [4, 4, 4, 4] },
        },
        { op: 'GlobalAveragePool', inputs: ['c3'], outputs: ['pooled'] },
        { op: 'Flatten', inputs: ['pooled'], outputs: ['logits'], attributes: { axis: 1 } },
      ],
      tensors: Object.entries(sizes).map(([name, shape], at) =>
        tensor(
          name,
          shape,
          numbers(
            shape.reduce((a, b) => a * b, 1),
            at,
          ).map(Math.abs),
        ),
      ),
      inputs: [valueInfo('x', ['N', channels, side, side])],
      outputs: [valueInfo('logits', ['N', 5])],
    }),
  )
}
const first = (more: string[], output: string, from = 'x'): NodeGiven => ({
  op: 'Conv',
  inputs: [from, 'w1', ...more],
  outputs: [output],
  attributes: { strides: [2, 2], pads: [1, 1, 1, 1] },
})
const computed: NodeGiven = { op: 'Mul', inputs: ['one', 'two'], outputs: ['both'] }
/** Nets of which early layers are no plain tables: they are run all the same, shared as far as they go or not at all. */
const unusual: [name: string, early: NodeGiven[], channels: number][] = [
  ['a bias that is computed', [computed, first(['both'], 'c1')], 3],
  [
    'a normalisation by what is computed',
    [
      computed,
      first([], 'c0'),
      { op: 'BatchNormalization', inputs: ['c0', 'both', 'one', 'two', 'one'], outputs: ['c1'] },
    ],
    3,
  ],
  [
    'one channel that a constant makes three of',
    [{ op: 'Sub', inputs: ['x', 'shift'], outputs: ['three'] }, first([], 'c1', 'three')],
    1,
  ],
  [
    'a window of one place, padded on its sides alone',
    [
      first([], 'c0'),
      { op: 'Conv', inputs: ['c0', 'same', 'one'], outputs: ['c1'], attributes: { pads: [0, 1, 0, 1] } },
    ],
    3,
  ],
]
for (const [name, early, channels] of unusual)
  test(`copies give what each gives by itself through ${name}`, async t => {
    const model = await netWith(early, channels)
    const samples: MetricSample[] = [
      {
        input: createTensor('f32', [1, channels, side, side], numbers(channels * side * side, 1)),
        target: 1,
        map: numbers(side * side, 2),
      },
    ]
    for (const perturbation of kinds) {
      const metric = new Infidelity(model, { perturbation, size: 7 })
      const [shared, alone] = [await metric.evaluate(samples), await metric.evaluate(samples, { chunk: 5 })]
      t.true(relativeDistance(values(shared), values(alone)) <= 1e-5)
    }
  })
