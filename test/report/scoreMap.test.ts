import test from 'ava'
import fc from 'fast-check'
import { enlarge, placeOnPicture, smooth } from '#lib/report/scoreMap.js'

const map = { width: 2, height: 1, values: new Float32Array([1, 3]) }

test('cells lie where the placement says; elsewhere there is no score', async t => {
  const placement = { sourceWidth: 8, sourceHeight: 2, left: 2, top: 0, width: 4, height: 1 }
  const placed = await placeOnPicture(map, placement, 8, 2, 'nearest')
  const nothing = Number.NaN
  t.deepEqual(
    [...placed.values],
    [nothing, nothing, 1, 1, 3, 3, nothing, nothing, ...new Array(8).fill(nothing)],
  )
})

test('between the centres of cells, bilinear is a straight line', async t => {
  const placement = { sourceWidth: 8, sourceHeight: 1, left: 0, top: 0, width: 8, height: 1 }
  t.deepEqual(
    [...(await placeOnPicture(map, placement, 8, 1, 'bilinear')).values],
    [1, 1, 1.25, 1.75, 2.25, 2.75, 3, 3],
  )
})

test('a smaller copy of the picture gets the mean of the cells under each pixel', async t => {
  const fine = { width: 6, height: 1, values: new Float32Array([1, 2, 3, 4, 5, 6]) }
  const placement = { sourceWidth: 12, sourceHeight: 2, left: 0, top: 0, width: 12, height: 2 }
  t.deepEqual([...(await placeOnPicture(fine, placement, 3, 1, 'nearest')).values], [1.5, 3.5, 5.5])
  // Each of 4 pixels covers one and a half cells.
  const means = (await placeOnPicture(fine, placement, 4, 1, 'bilinear')).values
  const expected = [(1 + 0.5 * 2) / 1.5, (0.5 * 2 + 3) / 1.5, (4 + 0.5 * 5) / 1.5, (0.5 * 5 + 6) / 1.5]
  for (const [index, value] of expected.entries()) t.true(Math.abs(means[index]! - value) < 1e-6)
})

test('a placement that reaches past the picture (padding) shows only what is inside', async t => {
  const placement = { sourceWidth: 2, sourceHeight: 1, left: -2, top: 0, width: 4, height: 1 }
  t.deepEqual([...(await placeOnPicture(map, placement, 2, 1, 'nearest')).values], [3, 3])
})

test('enlarging repeats cells', async t => {
  const square = { width: 2, height: 2, values: new Float32Array([1, 2, 3, 4]) }
  t.deepEqual([...enlarge(square, 2).values], [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4])
})

test('smoothing keeps the sum, and the value of a flat map', async t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.double({ min: 0.1, max: 3, noNaN: true }),
      fc.infiniteStream(fc.integer({ min: -100, max: 100 })),
      (width, height, sigma, stream) => {
        const values = Float64Array.from({ length: width * height }, () => stream.next().value)
        const sum = values.reduce((total, value) => total + value, 0)
        const smoothed = smooth({ width, height, values }, sigma).values
        t.true(Math.abs([...smoothed].reduce((total, value) => total + value, 0) - sum) < 1e-9)
      },
    ),
  )
  const flat = smooth({ width: 4, height: 3, values: new Float64Array(12).fill(2) }, 1.5).values
  for (const value of flat) t.true(Math.abs(value - 2) < 1e-12)
})

test('a smoothed point is a Gaussian', async t => {
  const values = new Float64Array(41)
  values[20] = 1
  const smoothed = smooth({ width: 41, height: 1, values }, 2).values
  t.true(Math.abs(smoothed[22]! / smoothed[20]! - Math.exp(-0.5)) < 1e-12)
  t.true(Math.abs(smoothed[20]! - 1 / (2 * Math.sqrt(2 * Math.PI))) < 1e-4)
})
