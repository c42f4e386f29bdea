import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import test from 'ava'
import fc from 'fast-check'
import sharp from 'sharp'
import { Image } from '#lib/data/image.js'
import { decodePng, encodePng, type Pixels } from '#lib/data/png.js'
import { readImage } from '#lib/data/readImage.js'
import { AscribeError } from '#lib/errors.js'
import { libraryVersion } from '#lib/version.js'
import { pillowPixels } from '../oracles/pillowPixels.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'

const pixelsArbitrary: fc.Arbitrary<Pixels> = fc
  .tuple(
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 9 }),
    fc.constantFrom(1 as const, 3 as const, 4 as const),
  )
  .chain(([width, height, channels]) => {
    const length = width * height * channels
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map(data => ({ width, height, channels, data: new Uint8Array(data) }))
  })

test('PNG: what is written is what we and libvips read', async t => {
  await fc.assert(
    fc.asyncProperty(pixelsArbitrary, async pixels => {
      const file = await encodePng(pixels)
      t.deepEqual(await decodePng(file), pixels)
      const raw = await sharp(file).raw().toBuffer()
      const step = raw.length / pixels.data.length
      t.deepEqual(
        [...raw].filter((_, index) => index % step === 0),
        [...pixels.data],
      )
    }),
    { numRuns: 60 },
  )
})

test('PNG: damaged files are refused, never decoded to something else', async t => {
  const file = await pillowPixels(7, 5).toPng()
  await fc.assert(
    fc.asyncProperty(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const bytes = file.slice()
      bytes[at] = bytes[at]! ^ change
      await t.throwsAsync(decodePng(bytes), { instanceOf: AscribeError, code: 'FILE_CORRUPT' })
    }),
    { numRuns: 200 },
  )
  await t.throwsAsync(decodePng(file.subarray(0, 40)), { code: 'FILE_CORRUPT' })
  await t.throwsAsync(decodePng(file, 34), { code: 'FILE_CORRUPT', message: /7 x 5 pixels/ })
})

test('every raster format is read; lossless ones to the bit', async t => {
  const image = pillowPixels(12, 10)
  const source = () => sharp(image.data, { raw: { width: 12, height: 10, channels: 3 } })
  const lossless = [source().png(), source().webp({ lossless: true }), source().tiff({ compression: 'lzw' })]
  for (const file of lossless) t.deepEqual((await readImage(await file.toBuffer())).data, image.data)
  const grey = sharp({ create: { width: 12, height: 10, channels: 3, background: '#808080' } })
  for (const file of [grey.jpeg(), grey.clone().gif(), grey.clone().avif()]) {
    const read = await readImage(await file.toBuffer())
    t.is(read.width, 12)
    t.true(read.data.every(value => Math.abs(value - 128) <= 2))
  }
})

test('EXIF orientation is applied', async t => {
  const data = new Uint8Array([255, 0, 0, 0, 0, 255])
  // Orientation 6: the camera was turned, so the picture must be turned 90 degrees clockwise.
  const file = await sharp(data, { raw: { width: 2, height: 1, channels: 3 } })
    .png()
    .withMetadata({ orientation: 6 })
    .toBuffer()
  const image = await readImage(file)
  t.deepEqual([image.width, image.height], [1, 2])
  t.deepEqual([...image.data], [255, 0, 0, 0, 0, 255])
})

test('transparency is composited over white, over black, or dropped', async t => {
  const file = await encodePng({
    width: 2,
    height: 1,
    channels: 4,
    data: new Uint8Array([200, 100, 0, 0, 200, 100, 0, 255]),
  })
  t.deepEqual([...(await readImage(file)).data], [255, 255, 255, 200, 100, 0])
  t.deepEqual([...(await readImage(file, { alpha: 'black' })).data], [0, 0, 0, 200, 100, 0])
  t.deepEqual([...(await readImage(file, { alpha: 'drop' })).data], [200, 100, 0, 200, 100, 0])
})

test('grey and 16-bit pictures become 8-bit RGB', async t => {
  const grey = await encodePng({ width: 2, height: 1, channels: 1, data: new Uint8Array([7, 250]) })
  t.deepEqual([...(await readImage(grey)).data], [7, 7, 7, 250, 250, 250])
  const deep = await sharp(new Uint16Array([0, 65535, 32896]), { raw: { width: 1, height: 1, channels: 3 } })
    .toColourspace('rgb16')
    .png({ bitdepth: 16 } as object)
    .toBuffer()
  t.deepEqual([...(await readImage(deep)).data], [0, 255, 128])
})

test('anything but a raster picture is refused by its bytes, whatever its name', async t => {
  const folder = await temporaryFolder(t)
  const contents = {
    svg: '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>',
    pdf: '%PDF-1.4 ...',
    text: 'hello',
    empty: '',
    heic: '\0\0\0\x18ftypheic',
  }
  for (const content of Object.values(contents)) {
    await writeFile(`${folder}/picture.png`, content, 'latin1')
    await t.throwsAsync(readImage(`${folder}/picture.png`), {
      code: 'FILE_CORRUPT',
      message: /not a picture/,
    })
  }
})

test('too many pixels, truncated data and missing files are errors', async t => {
  const file = await sharp({ create: { width: 100, height: 100, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer()
  await t.throwsAsync(readImage(file, { maximumPixels: 9_999 }), { code: 'FILE_CORRUPT' })
  t.is((await readImage(file, { maximumPixels: 10_000 })).width, 100)
  await t.throwsAsync(readImage(file.subarray(0, file.length / 2)), { code: 'FILE_CORRUPT' })
  await t.throwsAsync(readImage('missing.png'), { code: 'FILE_NOT_FOUND' })
  await t.throwsAsync(readImage(5 as never), { code: 'OPTION_TYPE' })
  await t.throwsAsync(readImage(file, { maxPixels: 3 } as never), { code: 'OPTION_UNKNOWN' })
})

test('pixels at hand become a picture', t => {
  t.deepEqual(
    [...Image.fromPixels({ width: 1, height: 1, channels: 1, data: new Uint8Array([9]) }).data],
    [9, 9, 9],
  )
  // Half transparent black over white is middle grey.
  t.deepEqual(
    [...Image.fromPixels({ width: 1, height: 1, channels: 4, data: new Uint8Array([0, 0, 0, 128]) }).data],
    [127, 127, 127],
  )
  t.throws(() => Image.fromPixels({ width: 2, height: 1, channels: 3, data: new Uint8Array(3) }), {
    code: 'INPUT_SHAPE',
  })
  t.throws(() => Image.fromPixels({ width: 0, height: 1, channels: 3, data: new Uint8Array(0) }), {
    code: 'OPTION_RANGE',
  })
})

test('the version is that of package.json', t => {
  t.is(libraryVersion, JSON.parse(readFileSync('package.json', 'utf8')).version)
})
