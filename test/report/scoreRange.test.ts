import test from 'ava'
import { scoreRange } from '#lib/report/scoreRange.js'

test('the limit is the percentile of the absolute scores', t => {
  const scores = Float32Array.from({ length: 101 }, (_, index) => (index % 2 === 0 ? index : -index))
  t.deepEqual(scoreRange(scores, 90), { isSigned: true, limit: 90, percentile: 90, clippedShare: 10 / 101 })
  t.is(scoreRange(scores, 99.5).limit, 99.5)
  t.deepEqual(scoreRange([1, 2, 3], 100), { isSigned: false, limit: 3, percentile: 100, clippedShare: 0 })
})

test('a map that is nearly all zero still shows its one score', t => {
  const scores = new Float32Array(1000)
  scores[7] = -2
  t.deepEqual(scoreRange(scores), { isSigned: true, limit: 2, percentile: 100, clippedShare: 0 })
  t.is(scoreRange(new Float32Array(3)).limit, 0)
  t.is(scoreRange([]).limit, 0)
})

test('NaN and infinity have no colour', t => {
  t.throws(() => scoreRange([0, Number.NaN]), { code: 'NOT_FINITE', message: /score 1 is NaN/ })
  t.throws(() => scoreRange([Infinity]), { code: 'NOT_FINITE' })
  t.throws(() => scoreRange([1], 101), { code: 'OPTION_RANGE' })
})
