import test from 'ava'
import { type Coalition, coalitionOf, isMember } from '#lib/games/coalition.js'
import { CoalitionGame } from '#lib/games/coalitionGame.js'
import { functionEvaluator } from '#lib/games/functionEvaluator.js'
import { LeastSquares } from '#lib/games/leastSquares.js'
import { type CoalitionPlayer, play } from '#lib/games/play.js'
import { RandomStream } from '#lib/games/randomStream.js'
import { HsicPlayer, hsicScores, medianDistance } from '#lib/games/samplers/hsic.js'
import { KernelShapPlayer } from '#lib/games/samplers/kernelShap.js'
import { LimePlayer } from '#lib/games/samplers/lime.js'
import type { SamplerResult } from '#lib/games/samplers/samplerResult.js'
import { inSlices, type Sliced, sliceOperations } from '#lib/games/sliced.js'

const players = 96
const worth = Float64Array.from({ length: players }, (_, at) => Math.sin(at * 1.7) / 4)
const value = (coalition: Coalition) => {
  let sum = 0
  for (let player = 0; player < players; player++) if (isMember(coalition, player)) sum += worth[player]!
  return 1 / (1 + Math.exp(-sum))
}
const game = () =>
  new CoalitionGame({
    players,
    evaluator: functionEvaluator(requests => requests.map(({ coalition }) => value(coalition)), {
      batch: 4096,
    }),
  })
const half = (sample: number) => {
  const stream = new RandomStream(3, 0, sample)
  return coalitionOf(
    players,
    Array.from({ length: players }, (_, at) => at).filter(() => stream.uniform() > 0.5),
  )
}
const moments = {
  own: new Float64Array(players).fill(1),
  mixed: new Float64Array(players),
  baseline: new Float64Array(players),
}
const lime = {
  players,
  samples: 600,
  distance: 'euclidean',
  kernel: 'xplique',
  kernelWidth: 9,
  seed: 1,
  moments,
} as const
const makers: Record<string, () => CoalitionPlayer<SamplerResult>> = {
  'HSIC, 1,200 samples': () => new HsicPlayer({ players, samples: 1200, bandwidth: 'pairwise', draw: half }),
  KernelSHAP: () =>
    new KernelShapPlayer({ players, samples: 600, constraint: 'exact', paired: true, seed: 1 }),
  'LIME, ridge': () => new LimePlayer({ ...lime, surrogate: 'ridge', penalty: 1 }),
  'LIME, lasso': () => new LimePlayer({ ...lime, surrogate: 'lasso', penalty: 0.001 }),
}

for (const [name, make] of Object.entries(makers))
  test(`${name}: the result comes in pieces, none of them long, and is that of one go`, async t => {
    const player = make()
    const settle = player.settle!.bind(player)
    let [operations, greatest] = [0, 0]
    player.settle = function* (forResult: boolean): Sliced<void> {
      for (const work = settle(forResult); ; ) {
        const step = work.next()
        if (step.done) return
        operations += step.value
        greatest = Math.max(greatest, step.value)
        yield step.value
      }
    }
    let turns = 0
    let isOver = false
    const watch = () => {
      turns++
      if (!isOver) setImmediate(watch)
    }
    setImmediate(watch)
    const { result } = await play(game(), player)
    isOver = true
    t.true(operations > 2 * sliceOperations, `${operations}`)
    t.true(greatest <= sliceOperations / 10, `${greatest}`)
    t.true(turns >= Math.floor(operations / (2 * sliceOperations)), `${turns} turns for ${operations}`)

    const other = make()
    for (;;) {
      const asked = other.next(Number.POSITIVE_INFINITY)
      if (asked.length === 0) break
      other.report(asked.map(coalition => Float64Array.of(value(coalition))))
    }
    t.deepEqual(other.result(), result)
  })

test('a signal ends the work between two pieces', async t => {
  const abort = new AbortController()
  const work = hsicScores(
    players,
    Array.from({ length: 2000 }, (_, at) => half(at)),
    Array.from({ length: 2000 }, Math.sin),
  )
  const waiting = inSlices(work, abort.signal)
  abort.abort()
  await t.throwsAsync(waiting, { code: 'ABORTED' })
})

test('pieces of the greatest HSIC and of the greatest fit are short', t => {
  const pieces = <T>(work: Sliced<T>, count: number) => {
    let greatest = 0
    for (let at = 0; at < count; at++) {
      const step = work.next()
      if (step.done) break
      greatest = Math.max(greatest, step.value)
    }
    return greatest
  }
  const wide = 4096
  const sets = Array.from({ length: 300 }, (_, at) => coalitionOf(wide, [at, at + 1000]))
  t.true(
    pieces(
      hsicScores(
        wide,
        sets,
        sets.map((_, at) => at),
      ),
      1000,
    ) <= sliceOperations,
  )
  const equations = new LeastSquares(600)
  for (let at = 0; at < 40; at++)
    equations.add(
      Float64Array.from({ length: 600 }, (_, i) => Math.sin(at * 31 + i)),
      at,
    )
  t.true(pieces(equations.solving(), 5000) <= 2 * 600)
})

test('the median distance is that of all pairs, whatever is equal', t => {
  const stream = new RandomStream(5, 0, 0)
  for (let round = 0; round < 200; round++) {
    const count = 2 + Math.floor(stream.uniform() * 12)
    const values = Array.from({ length: count }, () =>
      round % 2 === 0 ? stream.uniform() : Math.floor(stream.uniform() * 3) / 3,
    )
    const distances: number[] = []
    for (const [at, a] of values.entries())
      for (const b of values.slice(0, at)) distances.push(Math.abs(a - b))
    t.is(medianDistance(values), distances.sort((a, b) => a - b)[distances.length >>> 1]!)
  }
  t.is(medianDistance([4]), 0)
})
