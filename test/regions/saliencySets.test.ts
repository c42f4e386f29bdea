import test from 'ava'
import fc from 'fast-check'
import { saliencySets } from '#lib/regions/saliencySets.js'

test('the worked partition of SMDL', t => {
  const map = [0.1, 0.9, 0.2, 0.3, 0.8, 0.05, 0.4, 0.6, 0.7, 0.15, 0.95, 0.25, 0.35, 0.45, 0.55, 0.65]
  const { count, labels, kind } = saliencySets(map, [4, 4], { grid: 4, cellsPerSet: 4 })
  t.is(count, 4)
  t.is(kind, 'saliency')
  const cellsOf = (set: number) => [...labels.keys()].filter(cell => labels[cell] === set)
  t.deepEqual([0, 1, 2, 3].map(cellsOf), [
    [1, 4, 8, 10],
    [7, 13, 14, 15],
    [3, 6, 11, 12],
    [0, 2, 5, 9],
  ])
})

test('no set has a cell above the least cell of the set before it; the rest makes a last set', t => {
  const scores = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 36, maxLength: 36 })
  fc.assert(
    fc.property(scores, fc.integer({ min: 1, max: 36 }), (map, cellsPerSet) => {
      const { count, labels } = saliencySets(map, [6, 6], { grid: 6, cellsPerSet })
      t.is(count, Math.ceil(36 / cellsPerSet))
      const of = (set: number) => map.filter((_, cell) => labels[cell] === set)
      for (let set = 1; set < count; ++set) t.true(Math.min(...of(set - 1)) >= Math.max(...of(set)))
    }),
    { seed: 5, numRuns: 50 },
  )
})

test('a map is shrunk by linear interpolation at half-pixel centres, without antialiasing', t => {
  // Two cells a side of a map of 8: centres lie at 1.5 and 5.5, between places 1 and 2, 5 and 6.
  const map = new Float64Array(64)
  map[5 * 8 + 1] = 4
  map[1 * 8 + 6] = 3
  map[0] = 100
  const { labels } = saliencySets(map, [8, 8], { grid: 2, cellsPerSet: 1 })
  t.is(labels[4 * 8], 0)
  t.is(labels[4], 1)
})

test('maps that are none are refused', t => {
  t.throws(() => saliencySets([1, 2, 3], [2, 2]), { code: 'OPTION_RANGE' })
  t.throws(() => saliencySets([1, 2, 3], [2, 2], { grid: 2 }), { code: 'INPUT_SHAPE' })
  t.throws(() => saliencySets([1, 2, Number.NaN, 3], [2, 2], { grid: 2 }), { code: 'INPUT_VALUE' })
  t.throws(() => saliencySets([1, 2, 3, 4], [2, 2], { grid: 2, cellsPerSet: 5 }), { code: 'OPTION_RANGE' })
})
