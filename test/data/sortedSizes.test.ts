import test from 'ava'
import fc from 'fast-check'
import { sortedSizes } from '#lib/data/sortedSizes.js'

/** Long enough to be sorted by digits. */
const stretched = (sizes: readonly number[]): Float64Array =>
  Float64Array.from({ length: 3000 }, (_, at) => (sizes[at % sizes.length] ?? 0) * (1 + (at % 7)))
const compared = (sizes: Float64Array): number[] => [...sizes].sort((a, b) => a - b)

test('sizes come in their order, whatever their precision and number', t => {
  t.deepEqual([...sortedSizes(Float64Array.from([2, 0.5, 0, 2]))], [0, 0.5, 2, 2])
  t.deepEqual([...sortedSizes(new Float64Array())], [])
  const extremes = [0, 2 ** -149, 2 ** -126, 1, 2 ** 127, Number.POSITIVE_INFINITY].map(Math.fround)
  const sizes = Float64Array.from({ length: 6000 }, (_, at) => extremes[(at * 7) % 6]!)
  t.deepEqual([...sortedSizes(sizes)], compared(sizes))
  const size = fc.double({ min: 0, max: 1e30, noNaN: true })
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 50 }), sizes => {
      const doubles = stretched(sizes)
      const singles = Float64Array.from(Float32Array.from(doubles))
      t.deepEqual([...sortedSizes(doubles)], compared(doubles))
      t.deepEqual([...sortedSizes(singles)], compared(singles))
      t.true(sortedSizes(singles) instanceof Float32Array)
    }),
    { seed: 7, numRuns: 30 },
  )
})
