import test from 'ava'
import { bootstrapInterval, wilsonInterval } from '#lib/index.js'

test("Wilson's interval has its closed form", t => {
  const { mean, low, high } = wilsonInterval(8, 10)
  t.is(mean, 0.8)
  // (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n) by hand.
  t.true(Math.abs(low - 0.4901625) < 1e-6)
  t.true(Math.abs(high - 0.9433178) < 1e-6)
  t.is(wilsonInterval(0, 5).low, 0)
  t.is(wilsonInterval(5, 5).high, 1)
  t.throws(() => wilsonInterval(6, 5), { code: 'OPTION_RANGE' })
})

test('the bootstrap is repeatable and close to the normal interval of many values', t => {
  const values = Array.from({ length: 400 }, (_, index) => Math.sin(index * 12.9898) * 2 + 5)
  const first = bootstrapInterval(values, { seed: 3 })
  t.deepEqual(first, bootstrapInterval(values, { seed: 3 }))
  t.notDeepEqual(first, bootstrapInterval(values, { seed: 4 }))
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 399)
  const half = (1.96 * deviation) / 20
  t.is(first.mean, mean)
  t.true(Math.abs(first.low - (mean - half)) < half / 8)
  t.true(Math.abs(first.high - (mean + half)) < half / 8)
  t.throws(() => bootstrapInterval([]), { code: 'INPUT_SHAPE' })
  t.throws(() => bootstrapInterval([1, Number.NaN]), { code: 'NOT_FINITE' })
})
