import { writeFile } from 'node:fs/promises'
import test from 'ava'
import fc from 'fast-check'
import { parsePreprocessorConfig, readPreprocessorConfig } from '#lib/data/huggingFacePreprocessing.js'
import { AscribeError } from '#lib/errors.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'

const vit = {
  do_normalize: true,
  do_rescale: true,
  do_resize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_processor_type: 'ViTImageProcessor',
  image_std: [0.5, 0.5, 0.5],
  resample: 2,
  rescale_factor: 0.00392156862745098,
  size: { height: 224, width: 224 },
}

test('a full file is taken at its word', t => {
  t.deepEqual(parsePreprocessorConfig(vit), {
    name: 'ViTImageProcessor',
    resize: { width: 224, height: 224 },
    filter: 'bilinear',
    crop: 'none',
    resizeRounding: 'down',
    cropRounding: 'down',
    scale: 0.00392156862745098,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
    channelOrder: 'RGB',
    layout: 'NCHW',
    followsModel: false,
  })
})

test('the three forms of size, and the crop', t => {
  const parse = (change: object) => parsePreprocessorConfig({ ...vit, ...change })
  t.deepEqual(parse({ size: { shortest_edge: 256 }, do_center_crop: true, crop_size: 224 }).resize, {
    shortestEdge: 256,
  })
  t.deepEqual(parse({ do_center_crop: true, crop_size: { height: 20, width: 30 } }).crop, {
    width: 30,
    height: 20,
  })
  t.deepEqual(parse({ size: 384 }).resize, { width: 384, height: 384 })
  t.deepEqual(parse({ do_resize: false }).resize, 'none')
  t.is(parse({ resample: 3 }).filter, 'bicubic')
  t.is(parse({ do_rescale: false }).scale, 1)
  t.deepEqual(parse({ do_normalize: false }).std, [1, 1, 1])
  t.is(parse({ do_flip_channel_order: true }).channelOrder, 'BGR')
})

test('an older file of a known class gets what the class assumed', t => {
  const clip = parsePreprocessorConfig({
    crop_size: 224,
    do_center_crop: true,
    do_normalize: true,
    do_resize: true,
    feature_extractor_type: 'CLIPFeatureExtractor',
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
    resample: 3,
    size: 224,
  })
  t.deepEqual(clip.resize, { shortestEdge: 224 })
  t.deepEqual(clip.crop, { width: 224, height: 224 })
  t.is(clip.scale, 1 / 255)
})

test('ConvNeXT resizes by its crop share below 384 and squeezes from there on', t => {
  const convnext = {
    ...vit,
    image_processor_type: 'ConvNextImageProcessor',
    size: { shortest_edge: 224 },
    crop_pct: 0.875,
  }
  t.deepEqual(parsePreprocessorConfig(convnext).resize, { shortestEdge: 256 })
  t.deepEqual(parsePreprocessorConfig(convnext).crop, { width: 224, height: 224 })
  const large = parsePreprocessorConfig({ ...convnext, size: { shortest_edge: 384 } })
  t.deepEqual([large.resize, large.crop], [{ width: 384, height: 384 }, 'none'])
})

test('what the file does not say, or what is not supported, is asked for', t => {
  const refused = (change: object, message: RegExp) =>
    t.throws(() => parsePreprocessorConfig({ ...vit, ...change }), {
      code: 'PREPROCESSING_REQUIRED',
      message,
    })
  refused({ image_processor_type: 'OtherImageProcessor', size: 224 }, /square or the shorter side/)
  refused({ image_processor_type: 'OtherImageProcessor', resample: undefined }, /resample/)
  refused({ image_processor_type: 'OtherImageProcessor', crop_size: 3 }, /do_center_crop/)
  refused({ image_mean: undefined }, /image_mean/)
  refused({ do_pad: true }, /do_pad/)
  refused({ size: { longest_edge: 3, shortest_edge: 4 } }, /longest_edge/)
  refused({ resample: 9 }, /resample = 9/)
})

test('files: read, damaged, missing', async t => {
  const folder = await temporaryFolder(t)
  await writeFile(`${folder}/a.json`, JSON.stringify(vit))
  await writeFile(`${folder}/b.json`, '{')
  t.is((await readPreprocessorConfig(`${folder}/a.json`)).name, 'ViTImageProcessor')
  await t.throwsAsync(readPreprocessorConfig(`${folder}/b.json`), { code: 'FILE_CORRUPT' })
  await t.throwsAsync(readPreprocessorConfig(`${folder}/c.json`), { code: 'FILE_NOT_FOUND' })
})

test('a class that is no text is refused, also one that cannot become a text', t => {
  for (const kind of [{ toString: 0 }, 3, []])
    t.throws(() => parsePreprocessorConfig({ ...vit, image_processor_type: kind }), {
      instanceOf: AscribeError,
      code: 'PREPROCESSING_REQUIRED',
    })
})

test('any JSON whatever gives a preprocessing or an AscribeError', t => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...Object.keys(vit), 'crop_size', 'crop_pct'), fc.jsonValue()),
      change => {
        try {
          parsePreprocessorConfig({ ...vit, ...change })
        } catch (error) {
          t.true(error instanceof AscribeError, String(error))
        }
      },
    ),
    { numRuns: 1000 },
  )
})
