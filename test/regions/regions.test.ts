import test from 'ava'
import { eachPlace, gridRegions, regionAreas, regionsFromLabels, spanRegions } from '#lib/regions/regions.js'

test('a grid covers everything, with edges at floor(i size / cells)', t => {
  const regions = gridRegions(5, 7, 2, 3)
  t.is(regions.count, 6)
  t.deepEqual([...regions.labels.slice(0, 7)], [0, 0, 1, 1, 2, 2, 2])
  t.deepEqual([...regions.labels.slice(28)], [3, 3, 4, 4, 5, 5, 5])
  t.deepEqual([...regionAreas(regions)], [4, 4, 6, 6, 6, 9])
  t.throws(() => gridRegions(2, 2, 3), { code: 'OPTION_RANGE' })
})

test('spans and places of a sequence', t => {
  t.deepEqual([...spanRegions([2, 3, 6]).labels], [0, 0, 1, 2, 2, 2])
  t.deepEqual([...eachPlace(3).labels], [0, 1, 2])
  t.throws(() => spanRegions([2, 2]), { code: 'OPTION_RANGE' })
  t.throws(() => spanRegions([]), { code: 'OPTION_RANGE' })
})

test('a label map with gaps, of another size or with what is no label is refused', t => {
  t.is(regionsFromLabels([1, 0, 1, 2], [2, 2]).count, 3)
  t.throws(() => regionsFromLabels([0, 2, 0, 2], [2, 2]), { code: 'INPUT_VALUE' })
  t.throws(() => regionsFromLabels([0, 1], [2, 2]), { code: 'INPUT_SHAPE' })
  t.throws(() => regionsFromLabels([0, -1, 0, 0], [2, 2]), { code: 'INPUT_VALUE' })
  t.throws(() => regionsFromLabels([0, 0.5, 0, 0], [2, 2]), { code: 'INPUT_VALUE' })
  t.throws(() => regionsFromLabels([0, 2 ** 40, 0, 0], [2, 2]), { code: 'INPUT_VALUE' })
})
