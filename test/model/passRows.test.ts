import test from 'ava'
import { cachedExamples } from '#lib/model/passRows.js'

const mega = 1 << 20

test('as many examples as there are where all stay in the caches', t => {
  t.is(cachedExamples(mega, 0, 32), 32)
  t.is(cachedExamples(mega, 10 * mega, 32), 32)
  t.is(cachedExamples(mega, 10 * mega, 7), 7)
})

test('large activations: as many as the caches hold, but four to keep kernels busy', t => {
  t.is(cachedExamples(6 * mega, 15 * mega, 32), 5)
  t.is(cachedExamples(34 * mega, 37 * mega, 32), 4)
  t.is(cachedExamples(34 * mega, 37 * mega, 3), 3)
})

test('large weights are read once for as many as there are', t => {
  t.is(cachedExamples(9 * mega, 247 * mega, 32), 32)
  // Both count: 87 + 0 for one, 87/32 + 2 * (12 - 1) = 24.7 for 32, 87/4 + 2 * (12 - 8) = 29.8 for four.
  t.is(cachedExamples(12 * mega, 87 * mega, 32), 32)
})
