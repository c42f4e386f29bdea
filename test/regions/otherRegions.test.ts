import test from 'ava'
import {
  audioPatches,
  gridRegions,
  Image,
  makeRegions,
  maskRegions,
  regionAreas,
  regionsFromLabels,
  tableColumns,
  textSpans,
} from '#lib/index.js'

test('grid: edges at floor(i * size / cells), row by row', t => {
  const { labels, count } = gridRegions(5, 7, 2, 3)
  t.is(count, 6)
  t.deepEqual([...labels.subarray(0, 7)], [0, 0, 1, 1, 2, 2, 2])
  t.deepEqual([...labels.subarray(14, 21)], [3, 3, 4, 4, 5, 5, 5])
})

test('audio patches: 8 x 8 of a 128 x 204 spectrogram are 16 bands and 25 or 26 frames', t => {
  const patches = audioPatches(128, 204)
  t.is(patches.count, 64)
  const areas = regionAreas(patches)
  t.deepEqual(
    [...areas.subarray(0, 8)],
    [25, 26, 25, 26, 25, 26, 25, 26].map(frames => frames * 16),
  )
})

test('masks: the overlap is taken from the mask of which it is the smaller share; the rest is a region', t => {
  // One row of 12: mask A covers 0-7 (8), B covers 6-9 (4): the overlap 6-7 is 2/8 of A and 2/4 of B, so A loses it.
  const row = (from: number, to: number) => Array.from({ length: 12 }, (_, at) => at >= from && at < to)
  t.deepEqual([...maskRegions([1, 12], [row(0, 8), row(6, 10)]).labels], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
  // Equal shares: the earlier mask loses.
  t.deepEqual([...maskRegions([1, 12], [row(0, 6), row(4, 10)]).labels], [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2])
  // Shares are those of what earlier pairs left: A (8) lost to B (8) and has 4, of which C (3) shares 2: 2/4 < 2/3, so A
  // loses again. Of its first 8 it would have shared 2/8 too, but then C shares 1/8 of B and 1/3 of itself: B loses.
  t.deepEqual(
    [...maskRegions([1, 12], [row(0, 8), row(4, 12), row(2, 5)]).labels],
    [0, 0, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1],
  )
})

test('masks: small ones are dropped; none at all, or all of it, is one region', t => {
  const size = 2000
  const one = Array.from({ length: size }, (_, at) => at === 0)
  const half = Array.from({ length: size }, (_, at) => at < 1000)
  const rest = Array.from({ length: size }, (_, at) => at >= 1000)
  // One pixel of 2000 is 0.0005, which is not more than 0.0005. It took its pixel from the half all the same.
  const regions = maskRegions([1, size], [one, half, rest])
  t.is(regions.count, 3)
  t.deepEqual([...regionAreas(regions)], [999, 1000, 1])
  t.is(maskRegions([1, size], [one, half, rest], { minimumShare: 0 }).count, 3)
  t.is(maskRegions([4, 5], []).count, 1)
  t.is(maskRegions([1, 4], [[1, 1, 1, 1]]).count, 1)
  t.throws(() => maskRegions([2, 2], [[1, 1]]), { code: 'INPUT_SHAPE' })
})

test('text spans and columns: in their order, what is left follows', t => {
  t.deepEqual([...textSpans(4).labels], [0, 1, 2, 3])
  t.deepEqual(
    [
      ...textSpans(6, [
        { start: 4, end: 6 },
        { start: 1, end: 3 },
      ]).labels,
    ],
    [2, 1, 1, 2, 0, 0],
  )
  t.deepEqual([...tableColumns(5, [[3, 1]]).labels], [1, 0, 2, 0, 3])
  const overlapping = [
    { start: 0, end: 3 },
    { start: 2, end: 4 },
  ]
  t.throws(() => textSpans(6, overlapping), { code: 'INPUT_VALUE' })
  t.throws(() => textSpans(6, [{ start: 2, end: 2 }]), { code: 'OPTION_RANGE' })
  t.throws(() => textSpans(6, [{ start: 5, end: 7 }]), { code: 'OPTION_RANGE' })
  t.throws(() => tableColumns(3, [[0], [0]]), { code: 'INPUT_VALUE' })
  t.throws(() => tableColumns(3, [[]]), { code: 'INPUT_VALUE' })
})

test('labels at hand must be 0 to count - 1 and fit the picture', t => {
  const image = Image.fromPixels({ width: 2, height: 2, channels: 3, data: new Uint8Array(12) })
  t.is(makeRegions(image, { kind: 'labels', labels: [0, 1, 1, 2] }).count, 3)
  t.throws(() => makeRegions(image, { kind: 'labels', labels: [0, 2, 2, 3] }), { code: 'INPUT_VALUE' })
  t.throws(() => makeRegions(image, { kind: 'labels', labels: [0, -1, 0, 0] }), { code: 'INPUT_VALUE' })
  t.throws(() => makeRegions(image, { kind: 'labels', labels: [0, 0.5, 0, 0] }), { code: 'INPUT_VALUE' })
  t.throws(() => makeRegions(image, { kind: 'labels', labels: [0, 0, 0] }), { code: 'INPUT_SHAPE' })
  t.throws(() => makeRegions(image, regionsFromLabels([0, 1, 2, 3], [1, 4])), { code: 'INPUT_SHAPE' })
  t.throws(() => makeRegions(image, { kind: 'voronoi' } as never), { code: 'OPTION_RANGE' })
  t.throws(() => makeRegions(image, { kind: 'grid', rows: 2, cols: 2 } as never), { code: 'OPTION_UNKNOWN' })
  t.throws(() => makeRegions(image, { kind: 'grid', rows: 3 }), { code: 'OPTION_RANGE' })
})
