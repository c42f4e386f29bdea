import test from 'ava'
import { preprocess } from '#lib/data/preprocess.js'
import { Image, resolvePreprocessing } from '#lib/index.js'
import { blackBaseline, seenPicture } from '#lib/regions/seenPicture.js'

const picture = Image.fromPixels({
  width: 16,
  height: 16,
  channels: 3,
  data: Uint8Array.from({ length: 768 }, (_, at) => (at * 7 + (at >> 5)) & 255),
})

for (const preset of ['imagenet', 'caffe-bgr', 'clip', 'inception', 'none'] as const)
  test(`every 8-bit value comes back from the model's input: ${preset}`, async t => {
    const preprocessing = { ...resolvePreprocessing(preset), resize: 'none', crop: 'none' } as const
    const { tensor } = await preprocess(picture, preprocessing)
    t.deepEqual(seenPicture(tensor, preprocessing).data, picture.data)
    const black = Image.fromPixels({ ...picture, data: new Uint8Array(768) })
    const { tensor: dark } = await preprocess(black, preprocessing)
    const baseline = blackBaseline(preprocessing)
    const channels = preprocessing.layout === 'NCHW' ? [0, 256, 512] : [0, 1, 2]
    t.deepEqual(
      channels.map(at => dark.data[at]),
      [...baseline.data],
    )
  })
