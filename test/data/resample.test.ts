import { readFileSync } from 'node:fs'
import test from 'ava'
import { Image } from '#lib/data/image.js'
import { type ResampleFilter, resample, resampleFilters } from '#lib/data/resample.js'
import { pillowPixels } from '../oracles/pillowPixels.js'

interface RecordedCase {
  source: [number, number]
  target: [number, number]
  filter: ResampleFilter
  rgb: string
}
const recorded: { pillow: string; cases: RecordedCase[] } = JSON.parse(
  readFileSync('test/oracles/pillow_resize.json', 'utf8'),
)

for (const { source, target, filter, rgb } of recorded.cases) {
  test(`${filter} from ${source.join('x')} to ${target.join('x')} is what Pillow gives, to the bit`, async t => {
    const result = await resample(pillowPixels(...source), ...target, filter)
    t.is(result.width, target[0])
    t.is(result.height, target[1])
    t.true(Buffer.from(rgb, 'base64').equals(result.data))
  })
}

test('a window of the result is that part of the whole result', async t => {
  const image = pillowPixels(37, 23)
  for (const filter of resampleFilters) {
    const whole = await resample(image, 20, 13, filter)
    const part = await resample(image, 20, 13, filter, { left: 7, top: 4, width: 9, height: 6 })
    for (let row = 0; row < 6; row++) {
      const start = ((row + 4) * 20 + 7) * 3
      t.deepEqual(part.data.subarray(row * 27, row * 27 + 27), whole.data.subarray(start, start + 27), filter)
    }
  }
})

test('a window of a picture that keeps its height or width is cut, not filtered', async t => {
  const image = pillowPixels(6, 5)
  const cut = await resample(image, 6, 5, 'bicubic', { left: 1, top: 2, width: 4, height: 2 })
  t.deepEqual([cut.width, cut.height], [4, 2])
  t.deepEqual(cut.data.subarray(12), image.data.subarray((3 * 6 + 1) * 3, (3 * 6 + 5) * 3))
})

test('a flat picture stays flat under every filter', async t => {
  const image = Image.fromPixels({ width: 9, height: 7, channels: 3, data: new Uint8Array(189).fill(201) })
  for (const filter of resampleFilters)
    t.true(
      (await resample(image, 4, 15, filter)).data.every(value => value === 201),
      filter,
    )
})

test('a large picture is resized in slices: timers fire in between', async t => {
  const image = Image.fromPixels({ width: 3000, height: 2000, channels: 3, data: new Uint8Array(18_000_000) })
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  await resample(image, 256, 171, 'bilinear')
  clearInterval(timer)
  t.true(turns >= 3, `${turns} turns`)
})
