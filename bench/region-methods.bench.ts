/**
 * The small-scale check of LiMA's specification on the project's own models: which order of regions keeps a decision best,
 * and which finds the regions that show the truth where the model is wrong? Every method orders the same 16 regions of
 * the same scenes, and one evaluator with one baseline (black) judges all orders: Insertion, Deletion, highest confidence.
 * Differences from LiMA are paired, with 95 % intervals.
 *
 * Right: scenes without a badge, through the sound model. Wrong: scenes with another class's badge, through the model
 * that learnt the badge, explained for the true class. The vision transformer, which was trained with regions dropped:
 * scenes without a badge that it gets right, and those that it gets wrong.
 *
 *   node build/ts/bench/region-methods.bench.js [--quick] [--scenes 60]
 */
import { join } from 'node:path'
import { coalitionOf, complementOf } from '#lib/games/coalition.js'
import { CoalitionGame } from '#lib/games/coalitionGame.js'
import { maskedModel } from '#lib/games/maskedModel.js'
import { type CoalitionPlayer, play } from '#lib/games/play.js'
import { RandomStream } from '#lib/games/randomStream.js'
import { HsicPlayer } from '#lib/games/samplers/hsic.js'
import { KernelShapPlayer } from '#lib/games/samplers/kernelShap.js'
import { LeaveOneOutPlayer } from '#lib/games/samplers/leaveOneOut.js'
import { PermutationShapleyPlayer } from '#lib/games/samplers/permutationShapley.js'
import type { SamplerResult } from '#lib/games/samplers/samplerResult.js'
import {
  bootstrapInterval,
  classify,
  gridRegions,
  Image,
  type Interval,
  Lima,
  loadModel,
  type Model,
} from '#lib/index.js'
import { GreedySearch } from '#lib/methods/regions/greedySearch.js'
import { regionInput } from '#lib/methods/regions/regionInput.js'
import { areaUnder, highestConfidence } from '#lib/methods/regions/searchCurves.js'
import { searchReadout } from '#lib/methods/regions/searchReadout.js'
import { loadPair } from '../examples/quickstart/scenes.js'
import { generateScene, SCENE_SIZE } from '../models/scenes/generator.js'
import { flags, printTable, quick } from './harness.js'

const wanted = Number(flags.scenes ?? (quick ? 2 : 60))
const cells = 4
const players = cells * cells
/** Samples of every sampler. */
const samples = quick ? 64 : 500
const weights = { consistency: 20, collaboration: 5, confidence: 0.01, effectiveness: 0 }
const shares = [0.25, 0.5, 1] as const

const descending = ({ scores }: SamplerResult) =>
  Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b)
const sampled = async (game: CoalitionGame, player: CoalitionPlayer<SamplerResult>) =>
  descending((await play(game, player)).result)
const searched = async (game: CoalitionGame, pending: number) => [
  ...(await play(game, new GreedySearch({ players, weights, pending }))).result.order,
]

/** Orders of regions; each plays a game of its own, so that its cost is its own. */
const methods: Record<string, (game: CoalitionGame, seed: number) => Promise<number[]>> = {
  'LiMA, q = 8': game => searched(game, 8),
  'naive greedy': game => searched(game, players),
  [`KernelSHAP ${samples}`]: (game, seed) =>
    sampled(game, new KernelShapPlayer({ players, samples, constraint: 'exact', paired: true, seed })),
  [`Shapley, ${Math.ceil(samples / players)} permutations`]: (game, seed) =>
    sampled(
      game,
      new PermutationShapleyPlayer({
        players,
        permutations: Math.ceil(samples / players),
        antithetic: true,
        seed,
      }),
    ),
  [`HSIC ${samples}`]: (game, seed) =>
    sampled(
      game,
      new HsicPlayer({
        players,
        samples,
        bandwidth: 'median',
        draw: sample => {
          const stream = new RandomStream(seed, 0, sample)
          return coalitionOf(
            players,
            Array.from({ length: players }, (_, at) => at).filter(() => stream.uniform() > 0.5),
          )
        },
      }),
    ),
  'leave one out': game =>
    sampled(game, new LeaveOneOutPlayer(players, players, index => coalitionOf(players, [index]))),
  random: async (_, seed) => {
    const stream = new RandomStream(seed, 1, 0)
    const keys = Array.from({ length: players }, () => stream.uniform())
    return Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]!)
  },
}

interface Judged {
  insertion: number
  deletion: number
  highest: number[]
  inputs: number
}

/** Insertion, deletion and highest confidence of an order of regions of equal areas. */
async function judge(game: CoalitionGame, order: readonly number[], inputs: number): Promise<Judged> {
  const prefixes = Array.from({ length: players + 1 }, (_, count) =>
    coalitionOf(players, order.slice(0, count)),
  )
  const shown = await game.valueBatch(prefixes)
  const left = await game.valueBatch(prefixes.map(set => complementOf(set, players)))
  const curve = (values: readonly Float64Array[]) =>
    values.map((value, at) => [at / players, value[0]!] as const)
  return {
    insertion: areaUnder(curve(shown)),
    deletion: areaUnder(curve(left)),
    highest: shares.map(share => highestConfidence(curve(shown), share)!.probability),
    inputs,
  }
}

const pictureOf = (pixels: Uint8Array) =>
  Image.fromPixels({ width: SCENE_SIZE, height: SCENE_SIZE, channels: 3, data: pixels })

/** Scenes that the model gets right (or wrong), and every method's order judged on each. */
async function check(
  model: Model,
  badge: 'none' | 'other',
  isRight: boolean,
): Promise<Map<string, Judged[]>> {
  const found = new Map<string, Judged[]>(Object.keys(methods).map(name => [name, []]))
  const regions = gridRegions(SCENE_SIZE, SCENE_SIZE, cells)
  for (let index = 0, seen = 0; seen < wanted && index < 100 * wanted; ++index) {
    const { pixels, label } = generateScene(index, { seed: 3, badge })
    const [top] = await classify(model, pictureOf(pixels), { count: 1 })
    if ((top!.index === label) !== isRight) continue
    ++seen
    const example = await regionInput(model, pictureOf(pixels), { regions })
    const evaluator = await maskedModel({
      model,
      items: [example.item],
      input: example.input,
      axes: example.axes,
      readout: searchReadout({
        output: model.outputs[0]!.name,
        form: 'probability',
        softmax: true,
        countsConfidence: true,
        questions: [{ target: label, tracked: [] }],
      }),
    })
    // One memo behind all games: what one method evaluated, the next one need not wait for.
    const shared = new CoalitionGame({ players, evaluator })
    const own = () =>
      new CoalitionGame({
        players,
        evaluator: {
          batch: 64,
          width: evaluator.width,
          evaluate: requests => shared.valueBatch(requests.map(({ coalition }) => coalition)),
        },
      })
    for (const [name, order] of Object.entries(methods)) {
      const game = own()
      const ordered = await order(game, index)
      found.get(name)!.push(await judge(shared, ordered, game.cost.evaluations))
    }
    evaluator.dispose()
  }
  return found
}

const text = ({ mean, low, high }: Interval) => `${mean.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`

function report(title: string, found: Map<string, Judged[]>): void {
  const [[, lima]] = [...found] as [[string, Judged[]]]
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const less = (judged: Judged[], of: (each: Judged) => number) =>
    judged === lima ? '' : text(bootstrapInterval(judged.map((each, at) => of(each) - of(lima[at]!))))
  console.log(`\n${title}: ${lima.length} scenes; differences are from LiMA, with 95 % intervals`)
  printTable(
    [
      'method',
      'inputs',
      'Insertion',
      'less LiMA',
      'Deletion',
      'less LiMA',
      'highest 25/50/100 %',
      'at 25 % less LiMA',
    ],
    [...found].map(([name, judged]) => [
      name,
      mean(judged.map(each => each.inputs)).toFixed(0),
      mean(judged.map(each => each.insertion)).toFixed(4),
      less(judged, each => each.insertion),
      mean(judged.map(each => each.deletion)).toFixed(4),
      less(judged, each => each.deletion),
      shares.map((_, at) => mean(judged.map(each => each.highest[at]!)).toFixed(3)).join(' / '),
      less(judged, each => each.highest[0]!),
    ]),
  )
}

/** What the search from both ends saves against the naive one, and what it costs in Insertion. */
async function againstNaive(model: Model, count: number, rows: number): Promise<void> {
  const pictures = Array.from({ length: count }, (_, index) =>
    pictureOf(generateScene(index, { seed: 3, badge: 'none' }).pixels),
  )
  const regions = gridRegions(SCENE_SIZE, SCENE_SIZE, rows)
  const both = await new Lima(model, { regions }).searchBatch(pictures)
  const naive = await new Lima(model, { regions, pending: rows * rows }).searchBatch(pictures)
  // As the source counts: its naive search looks at the last region too.
  const ratios = both.map((search, at) => (naive[at]!.result.searchInputs + 2) / search.result.searchInputs)
  const inputs = both.map(search => search.result.searchInputs)
  console.log(
    `\n${rows * rows} regions, ${count} scenes: ${naive[0]!.result.searchInputs + 2} inputs of the naive search, ${Math.min(...inputs)} to ${Math.max(...inputs)} from both ends (q = 8): ${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)} times fewer`,
  )
  const less = both.map((search, at) => search.insertionArea! - naive[at]!.insertionArea!)
  const average = naive.reduce((sum, search) => sum + search.insertionArea!, 0) / count
  console.log(`Insertion ${average.toFixed(4)} naive; from both ends ${text(bootstrapInterval(less))} more`)
}

const models = await loadPair(join(import.meta.dirname, '../../../models'))
await againstNaive(models.sound, quick ? 1 : Math.max(1, Math.floor(wanted / 5)), quick ? 5 : 7)
const { labels } = models.sound
const transformer = await loadModel(join(import.meta.dirname, '../../../models/scenes-transformer.onnx'), {
  preprocessing: join(import.meta.dirname, '../../../models/preprocessor_config.json'),
  ...(labels ? { labels: [...labels] } : {}),
})
report('right, sound model', await check(models.sound, 'none', true))
report('wrong, model that learnt the badge, true class', await check(models.shortcut, 'other', false))
report('right, vision transformer', await check(transformer, 'none', true))
report('wrong, vision transformer, true class', await check(transformer, 'none', false))
