import test from 'ava'
import { type Coalition, coalitionOf, fullCoalition, membersOf } from '#lib/games/coalition.js'
import { CoalitionGame, valuesTogether } from '#lib/games/coalitionGame.js'
import { functionEvaluator } from '#lib/games/functionEvaluator.js'
import { type CoalitionPlayer, play, playTogether } from '#lib/games/play.js'

/** A set is worth the sum of (player + 1) * (item + 1); `calls` notes the size of every batch. */
function sums(batch: number) {
  const calls: number[] = []
  const evaluator = functionEvaluator(
    requests => {
      calls.push(requests.length)
      return requests.map(({ item, coalition }) =>
        membersOf(coalition).reduce((sum, player) => sum + (player + 1) * (item + 1), 0),
      )
    },
    { batch },
  )
  return { calls, evaluator }
}

/** Takes the players out one by one, in ascending order. */
class Peel implements CoalitionPlayer<number[]> {
  readonly values: number[] = []
  constructor(readonly players: number) {}
  next(): Coalition[] {
    const at = this.values.length
    return at === this.players
      ? []
      : [
          coalitionOf(
            this.players,
            Array.from({ length: this.players - at }, (_, i) => at + i),
          ),
        ]
  }
  report([value]: readonly Float64Array[]): void {
    this.values.push(value![0]!)
  }
  result(): number[] {
    return [...this.values]
  }
  progress(): number {
    return this.values.length / this.players
  }
  standardError(): number | undefined {
    return this.values.length === 0 ? undefined : 1 / this.values.length
  }
}

test('a coalition is evaluated once, in batches of at most what the evaluator takes', async t => {
  const { calls, evaluator } = sums(3)
  const game = new CoalitionGame({ players: 5, evaluator })
  const sets = [[0], [1], [0, 1], [0], [2, 3, 4], [4]].map(members => coalitionOf(5, members))
  const values = await game.valueBatch(sets)
  t.deepEqual(
    values.map(value => value[0]),
    [1, 2, 3, 1, 12, 5],
  )
  t.deepEqual(calls, [3, 2])
  t.deepEqual(game.cost, { evaluations: 5, requests: 6 })
  t.is(game.newAmong([fullCoalition(5), fullCoalition(5), sets[0]!]), 1)
  await game.valueBatch(sets)
  t.deepEqual(game.cost, { evaluations: 5, requests: 12 })
})

test('a memo of bounded size forgets the oldest values and stays right', async t => {
  const { evaluator } = sums(8)
  const game = new CoalitionGame({ players: 4, evaluator, memoEntries: 2 })
  const sets = [[0], [1], [2], [0]].map(members => coalitionOf(4, members))
  for (const set of sets) await game.valueBatch([set])
  t.is(game.cost.evaluations, 4)
  t.deepEqual(
    (await game.valueBatch(sets)).map(value => value[0]),
    [1, 2, 3, 1],
  )
})

test('games of one evaluator fill its batches together', async t => {
  const { calls, evaluator } = sums(4)
  const games = [0, 1, 2].map(item => new CoalitionGame({ players: 3, evaluator, item }))
  const coalitions = [coalitionOf(3, [0]), coalitionOf(3, [1, 2])]
  const values = await valuesTogether(games.map(game => ({ game, coalitions })))
  t.deepEqual(
    values.map(each => each.map(value => value[0])),
    [
      [1, 5],
      [2, 10],
      [3, 15],
    ],
  )
  t.deepEqual(calls, [4, 2])
})

test('in lock-step each player gets what it would get alone', async t => {
  const { evaluator } = sums(4)
  const alone = await Promise.all(
    [3, 5, 2].map((players, item) =>
      play(new CoalitionGame({ players, evaluator, item }), new Peel(players)),
    ),
  )
  const together = await playTogether(
    [3, 5, 2].map((players, item) => ({
      game: new CoalitionGame({ players, evaluator, item }),
      player: new Peel(players),
    })),
  )
  t.deepEqual(together, alone)
  t.deepEqual(together[1]!.result, [30, 28, 24, 18, 10])
  t.is(together[1]!.ending, 'done')
  t.is(together[1]!.evaluations, 5)
})

test('a budget and a tolerance end a play with what is known by then', async t => {
  const { evaluator } = sums(4)
  const game = () => new CoalitionGame({ players: 6, evaluator })
  const bounded = await play(game(), new Peel(6), { budget: 2 })
  t.is(bounded.ending, 'budget')
  t.is(bounded.evaluations, 2)
  t.deepEqual(bounded.result, [21, 20])
  const exact = await play(game(), new Peel(6), { tolerance: 0.25 })
  t.is(exact.ending, 'tolerance')
  t.is(exact.evaluations, 4)
  t.is(exact.standardError, 0.25)
})

test('known coalitions cost no budget', async t => {
  const { evaluator } = sums(4)
  const game = new CoalitionGame({ players: 4, evaluator })
  await play(game, new Peel(4))
  const again = await play(game, new Peel(4), { budget: 1 })
  t.is(again.ending, 'done')
  t.is(again.evaluations, 0)
})

test('what cannot be a value is refused', async t => {
  const broken = (give: () => unknown) =>
    new CoalitionGame({ players: 2, evaluator: functionEvaluator(give as () => number[]) }).valueBatch([
      coalitionOf(2, [0]),
    ])
  await t.throwsAsync(
    broken(() => [Number.NaN]),
    { code: 'NOT_FINITE' },
  )
  await t.throwsAsync(
    broken(() => [[1, 2]]),
    { code: 'NOT_FINITE' },
  )
  await t.throwsAsync(
    broken(() => [1, 2]),
    { code: 'INPUT_SHAPE' },
  )
  await t.throwsAsync(
    broken(() => undefined),
    { code: 'INPUT_SHAPE' },
  )
  const { evaluator } = sums(1)
  const game = new CoalitionGame({ players: 2, evaluator })
  await t.throwsAsync(game.valueBatch([new Uint32Array(2)]), { code: 'INPUT_SHAPE' })
  t.throws(() => new CoalitionGame({ players: 0, evaluator }), { code: 'OPTION_RANGE' })
})

test('an abort stops between batches', async t => {
  const controller = new AbortController()
  let calls = 0
  const evaluator = functionEvaluator(
    requests => {
      if (++calls === 2) controller.abort(new Error('enough'))
      return requests.map(() => 1)
    },
    { batch: 1 },
  )
  const game = new CoalitionGame({ players: 4, evaluator })
  const sets = [[0], [1], [2], [3]].map(members => coalitionOf(4, members))
  await t.throwsAsync(game.valueBatch(sets, { signal: controller.signal }), { code: 'ABORTED' })
  t.is(calls, 2)
})
