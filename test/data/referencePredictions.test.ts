import { readFileSync } from 'node:fs'
import test from 'ava'
import * as ort from 'onnxruntime-node'
import { fitPreprocessing } from '#lib/data/fitPreprocessing.js'
import { preprocess } from '#lib/data/preprocess.js'
import { resolvePreprocessing } from '#lib/data/preprocessing.js'
import type { PreprocessingPreset } from '#lib/data/preprocessingPresets.js'
import { readImage } from '#lib/data/readImage.js'
import { sharedData } from '../oracles/sharedData.js'

interface Reference {
  file: string
  top3: Record<string, { index: number; p: number }[]>
}

const models: { name: string; path: string[]; preset: PreprocessingPreset; size: number; skipped: number }[] =
  [
    {
      name: 'squeezenet',
      path: ['imagenet-squeezenet', 'squeezenet_v1.0_dc.onnx'],
      preset: 'caffe-bgr',
      size: 227,
      skipped: 0,
    },
    {
      name: 'mobilenet-v2',
      path: ['imagenet-mobilenet-v2', 'mobilenet_v2_1.0_224.onnx'],
      preset: 'inception',
      size: 224,
      skipped: 1,
    },
  ]

for (const { name, path, preset, size, skipped } of models) {
  test(`${name} gives the recorded probabilities on the photographs`, async t => {
    const referencePath = sharedData(t, 'photos', 'reference_predictions.json')
    const modelPath = sharedData(t, ...path)
    if (referencePath === undefined || modelPath === undefined) return
    const references: Reference[] = JSON.parse(readFileSync(referencePath, 'utf8'))
    const session = await ort.InferenceSession.create(modelPath)
    const preprocessing = fitPreprocessing(resolvePreprocessing(preset), ['N', 3, size, size])
    for (const { file, top3 } of references) {
      const photo = sharedData(t, 'photos', file)
      if (photo === undefined) continue
      const { tensor } = await preprocess(await readImage(photo), preprocessing)
      const feeds = { [session.inputNames[0]!]: new ort.Tensor('float32', tensor.data, [...tensor.shape]) }
      const logits = (await session.run(feeds))[session.outputNames[0]!]!.data as Float32Array
      const greatest = Math.max(...logits)
      const powers = Array.from(logits, logit => Math.exp(logit - greatest))
      const sum = powers.reduce((total, power) => total + power, 0)
      for (const { index, p } of top3[name]!) {
        const ours = powers[index + skipped]! / sum
        // Recorded with two decimals; the pictures and their resizing are the same to the bit.
        t.true(Math.abs(ours - p) <= 0.0051, `${file}: class ${index} ${ours} instead of ${p}`)
      }
    }
  })
}
