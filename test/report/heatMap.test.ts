import test from 'ava'
import { Image } from '#lib/data/image.js'
import { divergingColors, sequentialColors } from '#lib/report/colorMap.js'
import { drawHeatMap, drawOverlay } from '#lib/report/heatMap.js'
import { scoreRange } from '#lib/report/scoreRange.js'

test('a score gets the colour of its place in the range', async t => {
  const values = new Float32Array([-2, 0, 1, 2, 9, Number.NaN])
  const range = { isSigned: true, limit: 2, percentile: 99.5, clippedShare: 0 }
  const { data } = await drawHeatMap({ width: 6, height: 1, values }, range)
  const color = (index: number) => [...data.subarray(index * 3, index * 3 + 3)]
  t.deepEqual(color(0), divergingColors.at(0))
  t.deepEqual(color(1), divergingColors.at(0.5))
  t.deepEqual(color(2), divergingColors.at(0.75))
  t.deepEqual(color(4), color(3), 'beyond the limit nothing gets stronger')
  t.deepEqual(color(5), [128, 128, 128])
})

test('scores without a sign use the sequential colours; all zero is the lowest colour', async t => {
  const values = new Float32Array([0, 3])
  const { data } = await drawHeatMap({ width: 2, height: 1, values }, scoreRange(values, 100))
  t.deepEqual([...data], [...sequentialColors.at(0), ...sequentialColors.at(1)])
  const zeros = new Float32Array(1)
  t.deepEqual(
    [...(await drawHeatMap({ width: 1, height: 1, values: zeros }, scoreRange(zeros))).data],
    sequentialColors.at(0),
  )
})

test('on the overlay zero hides nothing, the strongest score hides by the opacity, and what was not seen is dark', async t => {
  const picture = Image.fromPixels({
    width: 3,
    height: 1,
    channels: 3,
    data: new Uint8Array([100, 100, 100, 100, 100, 100, 100, 100, 100]),
  })
  const values = new Float32Array([0, -1, Number.NaN])
  const range = { isSigned: true, limit: 1, percentile: 100, clippedShare: 0 }
  const { data } = await drawOverlay(picture, { width: 3, height: 1, values }, range, 1)
  t.deepEqual([...data.subarray(0, 3)], [132, 132, 132])
  t.deepEqual([...data.subarray(3, 6)], divergingColors.at(0))
  t.deepEqual([...data.subarray(6)], [35, 35, 35])
})
