import test from 'ava'
import { RandomStream } from '#lib/games/randomStream.js'
import { RiseMasks } from '#lib/games/samplers/riseMasks.js'
import { sobolEstimators, sobolIndex } from '#lib/games/samplers/sobolIndices.js'
import {
  type AttributionMethod,
  ExactIntegratedGradients,
  Hsic,
  LeaveOneOut,
  type Model,
  Rise,
  ShapleyValueSampling,
  Sobol,
} from '#lib/index.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { loadPeerModel, peerPicture, readPeers } from '../oracles/recordedPeers.js'

/** What Captum, the authors' RISE and Xplique make of three exported models: record_games.py, versions inside. */
type Recorded = Record<string, number[]>
const { models } = readPeers<{ models: Record<string, Recorded> }>('games.json')
const { target, models: inputs } = readPeers<{ target: number; models: Record<string, Recorded> }>(
  'peers.json',
)
/** What they were given in the place of their own draws. */
const draws = readPeers<{ permutations: number[][]; rise: [bits: number, left: number, top: number][] }>(
  'gameDraws.json',
)

const side = 12
const squares = { kind: 'grid', rows: 3 } as const
const rise = { cells: 4, samples: draws.rise.length, seed: 5 }
const masks = new RiseMasks(side, side, rise.cells, 0.5, rise.seed)
const shapley = { permutations: draws.permutations.length, seed: 4 }

const methods: Record<string, (model: Model) => AttributionMethod> = {
  ExactIntegratedGradients: model => new ExactIntegratedGradients(model),
  ShapleyValueSampling: model => new ShapleyValueSampling(model, { regions: squares, ...shapley }),
  'Rise xplique': model => new Rise(model, rise),
  'Rise authors': model => new Rise(model, { ...rise, normalization: 'expected' }),
  Hsic: model => new Hsic(model, { grid: 4, samples: 64 }),
  'Sobol amplitude': model => new Sobol(model, { grid: 4, perturbation: 'amplitude' }),
  ...Object.fromEntries(
    sobolEstimators.map(estimator => [
      `Sobol ${estimator}`,
      (model: Model) => new Sobol(model, { grid: 4, estimator }),
    ]),
  ),
}
/** Differences of means that are far from 0, of values in single precision. */
const cancelling = ['Sobol homma', 'Sobol saltelli']
/** Methods that put the first baseline in the place of what is gone, the others 0. */
const withBaseline = ['ExactIntegratedGradients', 'ShapleyValueSampling', 'LeaveOneOut']

/** Of a map over pixels, one score for each square of 4 x 4. */
const ofSquares = (scores: ArrayLike<number>) =>
  Array.from({ length: 9 }, (_, at) => scores[48 * Math.floor(at / 3) + 4 * (at % 3)]!)

const scoresOf = async (name: string, key: string, method: AttributionMethod) => {
  const baseline = withBaseline.includes(key) ? { baseline: peerPicture(inputs[name]!.baselines!) } : {}
  const map = await method.attribute(peerPicture(inputs[name]!.x!), { target, ...baseline })
  const { data } = map.scores()
  return key === 'ShapleyValueSampling' ? ofSquares(data as Float32Array) : (data as Float32Array)
}

for (const [name, recorded] of Object.entries(models))
  test(`${name}: Captum, the authors' RISE and Xplique, given the same masks`, async t => {
    const model = await loadPeerModel(name)
    for (const [key, make] of Object.entries(methods)) {
      if (recorded[key] === undefined) continue
      const distance = relativeDistance(await scoresOf(name, key, make(model)), recorded[key])
      t.log(`${key} ${distance.toExponential(1)}`)
      if (key === 'Sobol janon') t.true(distance > 1e-3, `${distance}`)
      else t.true(distance <= (cancelling.includes(key) ? 1e-4 : 1e-5), `${key}: ${distance}`)
    }
    const map = await scoresOf(name, 'LeaveOneOut', new LeaveOneOut(model, { regions: squares }))
    const distance = relativeDistance(map, inputs[name]!.FeatureAblation!.slice(0, side * side))
    t.log(`LeaveOneOut ${distance.toExponential(1)}`)
    t.true(distance <= 1e-5, `LeaveOneOut: ${distance}`)
  })

test('the orders and masks that they were given are those of the seeds', t => {
  for (const [sample, order] of draws.permutations.entries())
    t.deepEqual([...new RandomStream(shapley.seed, 0, sample).permutation(9)], order)
  for (const [sample, [bits, left, top]] of draws.rise.entries())
    t.deepEqual([...masks.draw(sample)], [bits, left + 65_536 * top])
})

test("Sobol indices of the same values, and Janon's with what it is divided by", t => {
  const recorded = models.plain!
  const values = recorded['Sobol values']!
  const count = 32
  const base = values.slice(0, count)
  const mixed = Array.from({ length: 16 }, (_, at) => values.slice((at + 2) * count, (at + 3) * count))
  const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b) / numbers.length
  for (const estimator of sobolEstimators) {
    const found = mixed.map(column => {
      const index = sobolIndex(estimator, base, column)
      if (estimator !== 'janon') return index
      // There the squares alone are divided by count - 1.
      const [both, energy] = [mean([...base, ...column]) ** 2, mean([...base, ...column].map(y => y * y))]
      return 1 - ((1 - index) * (energy - both)) / ((energy * count) / (count - 1) - both)
    })
    const distance = relativeDistance(found, recorded[`Sobol ${estimator}`]!)
    t.log(`${estimator} ${distance.toExponential(1)}`)
    t.true(distance <= 1e-5, `${estimator}: ${distance}`)
  }
})

test("masks are those of Xplique; those of the authors' RISE are mirrored at the edges", t => {
  const recorded = models.plain!
  const { cells } = rise
  const enlarged = side + side / cells
  const position = (pixel: number) => ((pixel + 0.5) * cells) / enlarged - 0.5
  const mirrored = (at: number) => (at < 0 ? -at : at > cells - 1 ? 2 * (cells - 1) - at : at)
  for (const [sample, [bits, left, top]] of draws.rise.slice(0, 3).entries()) {
    const own = masks.render(masks.draw(sample))
    const bit = (row: number, column: number) =>
      row < cells && column < cells ? (bits >>> (cells * row + column)) & 1 : 0
    for (let pixel = 0; pixel < side * side; pixel++) {
      const [y, x] = [top + Math.floor(pixel / side), left + (pixel % side)].map(position) as [number, number]
      const [row, column] = [mirrored(y), mirrored(x)]
      const [r, c] = [Math.floor(row), Math.floor(column)]
      const [down, across] = [row - r, column - c]
      const expected =
        (1 - down) * ((1 - across) * bit(r, c) + across * bit(r, c + 1)) +
        down * ((1 - across) * bit(r + 1, c) + across * bit(r + 1, c + 1))
      const at = sample * side * side + pixel
      t.true(Math.abs(recorded['masks authors']![at]! - expected) <= 1e-6, `${sample} ${pixel}`)
      t.true(Math.abs(recorded['masks xplique']![at]! - own[pixel]!) <= 1e-6, `${sample} ${pixel}`)
      if (row === y && column === x) t.true(Math.abs(own[pixel]! - expected) <= 1e-6)
    }
  }
})

test('what mirrored edges make of the map', async t => {
  const model = await loadPeerModel('plain')
  const map = await scoresOf('plain', 'Rise', new Rise(model, { ...rise, normalization: 'expected' }))
  const distance = relativeDistance(map, models.plain!['Rise authors ownMasks']!)
  t.log(distance.toExponential(1))
  t.true(distance > 0.01 && distance < 0.2, `${distance}`)
})
