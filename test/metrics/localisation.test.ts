import test from 'ava'
import { pointingGame, relevanceMass } from '#lib/index.js'

test('relevance mass is the share of attribution inside the mask', t => {
  t.is(relevanceMass([1, -3, 0, 4], [1, 1, 0, 0]), 0.5)
  t.is(relevanceMass([1, -3, 0, 4], [1, 1, 0, 0], 'positive'), 0.2)
  t.is(relevanceMass([1, 1, 1, 1], [0, 0, 0, 1]), 0.25)
})

test('no mask and no attribution are neither hit nor miss', t => {
  t.deepEqual(relevanceMass([1, 2], [0, 0]), Number.NaN)
  t.deepEqual(relevanceMass([0, 0], [1, 0]), Number.NaN)
  t.deepEqual(pointingGame([1, 2], [0, 0]), Number.NaN)
})

test('the pointing game takes the strongest place, and of equals the share that hits', t => {
  t.is(pointingGame([0, 3, 1, -5], [0, 1, 0, 0]), 1)
  t.is(pointingGame([0, 3, 1, -5], [1, 0, 1, 1]), 0)
  t.is(pointingGame([3, 3, 1, 0], [0, 1, 0, 0]), 0.5)
  t.is(pointingGame([3, 3, 1, 0], [0, 1, 0, 0], { ties: 'any' }), 1)
  t.is(pointingGame([3, 3, 1, 0], [0, 0, 1, 0], { ties: 'any' }), 0)
})

test('a tolerance counts pixels around the mask by their distance', t => {
  const scores = [9, 0, 0, 0, 0, 0, 0, 0, 0]
  const mask = [0, 0, 0, 0, 1, 0, 0, 0, 0]
  t.is(pointingGame(scores, mask, { width: 3, tolerance: 1.4 }), 0)
  t.is(pointingGame(scores, mask, { width: 3, tolerance: 1.5 }), 1)
  t.throws(() => pointingGame(scores, mask, { tolerance: 1 }), { code: 'OPTION_RANGE' })
})

test('masks of another size and scores that are no numbers are refused', t => {
  t.throws(() => relevanceMass([1, 2], [1]), { code: 'INPUT_SHAPE' })
  t.throws(() => relevanceMass([], []), { code: 'INPUT_SHAPE' })
  t.throws(() => pointingGame([1, Number.NaN], [1, 0]), { code: 'NOT_FINITE' })
})
