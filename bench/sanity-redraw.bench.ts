/**
 * Which methods fail parameter randomisation when weights are drawn anew, as Adebayo et al. 2018 (section 3) do, and not
 * shuffled? On trained networks, from the output down (cascading): weights with two axes or more come from a normal
 * distribution of mean 0 and of their own root mean square, biases and norms are shuffled. Compared are the sizes of scores,
 * by Spearman's rank correlation and by structural similarity, for the class that the untouched network gives.
 *
 * The rule was settled before the first figure: with the upper half of the layers drawn anew a method fails by a measure
 * where the lower end of its 95 % interval (over pictures, each the mean of two draws) lies above the upper end of the
 * plain gradient's; it fails to tell classes apart where the same holds of the maps of two classes of the untouched network.
 * A map of one value is like no other (0). Nulls: the maps of two draws with each other, and the maps of two pictures for
 * one class of the untouched network.
 *
 *   node build/ts/bench/sanity-redraw.bench.js [--quick] [--only NAME] [--record]
 *
 * `--record` writes bench/sanity/redraw.json, model by model, from which `node scripts/docs.js` makes a table of
 * docs/metrics.md.
 */
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { spearmanCorrelation } from '#lib/data/rankStatistics.js'
import {
  createTensor,
  type GradientMethod,
  type Model,
  type ModelInputs,
  type Summary,
  Target,
  type Tensor,
} from '#lib/index.js'
import { randomStream, streamKey } from '#lib/metrics/randomStream.js'
import { summarise } from '#lib/metrics/result.js'
import { shuffledTensor } from '#lib/metrics/shuffledTensor.js'
import { weightLayers } from '#lib/metrics/weightLayers.js'
import { classify } from '#lib/model/classify.js'
import { flags, isChosen, quick } from './harness.js'
import { withInterval } from './intervals.js'
import { realModels } from './realModels.js'
import { writeRecordOf } from './recorded.js'
import { sanityMethods } from './sanity/methods.js'
import { structuralSimilarity } from './structuralSimilarity.js'

const methods = sanityMethods([
  'Saliency',
  'SmoothGrad of Saliency, 8 samples',
  'InputXGradient',
  'IntegratedGradients, 16 steps',
  'GradCam',
  'GuidedBackprop',
  'Deconvolution',
])
const chosen = /^(squeezenet|mobilenet-v2|cifar10-resnet20)$/
const draws = [1, 2]

type Measure = 'rank' | 'structure'
type Similarities = Record<Measure, Summary>

interface Row {
  method: string
  layers: number
  quarter: Similarities
  half: Similarities
  /** Nulls: two draws with each other at one half, two pictures for one class. */
  draws: Similarities
  pictures: Similarities
  classes: Similarities
  /** How many of the maps with the upper half drawn anew have one value everywhere. */
  dead: number
}

interface SizeMap {
  scores: Float64Array
  width: number
}

/** The weights of the upper `count` layers drawn anew. */
function redrawn(model: Model, count: number, seed: number): Model {
  const overlay: Record<string, Tensor> = {}
  const upper = weightLayers(model).toReversed().slice(0, count)
  for (const name of upper.flatMap(({ parameters }) => parameters)) {
    const tensor = model.parameters.read(name)
    if (tensor.shape.length < 2) {
      overlay[name] = shuffledTensor(tensor, xoroshiro128plus(streamKey(`${seed}/${name}`)))
      continue
    }
    const values = tensor.data as Float32Array
    const size = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
    const stream = randomStream(seed, name, 'weights')
    overlay[name] = createTensor(
      'f32',
      tensor.shape,
      values.map(() => size * stream.normal()),
    ) as Tensor
  }
  return model.withParameters(overlay)
}

async function mapOf(method: GradientMethod, input: ModelInputs, target: number): Promise<SizeMap> {
  const { data, shape } = (await method.attribute(input, { target: Target.class(target) }))
    .aggregate()
    .scores()
  return { scores: Float64Array.from(data, Math.abs), width: shape.at(-1)! }
}

const isDead = ({ scores }: SizeMap) => scores.every(score => score === scores[0])

function similarity(a: SizeMap, b: SizeMap): Record<Measure, number> {
  if (isDead(a) || isDead(b)) return { rank: 0, structure: 0 }
  return {
    rank: spearmanCorrelation(a.scores, b.scores),
    structure: structuralSimilarity(a.scores, b.scores, a.width),
  }
}

const summaries = (found: readonly Record<Measure, number>[]): Similarities => ({
  rank: summarise(found.map(({ rank }) => rank)),
  structure: summarise(found.map(({ structure }) => structure)),
})

const meanOf = (found: readonly Record<Measure, number>[]): Record<Measure, number> => ({
  rank: found.reduce((sum, { rank }) => sum + rank, 0) / found.length,
  structure: found.reduce((sum, { structure }) => sum + structure, 0) / found.length,
})

for await (const { name, model, examples } of realModels(quick)) {
  if (!chosen.test(name) || !isChosen(name)) continue
  const layers = weightLayers(model).length
  const tops: number[] = []
  let classes = 0
  for (const { inputs } of examples) {
    const scores = await classify(model, inputs, { count: Number.MAX_SAFE_INTEGER })
    classes = scores.length
    tops.push(scores[0]!.index)
  }
  const rows: Row[] = []
  for (const [method, make] of methods) {
    const of = (made: GradientMethod) =>
      Promise.all(examples.map(({ inputs }, at) => mapOf(made, inputs, tops[at]!)))
    const drawn = async (count: number) => {
      const found: SizeMap[][] = []
      for (const seed of draws) {
        const other = redrawn(model, count, seed)
        found.push(await of(make(other)))
        other.dispose()
      }
      return found
    }
    const own = make(model)
    const originals = await of(own)
    const kept = (found: readonly SizeMap[][]) =>
      summaries(originals.map((map, at) => meanOf(found.map(maps => similarity(map, maps[at]!)))))
    const half = await drawn(Math.round(layers / 2))
    const others = await Promise.all(
      examples.map(({ inputs }, at) => mapOf(own, inputs, (tops[at]! + (classes >> 1)) % classes)),
    )
    const pictures = await Promise.all(
      examples.map((_, at) => mapOf(own, examples[(at + 1) % examples.length]!.inputs, tops[at]!)),
    )
    const row: Row = {
      method,
      layers,
      quarter: kept(await drawn(Math.round(layers / 4))),
      half: kept(half),
      draws: summaries(originals.map((_, at) => similarity(half[0]![at]!, half[1]![at]!))),
      pictures: summaries(originals.map((map, at) => similarity(map, pictures[at]!))),
      classes: summaries(originals.map((map, at) => similarity(map, others[at]!))),
      dead: half.flat().filter(isDead).length,
    }
    rows.push(row)
    for (const measure of ['rank', 'structure'] as const)
      console.log(
        name.padEnd(16),
        measure.padEnd(9),
        method.padEnd(34),
        (['quarter', 'half', 'draws', 'pictures', 'classes'] as const)
          .map(each => `${each} ${withInterval(row[each][measure])}`)
          .join('  '),
        `dead ${row.dead}`,
      )
  }
  model.dispose()
  if (flags.record) writeRecordOf('sanity/redraw.json', name, { inputs: examples.length, rows })
}
