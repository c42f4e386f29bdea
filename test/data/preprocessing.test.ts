import test from 'ava'
import { fitPreprocessing } from '#lib/data/fitPreprocessing.js'
import { type Preprocessing, resolvePreprocessing } from '#lib/data/preprocessing.js'

const description = {
  resize: { width: 8, height: 6 },
  filter: 'bilinear',
  crop: 'none',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  channelOrder: 'RGB',
} as const

test('nothing is guessed: without a preprocessing, or with half of one, the user is asked', t => {
  t.throws(() => resolvePreprocessing(undefined), { code: 'PREPROCESSING_REQUIRED' })
  const { mean: _, ...rest } = description
  t.throws(() => resolvePreprocessing(rest as never), {
    code: 'PREPROCESSING_REQUIRED',
    message: /does not say mean/,
  })
  const { filter: __, ...unfiltered } = description
  t.throws(() => resolvePreprocessing(unfiltered), { code: 'PREPROCESSING_REQUIRED', message: /filter/ })
})

test('wrong values are named', t => {
  const wrong = (change: object): unknown => resolvePreprocessing({ ...description, ...change } as never)
  t.throws(() => resolvePreprocessing('imagnet' as never), { code: 'OPTION_RANGE', message: /caffe-bgr/ })
  t.throws(() => wrong({ mean: [0, 0] }), { code: 'OPTION_RANGE', message: /mean/ })
  t.throws(() => wrong({ std: [1, 0, 1] }), { code: 'OPTION_RANGE', message: /std\[1\]/ })
  t.throws(() => wrong({ scale: Number.NaN }), { code: 'OPTION_RANGE' })
  t.throws(() => wrong({ resize: { shortestEdge: 0 } }), { code: 'OPTION_RANGE' })
  t.throws(() => wrong({ crop: { width: 3, heigth: 3 } }), { code: 'OPTION_UNKNOWN', message: /heigth/ })
  t.throws(() => wrong({ size: 3 }), { code: 'OPTION_UNKNOWN' })
})

test('a preset follows the model', t => {
  const sizes = ({ resize, crop, layout }: Preprocessing) => ({ resize, crop, layout })
  const fitted = (
    name: 'imagenet' | 'caffe-bgr' | 'clip' | 'inception' | 'none',
    ...shape: (number | string | null)[]
  ) => sizes(fitPreprocessing(resolvePreprocessing(name), shape))
  t.deepEqual(fitted('caffe-bgr', 'N', 3, 227, 227), {
    resize: { shortestEdge: 256 },
    crop: { width: 227, height: 227 },
    layout: 'NCHW',
  })
  t.deepEqual(fitted('inception', 'N', 299, 299, 3), {
    resize: { shortestEdge: 342 },
    crop: { width: 299, height: 299 },
    layout: 'NHWC',
  })
  t.deepEqual(fitted('imagenet', 1, 3, 32, 32).resize, { shortestEdge: 37 })
  t.deepEqual(fitted('clip', -1, 3, 336, 336), {
    resize: { shortestEdge: 336 },
    crop: { width: 336, height: 336 },
    layout: 'NCHW',
  })
  t.deepEqual(fitted('imagenet', 'N', 3, 'height', null).crop, { width: 224, height: 224 })
  t.deepEqual(fitted('none', 1, 3, 64, 64).crop, 'none')
  t.deepEqual(fitted('imagenet', 1, 3, 224, 224), sizes(resolvePreprocessing('imagenet')))
})

test('what cannot agree is an error that says both sides', t => {
  const given = resolvePreprocessing(description)
  t.deepEqual(fitPreprocessing(given, ['N', 3, 6, 8]), given)
  t.throws(() => fitPreprocessing(given, ['N', 3, 224, 224]), {
    code: 'INPUT_SHAPE',
    message: /\[N, 3, 224, 224\]: it gives 8 x 6/,
  })
  t.throws(() => fitPreprocessing(given, ['N', 3, 224, 'W']), { code: 'INPUT_SHAPE' })
  t.throws(() => fitPreprocessing(given, ['N', 6, 8, 3]), {
    code: 'INPUT_SHAPE',
    message: /3 channels in NCHW/,
  })
  t.throws(() => fitPreprocessing(resolvePreprocessing('imagenet'), [1, 1, 28, 28]), { code: 'INPUT_SHAPE' })
  t.throws(() => fitPreprocessing(given, [1, 10]), { code: 'INPUT_SHAPE', message: /rank 4/ })
})
