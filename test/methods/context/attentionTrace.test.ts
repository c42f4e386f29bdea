import test from 'ava'
import { scoreSamples, warningsOf } from '#lib/methods/context/attentionTrace.js'
import { drawSubsets } from '#lib/methods/context/subsets.js'
import { topMean } from '#lib/methods/context/topMean.js'

const near = (actual: number, expected: number, tolerance = 1e-9) => Math.abs(actual - expected) < tolerance

test('the worked example: means of the most read tokens', t => {
  const row = [0.1280411701, 0.1548756533, 0.085669112, 0.1559349587, 0.1490117604]
  const score = (avgK: number) =>
    scoreSamples(2, [{ kept: [0, 1], lengths: [3, 2], rows: Float32Array.from(row) }], avgK, 0, 1).scores
  for (const [avgK, a, b] of [
    [1, 0.1548756533, 0.1559349587],
    [2, 0.1414584117, 0.1524733596],
    [5, 0.1228619785, 0.1524733596],
  ] as const) {
    t.true(near(score(avgK)[0]!, a, 1e-8))
    t.true(near(score(avgK)[1]!, b, 1e-8))
  }
})

test('the worked example: samples are averaged over those that have the text', t => {
  const sample = (kept: number[], ...scores: number[]) => ({
    kept,
    lengths: [1, 1],
    rows: Float32Array.from(scores),
  })
  const found = scoreSamples(
    4,
    [sample([0, 2], 0.3, 0.1), sample([0, 1], 0.2, 0.05), sample([1, 2], 0.15, 0.25)],
    5,
    0,
    1,
  )
  for (const [at, expected] of [0.25, 0.1, 0.175, 0].entries())
    t.true(near(found.scores[at]!, expected, 1e-8))
  t.deepEqual(found.counts, [2, 2, 2, 0])
  // Two scores 0.3 and 0.2: their deviation is 0.0707, over the root of two.
  t.true(near(found.standardErrors[0]!, 0.05, 1e-8))
  t.is(found.standardErrors[3], null)
  t.true(near(found.mass, (0.4 + 0.25 + 0.4) / 3, 1e-8))
  const codes = (q: number | undefined) => warningsOf(found, { q, isMean: true }).map(({ code }) => code)
  t.deepEqual(codes(0.4), ['SUBSETS_SMALL', 'TEXTS_NOT_DRAWN'])
  t.deepEqual(codes(undefined), ['TEXTS_NOT_DRAWN'])
  const degenerate = { ...found, scores: [0, 0, 0, 0], counts: [1, 1, 1, 1], mass: 0.005 }
  t.deepEqual(
    warningsOf(degenerate, { q: 1, isMean: true }).map(({ code }) => code),
    ['SCORES_DEGENERATE', 'ATTENTION_ELSEWHERE'],
  )
})

test('rows of a span are averaged', t => {
  const sample = { kept: [0], lengths: [2], rows: Float32Array.of(1, 2, 3, 4, 5, 9) }
  t.deepEqual(scoreSamples(1, [sample], 1, 1, 3).scores, [6.5])
  t.deepEqual([...scoreSamples(1, [sample], 1, 1, 3).tokens[0]!], [4, 6.5])
})

test('a mean of all tokens where avgK reaches them, the greatest alone at 1, and never more for a greater avgK', t => {
  const values = Array.from({ length: 9 }, (_, at) => Math.sin(3 * at) ** 2)
  t.true(near(topMean(values, 0, 9, 9), values.reduce((a, b) => a + b, 0) / 9, 1e-15))
  t.is(topMean(values, 0, 9, 100), topMean(values, 0, 9, 9))
  t.is(topMean(values, 0, 9, 1), Math.max(...values))
  for (let k = 1; k < 9; k++) t.true(topMean(values, 0, 9, k) >= topMean(values, 0, 9, k + 1))
})

const plain = { q: 0.4, B: 30, seed: 0, stratified: false, guards: true }

test('subsets: sizes, order, seeds, and equal counts where they are stratified', t => {
  const subsets = drawSubsets(13, plain)
  t.is(subsets.length, 30)
  t.true(
    subsets.every(each => each.length === 5 && each.every((text, at) => at === 0 || text > each[at - 1]!)),
  )
  t.deepEqual(drawSubsets(13, plain), subsets)
  t.deepEqual(drawSubsets(13, { ...plain, B: 7 }), subsets.slice(0, 7))
  t.notDeepEqual(drawSubsets(13, { ...plain, seed: 1 }), subsets)
  t.is(subsets.flat().length, 30 * 5)
  const counts = new Int32Array(13)
  for (const text of drawSubsets(13, { ...plain, stratified: true }).flat()) counts[text]!++
  t.true(Math.max(...counts) - Math.min(...counts) <= 1)
  // Each text is drawn about as often as another: 3000 draws of 5 of 13, within four deviations.
  const many = new Int32Array(13)
  for (const text of drawSubsets(13, { ...plain, B: 3000 }).flat()) many[text]!++
  const expected = (3000 * 5) / 13
  t.true(many.every(count => Math.abs(count - expected) < 4 * Math.sqrt(3000 * (5 / 13) * (8 / 13))))
})

test('few texts are all taken, and without guards none', t => {
  t.deepEqual(drawSubsets(4, plain), [[0, 1, 2, 3]])
  t.is(drawSubsets(5, plain)[0]!.length, 2)
  t.deepEqual(drawSubsets(9, { ...plain, q: 1 }), [[0, 1, 2, 3, 4, 5, 6, 7, 8]])
  t.is(drawSubsets(6, { ...plain, q: 0.1 })[0]!.length, 1)
  t.deepEqual(drawSubsets(2, { ...plain, B: 2, guards: false }), [[], []])
})
