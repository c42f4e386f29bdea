import test from 'ava'
import fc from 'fast-check'
import { sortedPositions } from '#lib/data/sortedPositions.js'

const byComparison = (values: ArrayLike<number>): number[] =>
  Array.from(values, (_, at) => at).sort((a, b) => values[a]! - values[b]! || a - b)

test('positions come from the least number to the greatest, the earlier of equal ones first', t => {
  t.deepEqual([...sortedPositions([2, -1, 0, 2, Number.NEGATIVE_INFINITY])], [4, 1, 2, 0, 3])
  t.deepEqual([...sortedPositions([2, -1, 0, 2, Number.NEGATIVE_INFINITY], 'falling')], [0, 3, 2, 1, 4])
  t.deepEqual([...sortedPositions([])], [])
})

test('many numbers come in the same order as by comparing them', t => {
  const anything = fc.double({ noNaN: true })
  const single = fc.float({ noNaN: true })
  // Few values, so that there are ties, zeros of both signs among them.
  const few = fc.constantFrom(-0, 0, 1, -1, 5e-324, -5e-324, Number.MAX_VALUE)
  for (const number of [anything, single, few])
    fc.assert(
      fc.property(fc.array(number, { minLength: 2100, maxLength: 2200, size: 'max' }), values => {
        t.deepEqual([...sortedPositions(Float64Array.from(values))], byComparison(values))
        const falling = Array.from(values, (_, at) => at).sort((a, b) => values[b]! - values[a]! || a - b)
        t.deepEqual([...sortedPositions(values, 'falling')], falling)
      }),
      { numRuns: 20, seed: 3 },
    )
})
