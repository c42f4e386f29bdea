import test, { type ExecutionContext } from 'ava'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { membersOf } from '#lib/games/coalition.js'
import { CoalitionGame } from '#lib/games/coalitionGame.js'
import { functionEvaluator } from '#lib/games/functionEvaluator.js'
import { play, playTogether } from '#lib/games/play.js'
import { GreedySearch, type SearchResult } from '#lib/methods/regions/greedySearch.js'
import {
  areaUnder,
  deletionCurve,
  highestConfidence,
  insertionCurve,
} from '#lib/methods/regions/searchCurves.js'
import { jumpScores, rankScores } from '#lib/methods/regions/searchMap.js'
import {
  limaWeights,
  onlyConsistency,
  plainSearch,
  randomGame,
  type SetFunction,
  searchFunction,
  workedDistances,
  workedGame,
} from '../../oracles/regionGames.js'

function numbers(seed: number): () => number {
  const generator = xoroshiro128plus(seed)
  return () => uniformFloat64(generator)
}

const close = (t: ExecutionContext, actual: number, expected: number, tolerance = 5e-10) =>
  t.true(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`)

const allClose = (
  t: ExecutionContext,
  actual: ArrayLike<number>,
  expected: readonly number[],
  tolerance = 5e-10,
) => {
  t.is(actual.length, expected.length)
  for (const [at, value] of expected.entries()) close(t, actual[at]!, value, tolerance)
}

const worked = { weights: limaWeights, pending: 2, distances: workedDistances }
const equalAreas = [1, 1, 1, 1, 1, 1]
const consistencies = (result: SearchResult) => result.prefixes.map(scores => scores!.consistency)
const collaborations = (result: SearchResult) => result.prefixes.map(scores => scores!.collaboration)

test('the worked example of LiMA: order, curves, areas, map and cost', async t => {
  const { result, evaluations } = await searchFunction(6, workedGame(0), worked)
  t.deepEqual(result.order, [0, 2, 5, 3, 4, 1])
  t.is(result.chosen, 4)
  t.is(result.rejected, 2)
  close(t, result.original, 0.216734889)
  close(t, result.baseline, 0.308896888)
  // The set function of what was chosen, step by step.
  allClose(
    t,
    result.prefixes.slice(0, 3).map(scores => scores!.total),
    [17.631014008, 21.960306192, 23.228845092],
  )
  allClose(
    t,
    consistencies(result),
    [0.645294782, 0.853630634, 0.917464856, 0.823223057, 0.525890615, 0.216734889],
  )
  allClose(
    t,
    collaborations(result),
    [0.944649248, 0.96793922, 0.96700904, 0.993484165, 0.968074665, 0.691103112],
  )
  close(t, areaUnder(insertionCurve(result, equalAreas)), 0.671386639)
  close(t, areaUnder(deletionCurve(result, equalAreas)), 0.070276591)
  close(t, highestConfidence(insertionCurve(result, equalAreas), 0.25)!.probability, 0.645294782)
  close(t, highestConfidence(insertionCurve(result, equalAreas), 0.5)!.probability, 0.917464856)
  close(t, highestConfidence(insertionCurve(result, equalAreas), 1)!.area, 0.5)
  allClose(t, jumpScores(result), [1, 0, 0.817784721, 0.714988752, 0.461094294, 0.768299403])
  // 40 as the source counts: 6 features, 32 of the search, 2 ends. Sets that are asked for twice are evaluated once:
  // the 6 regions alone, and the 4 of the first look from the other end.
  t.is(result.searchInputs + 6 + 2, 40)
  t.is(evaluations, 30)
})

test('the worked example for another target', async t => {
  const { result } = await searchFunction(6, workedGame(1), worked)
  t.deepEqual(result.order, [1, 4, 5, 3, 2, 0])
  close(t, areaUnder(insertionCurve(result, equalAreas)), 0.908136394)
  close(t, areaUnder(deletionCurve(result, equalAreas)), 0.237866362)
})

test('the naive search of the worked example has the same order and costs 50 inputs', async t => {
  const { result } = await searchFunction(6, workedGame(0), { ...worked, pending: 6 })
  t.deepEqual(result.order, [0, 2, 5, 3, 4, 1])
  // The source evaluates the last region too: its set is the whole, its complement the baseline.
  t.is(result.searchInputs + 2 + 6 + 2, 50)
})

test('no order of the worked example is better than the best of all 720', async t => {
  const game = workedGame(0)
  const value = new Map<number, number>()
  const bitsOf = (members: readonly number[]) => members.reduce((bits, at) => bits | (1 << at), 0)
  const insertion = (order: readonly number[]) => {
    const points = [0, 1, 2, 3, 4, 5, 6].map(count => {
      const members = order.slice(0, count)
      const bits = bitsOf(members)
      if (!value.has(bits)) value.set(bits, game(members)[0])
      return [count / 6, value.get(bits)!] as const
    })
    return areaUnder(points)
  }
  const orders = (rest: readonly number[]): number[][] =>
    rest.length === 0
      ? [[]]
      : rest.flatMap(each => orders(rest.filter(other => other !== each)).map(tail => [each, ...tail]))
  const areas = orders([0, 1, 2, 3, 4, 5]).map(insertion)
  close(t, Math.max(...areas), 0.671581955)
  close(t, areas.reduce((sum, area) => sum + area, 0) / 720, 0.307973548)
})

test('the worked example of SMDL: every step of the naive search with evidential confidence', async t => {
  const { result } = await searchFunction(6, workedGame(0, 'evidential'), {
    weights: { consistency: 1, collaboration: 1, confidence: 1, effectiveness: 1 },
    pending: 6,
    distances: workedDistances,
  })
  t.deepEqual(result.order, [0, 2, 4, 5, 3, 1])
  allClose(
    t,
    workedDistances().slice(0, 6),
    [0, 0.52213711, 0.426419335, 0.15728778, 0.533325367, 0.451283396],
  )
  const table = [
    [0.684898358, 0, 0.645294782, 0.944649248, 2.274842389],
    [0.758617681, 0.852838671, 0.853630634, 0.96793922, 3.433026206],
    [0.654598436, 1.383247798, 0.54145494, 0.881768834, 3.461070008],
    [0.692100841, 1.119801137, 0.673794558, 0.892100425, 3.377796961],
    [0.748770018, 1.007957362, 0.525890615, 0.968074665, 3.25069266],
    [0.850574752, 0.905389022, 0.216734889, 0.691103112, 2.663801776],
  ]
  for (const [step, expected] of table.entries()) {
    const { confidence, effectiveness, consistency, collaboration, total } = result.prefixes[step]!
    allClose(t, [confidence, effectiveness, consistency, collaboration, total], expected, 1e-9)
  }
  t.deepEqual([...rankScores(result)], [6, 1, 5, 2, 4, 3])
})

test('with pending candidates for all, 50 random set functions give the naive order and curves', async t => {
  for (let seed = 0; seed < 50; ++seed) {
    const game = randomGame(9, seed)
    const weights = { consistency: 20, collaboration: 5, confidence: 0.5, effectiveness: 0 }
    const naive = await searchFunction(9, game, { weights, pending: Number.POSITIVE_INFINITY })
    t.deepEqual(naive.result.order, plainSearch(9, game, { weights, pending: 9 }))
    const wide = await searchFunction(9, game, { weights, pending: 9 })
    t.deepEqual(wide.result, naive.result)
  }
})

test('random set functions: the order is that of the specification written down set by set', async t => {
  const random = numbers(3)
  const features = Array.from({ length: 10 }, () => Float64Array.from({ length: 4 }, () => random() - 0.5))
  const { angularDistances } = await import('#lib/methods/regions/effectiveness.js')
  const distances = () => angularDistances(features)
  for (let seed = 0; seed < 40; ++seed)
    for (const pending of [2, 3, 5]) {
      const game = randomGame(10, 100 + seed)
      const options = { weights: { ...limaWeights, effectiveness: 2 }, pending, distances }
      const { result } = await searchFunction(10, game, options)
      t.deepEqual(result.order, plainSearch(10, game, options))
    }
})

test('an additive function of which only consistency counts is sorted, whatever is pending', async t => {
  const random = numbers(11)
  for (let round = 0; round < 100; ++round) {
    const players = 3 + (round % 9)
    const values = Array.from({ length: players }, () => random() * 4 - 2)
    const game: SetFunction = members => [
      1 / (1 + Math.exp(-members.reduce((sum, member) => sum + values[member]!, 0))),
      0,
    ]
    const sorted = values.map((_, at) => at).sort((a, b) => values[b]! - values[a]!)
    for (const pending of [2, 3, 4, 5, 6, 8, 12, 40]) {
      const { result } = await searchFunction(players, game, { weights: onlyConsistency, pending })
      t.deepEqual(result.order, sorted)
    }
  }
})

test('every stored score is what an evaluation of its prefix gives', async t => {
  for (let seed = 0; seed < 10; ++seed) {
    const game = randomGame(12, seed)
    const { result } = await searchFunction(12, game, {
      ...worked,
      pending: 3,
      weights: { ...limaWeights, effectiveness: 0 },
    })
    t.deepEqual(
      [...result.order].sort((a, b) => a - b),
      Array.from({ length: 12 }, (_, at) => at),
    )
    for (const [at, scores] of result.prefixes.entries()) {
      const set = result.order.slice(0, at + 1).sort((a, b) => a - b)
      const rest = result.order.slice(at + 1).sort((a, b) => a - b)
      t.is(scores!.consistency, game(set)[0])
      t.is(scores!.confidence, game(set)[1])
      t.is(scores!.collaboration, 1 - game(rest)[0])
    }
    t.is(result.prefixes[11]!.consistency, result.original)
    t.is(result.prefixes[11]!.collaboration, 1 - result.baseline)
  }
})

test('another numbering of the regions permutes the order', async t => {
  const permutation = [3, 0, 4, 1, 5, 2]
  const game = workedGame(0)
  const renumbered: SetFunction = members => game(members.map(member => permutation[member]!))
  const matrix = workedDistances()
  const { result } = await searchFunction(6, renumbered, {
    ...worked,
    distances: () =>
      Float64Array.from(
        { length: 36 },
        (_, at) => matrix[permutation[Math.floor(at / 6)]! * 6 + permutation[at % 6]!]!,
      ),
  })
  t.deepEqual(
    result.order.map(region => permutation[region]),
    [0, 2, 5, 3, 4, 1],
  )
})

test('scaled weights give the same order', async t => {
  for (const scale of [1e-3, 7, 1e4]) {
    const weights = {
      consistency: 20 * scale,
      collaboration: 5 * scale,
      confidence: 0.01 * scale,
      effectiveness: 0.05 * scale,
    }
    const { result } = await searchFunction(6, workedGame(0), { ...worked, weights })
    t.deepEqual(result.order, [0, 2, 5, 3, 4, 1])
  }
})

test('batches, pipelining and other searches beside it change nothing', async t => {
  const players = 15
  const weights = { ...limaWeights, effectiveness: 0 }
  const options = { players, weights, pending: 4 }
  const alone = []
  for (let item = 0; item < 4; ++item)
    alone.push((await searchFunction(players, randomGame(players, item), options)).result)
  for (const batch of [1, 7, 64])
    for (const pipelined of [false, true]) {
      const calls: number[] = []
      const evaluator = functionEvaluator(
        requests => {
          calls.push(requests.length)
          return requests.map(({ item, coalition }) => randomGame(players, item)(membersOf(coalition)))
        },
        { width: 2, batch },
      )
      const played = await playTogether(
        [0, 1, 2, 3].map(item => ({
          game: new CoalitionGame({ players, evaluator, item }),
          player: new GreedySearch({ ...options, pipelined }),
        })),
      )
      t.deepEqual(
        played.map(({ result }) => result),
        alone,
      )
    }
})

test('pipelining halves the launches for at most two inputs more a step', async t => {
  const players = 21
  const run = async (pipelined: boolean) => {
    let launches = 0
    const game = randomGame(players, 5)
    const evaluator = functionEvaluator(
      requests => {
        ++launches
        return requests.map(({ coalition }) => game(membersOf(coalition)))
      },
      { width: 2, batch: 1000 },
    )
    const played = new CoalitionGame({ players, evaluator })
    const weights = { ...limaWeights, effectiveness: 0 }
    const { result } = await play(played, new GreedySearch({ players, weights, pending: 4, pipelined }))
    return { result, launches, evaluations: played.cost.evaluations }
  }
  const [plain, pipelined] = [await run(false), await run(true)]
  t.deepEqual(pipelined.result, plain.result)
  const { rejected } = plain.result
  t.true(pipelined.launches <= plain.launches - rejected + 1, `${pipelined.launches} of ${plain.launches}`)
  t.true(pipelined.evaluations <= plain.evaluations + 2 * rejected)
})

test('inputs at n = 49, q = 8 are those that the specification counts', async t => {
  const random = numbers(17)
  const values = Array.from({ length: 49 }, () => random() - 0.4)
  const additive: SetFunction = members => [
    1 / (1 + Math.exp(-members.reduce((sum, member) => sum + values[member]!, 0))),
    0,
  ]
  const weights = { ...limaWeights, effectiveness: 0 }
  const naive = await searchFunction(49, additive, { weights, pending: 49 })
  // n (n + 1), of which the source's last step is the two ends. The four sets of the step before it were met in the first.
  t.is(naive.result.searchInputs + 2, 2450)
  t.is(naive.evaluations, 2450 - 4)
  for (const [players, low, high] of [
    [49, 1.52, 1.56],
    [64, 1.61, 1.64],
    [100, 1.72, 1.75],
  ] as const)
    for (let seed = 0; seed < 4; ++seed) {
      const game = seed === 0 && players === 49 ? additive : randomGame(players, seed)
      const { result } = await searchFunction(players, game, { weights, pending: 8 })
      const { searchInputs } = result
      if (players === 49) t.true(searchInputs >= 1566 && searchInputs <= 1608, String(searchInputs))
      const ratio = (players * (players + 1)) / searchInputs
      t.true(ratio > low - 0.005 && ratio < high + 0.005, `${players}: ${ratio}`)
    }
})

test('a weight of zero costs nothing: complements of winners alone', async t => {
  const { result, evaluations } = await searchFunction(12, randomGame(12, 4), {
    weights: { consistency: 1, collaboration: 0, confidence: 0, effectiveness: 0 },
    pending: 12,
  })
  const both = await searchFunction(12, randomGame(12, 4), {
    weights: { consistency: 1, collaboration: 1e-12, confidence: 0, effectiveness: 0 },
    pending: 12,
  })
  t.deepEqual(result.order, both.result.order)
  t.deepEqual(collaborations(result), collaborations(both.result))
  // 77 sets (12 + 11 + … + 2), the two ends, and complements of the 11 prefixes, of which that of 11 is a set.
  t.is(evaluations, 77 + 2 + 10)
  t.is(both.evaluations, 12 * 13 - 4)
})

test('what is stopped early says what it knows', async t => {
  const game = randomGame(10, 8)
  const weights = { ...limaWeights, effectiveness: 0 }
  const whole = await searchFunction(10, game, { weights, pending: 10 })
  const three = await searchFunction(10, game, { weights, pending: 10, limit: 3 })
  t.is(three.result.chosen, 3)
  t.deepEqual(three.result.order.slice(0, 3), whole.result.order.slice(0, 3))
  t.deepEqual(three.result.prefixes.slice(0, 3), whole.result.prefixes.slice(0, 3))
  t.is(three.result.prefixes[5], undefined)
  t.deepEqual([...rankScores(three.result)].filter(score => score > 0).sort(), [10, 8, 9].sort())
  t.true(three.evaluations < whole.evaluations / 1.5)
  const goal = await searchFunction(10, game, { weights, pending: 10, goal: 0.9 })
  const reached = whole.result.prefixes.findIndex(scores => scores!.consistency >= 0.9)
  t.is(goal.result.chosen, reached + 1)
  const map = jumpScores(three.result)
  const undecided = three.result.order.slice(3).map(region => map[region])
  t.is(new Set(undecided).size, 1)
})

test('a budget ends a search with its order so far', async t => {
  const evaluator = functionEvaluator(
    requests => requests.map(({ coalition }) => randomGame(12, 2)(membersOf(coalition))),
    { width: 2, batch: 8 },
  )
  const weights = { ...limaWeights, effectiveness: 0 }
  const game = new CoalitionGame({ players: 12, evaluator })
  const played = await play(game, new GreedySearch({ players: 12, weights, pending: 3 }), { budget: 60 })
  t.is(played.ending, 'budget')
  t.true(played.evaluations <= 60)
  const whole = await searchFunction(12, randomGame(12, 2), { weights, pending: 3 })
  const { chosen, rejected, order } = played.result
  t.true(chosen > 0 && chosen + rejected < 12)
  t.deepEqual(order.slice(0, chosen), whole.result.order.slice(0, chosen))
  t.deepEqual(order.slice(12 - rejected), whole.result.order.slice(12 - rejected))
})

test('near ties are counted: choices that another rounding could change', async t => {
  const values = [0.5, 0.5 + 1e-7, 0.1, 0.3]
  const game: SetFunction = members => [members.reduce((sum, member) => sum + values[member]!, 0) / 2, 0]
  const tied = await searchFunction(4, game, { weights: onlyConsistency, pending: 4 })
  t.is(tied.result.nearTies, 1)
  t.deepEqual(tied.result.order, [1, 0, 3, 2])
  const { result } = await searchFunction(6, workedGame(0), worked)
  t.is(result.nearTies, 0)
})

test('one region is the trivial order', async t => {
  const { result, evaluations } = await searchFunction(1, members => [members.length, 0], {
    weights: { ...limaWeights, effectiveness: 0 },
    pending: 8,
  })
  t.deepEqual(result.order, [0])
  t.is(result.prefixes[0]!.consistency, 1)
  t.is(evaluations, 2)
  t.deepEqual([...jumpScores(result)], [0])
})
