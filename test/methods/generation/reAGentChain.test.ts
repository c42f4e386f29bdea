import test from 'ava'
import { RandomStream } from '#lib/games/randomStream.js'
import {
  type ChainOptions,
  type Predict,
  ReAGentChain,
  runChains,
  softmaxOver,
  topPlaces,
} from '#lib/methods/generation/reAGentChain.js'
import { uniformReplacements } from '#lib/methods/generation/replacements.js'

const any = uniformReplacements(Array.from({ length: 50 }, (_, id) => id))
const chainOf = (ids: readonly number[], options: Partial<ChainOptions> = {}, chain = 0) =>
  new ReAGentChain(
    ids,
    ids.map((_, at) => at),
    any,
    { ratio: 0.3, topK: 3, keep: 2, maxSteps: 100, seed: 7, ...options },
    chain,
  )
const close = (a: ArrayLike<number>, b: readonly number[], tolerance = 5e-10) =>
  a.length === b.length && b.every((value, at) => Math.abs(value - a[at]!) < tolerance)

test('the worked example: two steps on three positions', t => {
  const chain = chainOf([1, 2, 3])
  chain.scores.set([0.1, 0.5, 0.3])
  chain.update({ mask: Uint8Array.of(1, 0, 0) }, 0.6 - 0.2)
  t.true(close(chain.scores, [0.9472978604, -0.3472978604, -0.5472978604], 1e-9))
  t.true(close(softmaxOver(chain.scores, [0, 1, 2]), [0.6674017429, 0.1828738292, 0.1497244279], 1e-9))
  chain.update({ mask: Uint8Array.of(0, 1, 1) }, 0.6 - 0.7)
  t.true(close(chain.scores, [1.1479685558, -0.5479685558, -0.7479685558], 1e-9))
  t.true(close(softmaxOver(chain.scores, [0, 1, 2]), [0.7498473352, 0.1375424396, 0.1126102252], 1e-9))
})

test('a difference of 0 changes nothing; a mask and its complement cancel; order does not matter', t => {
  const masks = [Uint8Array.of(1, 0, 1, 0), Uint8Array.of(0, 1, 0, 1)]
  const chain = chainOf([1, 2, 3, 4])
  const before = [...chain.scores]
  chain.update({ mask: masks[0]! }, 0)
  t.deepEqual([...chain.scores], before)
  chain.update({ mask: masks[0]! }, 0.3)
  chain.update({ mask: masks[1]! }, 0.3)
  t.true(close(chain.scores, before, 1e-12))
  const [a, b] = [chainOf([1, 2, 3, 4]), chainOf([1, 2, 3, 4])]
  a.update({ mask: masks[0]! }, 0.3)
  a.update({ mask: Uint8Array.of(1, 1, 0, 0) }, -0.2)
  b.update({ mask: Uint8Array.of(1, 1, 0, 0) }, -0.2)
  b.update({ mask: masks[0]! }, 0.3)
  t.true(close(a.scores, [...b.scores], 1e-12))
})

test('everything or nothing replaced: the ranking stays that of the beginning; a sure change stays finite', t => {
  for (const ratio of [0, 1]) {
    const chain = chainOf([5, 6, 7, 8, 9], { ratio })
    const order = topPlaces(chain.scores, chain.places, 5)
    for (let step = 1; step <= 9; step++) chain.update(chain.draw(step), 0.1 * step)
    t.deepEqual(topPlaces(chain.scores, chain.places, 5), order)
  }
  const chain = chainOf([1, 2])
  chain.update({ mask: Uint8Array.of(1, 0) }, 1)
  t.true(chain.scores.every(Number.isFinite))
})

test('what a step draws is its own: neither scores nor other steps change it, and the share is the ratio', t => {
  const ids = Array.from({ length: 40 }, (_, at) => at)
  const [a, b] = [chainOf(ids), chainOf(ids)]
  b.update(b.draw(1), 0.5)
  t.deepEqual(a.draw(9), b.draw(9))
  t.notDeepEqual(a.draw(9).ids, chainOf(ids, {}, 1).draw(9).ids)
  t.notDeepEqual(a.draw(9).ids, chainOf(ids, { seed: 8 }).draw(9).ids)
  let replaced = 0
  for (let step = 1; step <= 500; step++) replaced += a.draw(step).mask.reduce((sum, each) => sum + each, 0)
  // 20,000 draws of 0.3: six standard deviations are 0.02.
  t.true(Math.abs(replaced / 20_000 - 0.3) < 0.02)
  t.deepEqual(
    a.draw(3).ids.filter((id, at) => id !== ids[at] && !a.draw(3).mask[at]),
    [],
  )
})

test('the stop test replaces all but the kept tokens', t => {
  const chain = chainOf([1, 2, 3, 4])
  chain.scores.set([0.1, 3, 0.2, 2])
  const step = { others: [41, 42, 43, 44] }
  t.deepEqual([...chain.stopTest(step)], [41, 2, 43, 4])
  const all = chainOf([1, 2], { keep: 2 })
  t.deepEqual([...all.stopTest(step)], [1, 2])
})

/** A model in which token j alone counts. */
const dependsOn =
  (j: number, ids: readonly number[]): Predict =>
  async rows =>
    rows.map(row => ({ probability: row[j] === ids[j] ? 0.8 : 0.1, rank: 9 }))

test('where one token alone counts it has the greatest score, and the others are as one another', async t => {
  const ids = [11, 12, 13, 14, 15, 16]
  const chains = Array.from({ length: 12 }, (_, chain) => chainOf(ids, { maxSteps: 150 }, chain))
  await runChains(chains, dependsOn(4, ids), 0.8, { topK: 3, maxSteps: 150 }, 8)
  for (const chain of chains) t.is(topPlaces(chain.scores, chain.places, 1)[0], 4)
  t.true(chains.every(({ stopped, steps }) => !stopped && steps === 150))
  const mean = ids.map((_, at) => chains.reduce((sum, { scores }) => sum + scores[at]!, 0) / chains.length)
  const rest = mean.filter((_, at) => at !== 4)
  t.true(Math.max(...rest) < mean[4]! / 4)
})

/** A probability and a rank that look random and depend on every token. */
const scrambled: Predict = async rows =>
  rows.map(row => {
    const stream = new RandomStream(
      row.reduce((hash, id) => (hash * 31 + id) % 1_000_003, 7),
      0,
      0,
    )
    return { probability: stream.uniform(), rank: stream.below(60) }
  })

test('steps asked about ahead of time give the scores, steps and stops of one after the other', async t => {
  const ids = Array.from({ length: 15 }, (_, at) => at + 20)
  const run = async (ahead: number) => {
    const chains = Array.from({ length: 6 }, (_, chain) => chainOf(ids, { maxSteps: 61 }, chain))
    const asked = await runChains(chains, scrambled, 0.5, { topK: 2, maxSteps: 61 }, ahead)
    return {
      asked,
      ends: chains.map(({ scores, steps, stopped }) => ({ scores: [...scores], steps, stopped })),
    }
  }
  const plain = await run(1)
  t.true(plain.ends.some(({ stopped }) => stopped))
  t.true(new Set(plain.ends.map(({ steps }) => steps)).size > 2)
  t.is(
    plain.asked,
    plain.ends.reduce((sum, { steps }) => sum + 2 * steps, 0),
  )
  for (const ahead of [2, 3, 16, 64]) t.deepEqual((await run(ahead)).ends, plain.ends)
})

test('a chain that stopped is frozen', async t => {
  const ids = [1, 2, 3]
  const [first, second] = [chainOf(ids, { maxSteps: 20 }), chainOf(ids, { maxSteps: 20 }, 1)]
  first.stopped = true
  const before = [...first.scores]
  await runChains([first, second], dependsOn(0, ids), 0.8, { topK: 3, maxSteps: 20 }, 4)
  t.deepEqual([...first.scores], before)
  t.is(second.steps, 20)
})

test('a chain stops where the token is among the topK most likely, and nowhere below', async t => {
  const ranked =
    (rank: number): Predict =>
    async rows =>
      rows.map(() => ({ probability: 0.5, rank }))
  for (const [rank, steps] of [
    [2, 1],
    [3, 6],
  ] as const) {
    const chain = chainOf([1, 2, 3, 4, 5], { maxSteps: 6 })
    await runChains([chain], ranked(rank), 0.5, { topK: 3, maxSteps: 6 }, 8)
    t.is(chain.stopped, rank < 3)
    t.is(chain.steps, steps)
  }
})
