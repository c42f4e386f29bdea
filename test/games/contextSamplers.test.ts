import test from 'ava'
import fc from 'fast-check'
import { coalitionOf, membersOf } from '#lib/games/coalition.js'
import type { CoalitionGame } from '#lib/games/coalitionGame.js'
import { play } from '#lib/games/play.js'
import { ContextCitePlayer } from '#lib/games/samplers/contextCite.js'
import { countedContributions, DenoisedShapleyPlayer } from '#lib/games/samplers/denoisedShapley.js'
import { ExactShapleyPlayer } from '#lib/games/samplers/exactShapley.js'
import { LeaveOneOutPlayer } from '#lib/games/samplers/leaveOneOut.js'
import { SingleContributionPlayer } from '#lib/games/samplers/singleContribution.js'
import { TreeSearchPlayer } from '#lib/games/samplers/treeSearch.js'
import { close } from '../oracles/close.js'
import { gameOf } from '../oracles/sigmoidGame.js'

/** The specification's game of three players, by the number whose bits they are. */
const values = [-6, -2, -5, -1.5, -2.5, -1.9, -2.4, -1.4]
const threeGame = (): CoalitionGame => gameOf(3, ([a, b, c]) => values[a! + 2 * b! + 4 * c!]!)
const orders = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
]
const denoised = (share: number) =>
  new DenoisedShapleyPlayer({ players: 3, permutations: 6, share, seed: 0 }, at => orders[at]!)
const leaveOneOut = (players: number) =>
  new LeaveOneOutPlayer(players, players, player => coalitionOf(players, [player]))

test('worked example: single contributions and leave-one-out', async t => {
  const single = await play(threeGame(), new SingleContributionPlayer(3))
  close(t, single.result.scores, [4, 1, 3.5], 1e-12)
  t.is(single.evaluations, 4)
  close(t, (await play(threeGame(), leaveOneOut(3))).result.scores, [1, 0.5, 0.1], 1e-12)
})

test('worked example: Shapley values, exact and over all orders, and the mean of the greatest contributions', async t => {
  const expected = [2.35, 0.6, 1.65]
  close(t, (await play(threeGame(), new ExactShapleyPlayer(3))).result.scores, expected, 1e-12)
  const all = await play(threeGame(), denoised(1))
  close(t, all.result.scores, expected, 1e-12)
  close(t, [all.result.scores.reduce((a, b) => a + b)], [-1.4 + 6], 1e-12)
  t.is(all.evaluations, 8, 'the empty set and others are not asked for twice')
  close(t, (await play(threeGame(), denoised(0.2))).result.scores, [4, 1, 3.5], 1e-12)
  close(t, (await play(threeGame(), denoised(0.5))).result.scores, [11.5 / 3, 2.5 / 3, 3.2], 1e-12)
})

test('the share of contributions that count is of the number as it is written', t => {
  t.is(countedContributions(0.2, 5), 1)
  t.is(countedContributions(0.2, 20), 4)
  t.is(countedContributions(0.2, 4), 1, 'at least one')
  t.is(countedContributions(0.29, 100), 29)
})

test('worked example: ContextCite', async t => {
  const probabilities = [
    [0.1, 0.2],
    [0.15, 0.6],
    [0.4, 0.3],
    [0.5, 0.9],
  ]
  // log P - log(1 - P) of the whole response.
  const y = probabilities.map(([a, b]) => Math.log(a! * b!) - Math.log1p(-a! * b!))
  close(t, y, [-3.8918202981, -2.3136349292, -1.9924301647, -0.2006706955], 1e-10)
  const player = () =>
    new ContextCitePlayer(
      { players: 2, samples: 4, keepProbability: 0.5, penalty: 0.01, tokens: 2, seed: 0 },
      at => coalitionOf(2, at === 0 ? [] : at === 1 ? [1] : at === 2 ? [0] : [0, 1]),
    )
  const { result } = await play(
    gameOf(2, ([a, b]) => y[2 * a! + b!]!),
    player(),
  )
  close(t, result.scores, [1.9661771836, 1.6449724191], 1e-10)
  close(t, [result.intercept!], [-3.9052138232], 1e-10)
})

test('ContextCite gives a text that was always kept no weight, and says so', async t => {
  const player = new ContextCitePlayer(
    { players: 2, samples: 4, keepProbability: 0.5, penalty: 0.01, tokens: 1, seed: 0 },
    at => coalitionOf(2, at % 2 === 0 ? [0] : [0, 1]),
  )
  const { result } = await play(
    gameOf(2, ([a, b]) => 2 * a! + 3 * b!),
    player,
  )
  t.is(result.scores[0], 0)
  t.true(result.scores[1]! > 2.9)
  t.deepEqual(
    result.warnings.map(({ code }) => code),
    ['CONSTANT_MASKS'],
  )
})

test('a tree search over an additive game keeps every text that contributes', async t => {
  const additive = fc
    .record({ players: fc.integer({ min: 1, max: 40 }), keep: fc.integer({ min: 1, max: 6 }) })
    .chain(({ players, keep }) =>
      fc.record({
        keep: fc.constant(keep),
        players: fc.constant(players),
        positive: fc.uniqueArray(fc.integer({ min: 0, max: players - 1 }), {
          maxLength: Math.min(keep, players),
        }),
      }),
    )
  await fc.assert(
    fc.asyncProperty(additive, async ({ players, keep, positive }) => {
      const game = () => gameOf(players, z => positive.reduce((sum, at, k) => sum + (k + 1) * z[at]!, -9))
      for (const inner of [
        (nodes: number) => new SingleContributionPlayer(nodes),
        leaveOneOut,
        (nodes: number, level: number) =>
          new DenoisedShapleyPlayer({ players: nodes, permutations: 2, share: 0.2, seed: 1, item: level }),
      ]) {
        const { result, ending } = await play(game(), new TreeSearchPlayer(players, keep, inner))
        t.is(ending, 'done')
        t.is(result.kept.length, Math.min(keep, players))
        for (const [k, at] of positive.entries()) close(t, [result.scores[at]!], [k + 1], 1e-12)
        const rest = result.scores.filter((_, at) => !positive.includes(at))
        t.true(rest.every(score => Math.abs(score) < 1e-12))
      }
    }),
    { numRuns: 60, seed: 7 },
  )
})

test('a tree that never has more nodes than are kept scores its texts once', async t => {
  const tree = (inner: (nodes: number) => SingleContributionPlayer | LeaveOneOutPlayer) =>
    play(threeGame(), new TreeSearchPlayer(3, 5, inner))
  const single = await tree(nodes => new SingleContributionPlayer(nodes))
  t.deepEqual(single.result.kept, [0, 1, 2])
  close(t, single.result.scores, [4, 1, 3.5], 1e-12)
  close(t, (await tree(leaveOneOut)).result.scores, [1, 0.5, 0.1], 1e-12)
})

test('costs of a tree search: 2K + 1 passes a level at most, log2(n / K) levels', async t => {
  const game = gameOf(200, z => z[17]! + 2 * z[101]!)
  const { result, evaluations } = await play(
    game,
    new TreeSearchPlayer(200, 5, nodes => new SingleContributionPlayer(nodes)),
  )
  // 2, 4, 8 nodes are made without and with scores, then 10 nodes a level until they are single texts.
  t.true(result.levels <= Math.ceil(Math.log2(200)) - 2)
  t.true(evaluations <= result.levels * 11)
  t.deepEqual(
    [17, 101].map(at => result.kept.includes(at)),
    [true, true],
  )
})

test('a node is halved at its middle, the left half the smaller one', t => {
  const asked: number[][] = []
  const tree = new TreeSearchPlayer(5, 1, nodes => new SingleContributionPlayer(nodes))
  for (let round = 0; round < 2; round++) {
    const coalitions = tree.next(100)
    asked.push(...coalitions.map(coalition => membersOf(coalition)))
    tree.report(coalitions.map(() => Float64Array.of(0)))
  }
  t.deepEqual(asked, [[], [0, 1], [2, 3, 4]])
})
