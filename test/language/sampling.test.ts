import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { candidates, logProbability, Sampler, type Sampling } from '#lib/language/sampling.js'
import { repositoryRoot } from '../oracles/repository.js'

interface Recorded {
  options: Partial<Sampling>
  logits: number[]
  previous: number[]
  probabilities: number[]
}

const off: Sampling = {
  temperature: 0,
  topK: undefined,
  topP: undefined,
  minP: undefined,
  repetitionPenalty: undefined,
}

test('the distributions that transformers draws from', async t => {
  const path = join(repositoryRoot, 'test', 'fixtures', 'sampling', 'recorded.json')
  for (const { options, logits, previous, probabilities } of JSON.parse(
    await readFile(path, 'utf8'),
  ) as Recorded[]) {
    const found = new Array<number>(logits.length).fill(0)
    for (const { id, probability } of candidates(Float32Array.from(logits), previous, { ...off, ...options }))
      found[id] = probability
    for (const [id, expected] of probabilities.entries())
      t.true(
        Math.abs(found[id]! - expected) < 1e-6,
        `${JSON.stringify(options)} token ${id}: ${found[id]} for ${expected}`,
      )
  }
})

test('draws follow the distribution, and seed and item alone decide them', t => {
  const logits = Float32Array.of(1, 0, 2)
  const options = { ...off, temperature: 1 }
  const draw = (seed: number, item: number, count: number) => {
    const sampler = new Sampler(options, seed, item)
    return Array.from({ length: count }, () => sampler.next(logits, []).id)
  }
  const counts = [0, 0, 0]
  for (const id of draw(1, 0, 20_000)) counts[id]! += 1
  const expected = Array.from({ length: 3 }, (_, id) => 20_000 * Math.exp(logProbability(logits, id)))
  // Three standard errors.
  for (const [id, count] of counts.entries())
    t.true(Math.abs(count - expected[id]!) < 3 * Math.sqrt(expected[id]!))
  t.deepEqual(draw(7, 3, 50), draw(7, 3, 50))
  t.notDeepEqual(draw(7, 3, 50), draw(7, 4, 50))
  t.notDeepEqual(draw(7, 3, 50), draw(8, 3, 50))
})

test('temperature 0 takes the most likely token, the first of equals', t => {
  t.deepEqual(candidates(Float32Array.of(1, 3, 3), [], off), [{ id: 1, probability: 1 }])
  t.deepEqual(candidates(Float32Array.of(1, 3, 3), [1], { ...off, repetitionPenalty: 2 }), [
    { id: 2, probability: 1 },
  ])
})

test('topP with equal tokens at its border: the first of them, as many as reach it', t => {
  const ids = (topP: number, logits: number[]) =>
    candidates(Float32Array.from(logits), [], { ...off, temperature: 1, topP }).map(({ id }) => id)
  const equal = [1, 1, 1, 1]
  t.deepEqual(ids(0.25, equal), [0])
  t.deepEqual(ids(0.26, equal), [0, 1])
  t.deepEqual(ids(0.5, equal), [0, 1])
  t.deepEqual(ids(1, equal), [0, 1, 2, 3])
  t.deepEqual(ids(0, equal), [0])
  // One that is likelier than all, and three that tie behind it.
  t.deepEqual(ids(0.75, [0, 2, 0, 0]), [1, 0])
})
