import test from 'ava'
import fc from 'fast-check'
import {
  cosineSimilarity,
  greatestPositions,
  pearsonCorrelation,
  ranks,
  spearmanCorrelation,
} from '#lib/data/rankStatistics.js'

const near = (first: number, second: number): boolean => Math.abs(first - second) < 1e-12

test('ranks share the mean among ties', t => {
  t.deepEqual([...ranks([10, 30, 20, 20, 5, 20])], [2, 6, 4, 4, 1, 4])
})

test('Spearman: textbook example, ties, monotone maps', t => {
  // IQ against hours of television: rho = -29/165 (a standard worked example without ties).
  const iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
  const hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
  t.true(near(spearmanCorrelation(iq, hours), -29 / 165))
  // With ties, Pearson of the mean ranks: ranks (1.5, 1.5, 3) and (1, 2, 3).
  t.true(near(spearmanCorrelation([1, 1, 2], [1, 2, 3]), 1.5 / Math.sqrt(1.5 * 2)))
  t.true(Number.isNaN(spearmanCorrelation([1, 1], [1, 2])))
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 2 }), values => {
      t.true(
        near(
          spearmanCorrelation(
            values,
            values.map(value => value ** 3),
          ),
          1,
        ),
      )
      t.true(
        near(
          spearmanCorrelation(
            values,
            values.map(value => -value),
          ),
          -1,
        ),
      )
    }),
  )
})

test('cosine and Pearson', t => {
  t.true(near(cosineSimilarity([1, 2, 3], [4, 5, 6]), 32 / Math.sqrt(14 * 77)))
  t.true(near(pearsonCorrelation([1, 2, 3], [2, 4, 7]), 5 / Math.sqrt(2 * (38 / 3))))
  t.true(Number.isNaN(cosineSimilarity([0, 0], [1, 2])))
})

test('greatest positions: greatest first, then the earlier', t => {
  t.deepEqual([...greatestPositions([3, 9, 3, 9, 1], 3)], [1, 3, 0])
})
