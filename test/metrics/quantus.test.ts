import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  Complexity,
  createTensor,
  FaithfulnessCorrelation,
  Infidelity,
  InputXGradient,
  Localisation,
  loadModel,
  type MetricSample,
  PixelFlipping,
  Road,
  SensitivityMax,
  Sparseness,
  type Tensor,
} from '#lib/index.js'
import type { Masked } from '#lib/metrics/perturbation.js'
import type { Subject } from '#lib/metrics/subject.js'
import { native, settle } from '#lib/native.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { repositoryRoot } from '../oracles/repository.js'

/** What record.py wrote; a number that was none is null. */
interface Recorded {
  shape: [number, number, number, number]
  x: number[]
  y: number[]
  maps: number[]
  pixelFlipping: { featuresInStep: number; curves: number[][] }
  areas: number[]
  faithfulnessCorrelation: { values: number[]; subsets: number[][][] }
  infidelity: { values: number[]; batchNormalised: number[]; aloneNormalised: number[] }
  maxSensitivity: { values: number[]; noise: number[][] }
  sparseness: number[]
  complexity: number[]
  localisation: { masks: number[][]; pointing: number[]; mass: (number | null)[]; rank: (number | null)[] }
  imputation: { counts: number[]; order: number[][]; pictures: number[] }
  road: { strongestFirst: number[]; weakestFirst: number[] } | string
}
const folder = join(repositoryRoot, 'test/fixtures/quantus')
const recorded = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as {
  models: Record<string, Recorded>
}

/** The bound of the specification: relative L2. */
function agrees(t: ExecutionContext, found: ArrayLike<number>, expected: ArrayLike<number>, what: string) {
  t.is(found.length, expected.length, what)
  const error = relativeDistance(found, expected)
  t.log(`${what}: ${error.toExponential(1)}`)
  t.true(error <= 1e-3, `${what} differs by ${error}`)
}

function samplesOf({ shape, x, y, maps }: Recorded): MetricSample[] {
  const [count, ...item] = shape
  const size = x.length / count
  return Array.from({ length: count }, (_, at) => ({
    id: String(at),
    input: createTensor('f32', [1, ...item], Float32Array.from(x.slice(at * size, (at + 1) * size))),
    target: y[at]!,
    map: maps.slice(at * size, (at + 1) * size),
  }))
}
const values = (result: { samples: readonly { values: Readonly<Record<string, number>> }[] }, name: string) =>
  result.samples.map(sample => sample.values[name]!)

for (const [name, was] of Object.entries(recorded.models)) {
  const loaded = loadModel(join(folder, `${name}.onnx`))
  const samples = samplesOf(was)
  const [count, channels, height, width] = was.shape

  test(`${name}: pixel flipping, curve and area`, async t => {
    const metric = new PixelFlipping(await loaded, {
      features: 'element',
      featuresInStep: was.pixelFlipping.featuresInStep,
    })
    const result = await metric.evaluate(samples)
    const curves = result.samples.flatMap(sample => sample.curves!.probability!)
    agrees(t, curves, was.pixelFlipping.curves.flat(), 'curves')
    agrees(t, values(result, 'probability'), was.areas, 'areas')
  })

  test(`${name}: faithfulness correlation over the subsets that were drawn`, async t => {
    const { subsets, values: expected } = was.faithfulnessCorrelation
    class OverRecordedSubsets extends FaithfulnessCorrelation {
      protected override perturb(subject: Subject): Masked {
        const drawn = super.perturb(subject)
        return { ...drawn, removed: at => subsets[subject.index]![at]! }
      }
    }
    const metric = new OverRecordedSubsets(await loaded, { runs: 30, subsetSize: 24, features: 'element' })
    agrees(t, values(await metric.evaluate(samples), 'logit'), expected, 'values')
  })

  test(`${name}: infidelity with patches that stay removed is theirs, with patches alone it is another`, async t => {
    const options = { multiplyByInputs: false, baseline: 'minimum' } as const
    const cumulative = new Infidelity(await loaded, { ...options, perturbation: 'cumulativePatches' })
    agrees(t, values(await cumulative.evaluate(samples), 'logit'), was.infidelity.values, 'cumulative')
    const alone = values(
      await new Infidelity(await loaded, { ...options, perturbation: 'patches' }).evaluate(samples),
      'logit',
    )
    for (const [at, value] of alone.entries())
      t.true(Math.abs(value / was.infidelity.values[at]! - 1) > 0.05, `${value}`)
  })

  test(`${name}: their value depends on the batch, ours is the one of the sample alone`, async t => {
    const metric = new Infidelity(await loaded, {
      multiplyByInputs: false,
      baseline: 'minimum',
      perturbation: 'cumulativePatches',
    })
    const most = samples.map(({ map }) => Math.max(...Array.from(map as number[], Math.abs)))
    const scaled = (divisor: (at: number) => number) =>
      samples.map((sample, at) => ({
        ...sample,
        map: Array.from(sample.map as number[], score => score / divisor(at)),
      }))
    const byBatch = scaled(() => Math.max(...most))
    agrees(t, values(await metric.evaluate(byBatch), 'logit'), was.infidelity.batchNormalised, 'batch')
    const byItself = scaled(at => most[at]!)
    agrees(t, values(await metric.evaluate(byItself), 'logit'), was.infidelity.aloneNormalised, 'alone')
    const first = values(await metric.evaluate(byItself.slice(0, 1)), 'logit')
    agrees(t, first, was.infidelity.aloneNormalised.slice(0, 1), 'first')
    t.true(was.infidelity.batchNormalised[0]! / was.infidelity.aloneNormalised[0]! < 0.5)
  })

  test(`${name}: max-sensitivity over the neighbours that were drawn`, async t => {
    const { noise, values: expected } = was.maxSensitivity
    class OverRecordedNoise extends SensitivityMax {
      protected override async neighbours(tensors: Readonly<Record<string, Tensor>>, id: string) {
        const [[input, tensor]] = Object.entries(tensors) as [[string, Tensor]]
        const size = tensor.data.length
        return noise.map(draw => {
          const own = draw.slice(Number(id) * size, (Number(id) + 1) * size)
          const data = (tensor.data as Float32Array).map((value, at) => value + own[at]!)
          return { [input]: { ...tensor, data } as Tensor }
        })
      }
    }
    const metric = new OverRecordedNoise()
    const result = await metric.evaluate(samples, { maps: new InputXGradient(await loaded) })
    agrees(t, values(result, 'sensitivity'), expected, 'values')
  })

  test(`${name}: sparseness and complexity`, async t => {
    const options = { features: 'element' } as const
    agrees(t, values(await new Sparseness(options).evaluate(samples), 'gini'), was.sparseness, 'sparseness')
    agrees(
      t,
      values(await new Complexity(options).evaluate(samples), 'entropy'),
      was.complexity,
      'complexity',
    )
  })

  test(`${name}: localisation; an empty mask is their hit, and no value here`, async t => {
    const area = height * width
    const { masks, pointing, mass, rank } = was.localisation
    const flat = samples.map((sample, at) => ({
      ...sample,
      mask: masks[at]!,
      map: Array.from({ length: area }, (_, pixel) =>
        (sample.map as number[]).filter((_, element) => element % area === pixel).reduce((a, b) => a + b, 0),
      ),
    }))
    const sizes = await new Localisation().evaluate(flat)
    agrees(t, values(sizes, 'mass').slice(0, 3), mass.slice(0, 3) as number[], 'mass')
    agrees(t, values(sizes, 'rank').slice(0, 3), rank.slice(0, 3) as number[], 'rank')
    const signed = await new Localisation({ part: 'signed', ties: 'any' }).evaluate(flat)
    t.deepEqual(values(signed, 'pointing').slice(0, 3), pointing.slice(0, 3))
    t.is(mass[3], null)
    t.is(pointing[3], 1)
    t.is(values(signed, 'pointing')[3], Number.NaN)
  })

  test(`${name}: pictures filled from their neighbours, channels together, and ROAD`, async t => {
    const area = height * width
    const { counts, order: orders, pictures } = was.imputation
    const found: number[] = []
    for (const [at, { input }] of samples.entries()) {
      // Theirs, since NumPy sorts ties as it likes.
      const order = orders[at]!
      const ranks = new Float32Array(area)
      for (const [rank, pixel] of order.entries()) ranks[pixel] = rank
      const { data } = await settle(() =>
        native().imputePixels({
          picture: input as never,
          channelsLast: false,
          ranks: { dtype: 'f32', shape: [area], data: ranks },
          counts,
          noise: 0,
          seed: 0n,
          item: 0n,
        }),
      )
      found.push(...(data as Float32Array))
    }
    agrees(t, found, pictures, 'pictures')
    // With several channels theirs takes ranks of elements for places, and fails.
    t.is(typeof was.road === 'string', channels > 1)
    if (typeof was.road === 'string') return
    for (const order of ['strongestFirst', 'weakestFirst'] as const) {
      const road = new Road(await loaded, { percentages: [5, 30, 70, 99], noise: 0, order })
      const result = await road.evaluate(samples)
      t.is(result.samples.length, count)
      t.deepEqual(result.curves.accuracy, was.road[order])
    }
  })
}
