import test from 'ava'
import fc from 'fast-check'
import { Image } from '#lib/data/image.js'
import { preprocess } from '#lib/data/preprocess.js'
import { resolvePreprocessing } from '#lib/data/preprocessing.js'
import { resample } from '#lib/data/resample.js'
import { pillowPixels } from '../oracles/pillowPixels.js'

const plain = {
  resize: 'none',
  crop: 'none',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  channelOrder: 'RGB',
} as const

test('values: scale, mean and standard deviation by channel, in the order of the model', async t => {
  const image = Image.fromPixels({
    width: 2,
    height: 1,
    channels: 3,
    data: new Uint8Array([0, 128, 255, 10, 20, 30]),
  })
  const imagenet = resolvePreprocessing('imagenet')
  const { tensor } = await preprocess(image, { ...imagenet, resize: 'none', crop: 'none' })
  t.deepEqual(tensor.shape, [1, 3, 1, 2])
  const expected = [
    (0 - 0.485) / 0.229,
    (10 / 255 - 0.485) / 0.229,
    (128 / 255 - 0.456) / 0.224,
    (20 / 255 - 0.456) / 0.224,
    (255 / 255 - 0.406) / 0.225,
    (30 / 255 - 0.406) / 0.225,
  ]
  for (const [index, value] of expected.entries()) t.true(Math.abs(tensor.data[index]! - value) < 3e-7)

  const caffe = { ...resolvePreprocessing('caffe-bgr'), resize: 'none', crop: 'none' } as const
  t.deepEqual(
    [...(await preprocess(image, caffe)).tensor.data],
    [255 - 104, 30 - 104, 128 - 117, 20 - 117, 0 - 123, 10 - 123],
  )

  const inception = {
    ...resolvePreprocessing('inception'),
    resize: 'none',
    crop: 'none',
    layout: 'NHWC',
  } as const
  const result = (await preprocess(image, inception)).tensor
  t.deepEqual(result.shape, [1, 1, 2, 3])
  for (const [index, value] of [0, 128, 255, 10, 20, 30].entries())
    t.true(Math.abs(result.data[index]! - (value / 127.5 - 1)) < 1e-7)
})

test('grey is ITU-R 601 luma', async t => {
  const image = Image.fromPixels({
    width: 3,
    height: 1,
    channels: 3,
    data: new Uint8Array([255, 0, 0, 0, 255, 0, 10, 200, 90]),
  })
  const { tensor } = await preprocess(
    image,
    resolvePreprocessing({ ...plain, channelOrder: 'L', mean: [0], std: [1] }),
  )
  // Image.convert('L') of Pillow 12.3 gives these.
  t.deepEqual([...tensor.data], [76, 150, 131])
  t.deepEqual(tensor.shape, [1, 1, 1, 3])
})

test('shorter side, crop and placement', async t => {
  const image = pillowPixels(40, 31)
  const preprocessing = resolvePreprocessing({
    ...plain,
    resize: { shortestEdge: 16 },
    filter: 'bilinear',
    crop: { width: 12, height: 10 },
  })
  const { tensor, placement } = await preprocess(image, preprocessing)
  t.deepEqual(tensor.shape, [1, 3, 10, 12])
  // 40 x 31 becomes floor(16 * 40 / 31) = 20 x 16; the crop starts at (4, 3).
  const whole = await resample(image, 20, 16, 'bilinear')
  t.is(tensor.data[0], whole.data[(3 * 20 + 4) * 3])
  t.is(tensor.data[2 * 120 + 9 * 12 + 11], whole.data[(12 * 20 + 15) * 3 + 2])
  t.deepEqual(placement, {
    sourceWidth: 40,
    sourceHeight: 31,
    left: (4 * 40) / 20,
    top: (3 * 31) / 16,
    width: (12 * 40) / 20,
    height: (10 * 31) / 16,
  })
})

test('half a pixel of the crop goes down, or to the even number', async t => {
  const offset = async (width: number, crop: number, cropRounding: 'down' | 'even'): Promise<number> => {
    const data = Uint8Array.from({ length: width * 3 }, (_, index) => Math.floor(index / 3) + 1)
    const image = Image.fromPixels({ width, height: 1, channels: 3, data })
    const { placement } = await preprocess(
      image,
      resolvePreprocessing({ ...plain, crop: { width: crop, height: 1 }, cropRounding }),
    )
    return placement.left
  }
  t.is(await offset(9, 4, 'down'), 2)
  t.is(await offset(9, 4, 'even'), 2)
  t.is(await offset(11, 4, 'down'), 3)
  t.is(await offset(11, 4, 'even'), 4)
})

test('a crop larger than the picture is padded with black on both sides', async t => {
  const image = Image.fromPixels({ width: 1, height: 1, channels: 3, data: new Uint8Array([10, 20, 30]) })
  const { tensor, placement } = await preprocess(
    image,
    resolvePreprocessing({ ...plain, mean: [1, 1, 1], crop: { width: 4, height: 1 } }),
  )
  // transformers puts the extra column of an odd padding before the picture.
  t.deepEqual([...tensor.data].slice(0, 4), [-1, -1, 9, -1])
  t.deepEqual(placement, { sourceWidth: 1, sourceHeight: 1, left: -2, top: 0, width: 4, height: 1 })
})

test('the placement says where each model pixel lies: a lit pixel is found under its cell', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 12, max: 60 }),
      fc.integer({ min: 12, max: 60 }),
      fc.integer({ min: 6, max: 12 }),
      fc.double({ min: 0.3, max: 0.7, noNaN: true }),
      fc.double({ min: 0.3, max: 0.7, noNaN: true }),
      async (width, height, edge, atX, atY) => {
        const lit = { x: Math.floor(atX * width), y: Math.floor(atY * height) }
        const data = new Uint8Array(width * height * 3)
        data.fill(255, (lit.y * width + lit.x) * 3, (lit.y * width + lit.x) * 3 + 3)
        const image = Image.fromPixels({ width, height, channels: 3, data })
        const crop = { width: edge, height: edge - 1 }
        const { tensor, placement } = await preprocess(
          image,
          resolvePreprocessing({ ...plain, resize: { shortestEdge: edge }, filter: 'bilinear', crop }),
        )
        const red = tensor.data.subarray(0, crop.width * crop.height)
        const best = red.indexOf(Math.max(...red))
        const column = ((lit.x + 0.5 - placement.left) * crop.width) / placement.width
        const row = ((lit.y + 0.5 - placement.top) * crop.height) / placement.height
        if (column < 0.5 || row < 0.5 || column > crop.width - 0.5 || row > crop.height - 0.5) return
        t.true(
          Math.abs((best % crop.width) + 0.5 - column) <= 1,
          `best cell ${best}, expected column ${column}, row ${row}`,
        )
        t.true(
          Math.abs(Math.floor(best / crop.width) + 0.5 - row) <= 1,
          `best cell ${best}, expected column ${column}, row ${row}`,
        )
      },
    ),
    { numRuns: 300 },
  )
})

test('sizes that would not fit in memory are refused before anything is allocated', async t => {
  const image = pillowPixels(8, 8)
  const crop = { width: 65_536, height: 65_536 }
  await t.throwsAsync(preprocess(image, resolvePreprocessing({ ...plain, crop })), { code: 'OPTION_RANGE' })
})
