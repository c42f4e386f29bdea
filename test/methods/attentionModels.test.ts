import { readFileSync } from 'node:fs'
import test from 'ava'
import {
  AttentionRollout,
  createTensor,
  GradientXAttention,
  LeGrad,
  loadModel,
  RawAttention,
} from '#lib/index.js'
import { namedAttention } from '#lib/model/attention.js'
import { heads, meanOf, rollout } from '../oracles/attentionMatrices.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { sharedData } from '../oracles/sharedData.js'

test('a vision transformer: rollout is that of the probabilities that the model gives itself', async t => {
  const path = sharedData(t, 'cifar10-vit', 'cifar10_vit.onnx')
  const file = sharedData(t, 'cifar10', 'cifar10_test_1000.bin')
  if (path === undefined || file === undefined) return
  const model = await loadModel(path)
  const pixels = readFileSync(file)
  const [mean, std] = [
    [0.4914, 0.4822, 0.4465],
    [0.247, 0.2435, 0.2616],
  ] as const
  const picture = (record: number) =>
    createTensor(
      'f32',
      [1, 3, 32, 32],
      Float32Array.from({ length: 3072 }, (_, at) => {
        const channel = Math.floor(at / 1024)
        return (pixels[record * 3073 + 1 + at]! / 255 - mean[channel]!) / std[channel]!
      }),
    )
  const names = Array.from({ length: 6 }, (_, block) => `blocks.${block}.attn`)
  t.deepEqual(namedAttention(model.graph).names, names)
  const pictures = Array.from({ length: 4 }, (_, at) => picture(at))
  const rolled = await new AttentionRollout(model).attributeBatch(pictures)
  for (const [at, input] of pictures.entries()) {
    const { outputs } = await model.run(input, { outputs: names })
    const layers = names.map(name => meanOf(heads(Array.from(outputs[name]!.data, Number), 65)))
    const [expected] = rollout(layers) as [number[]]
    const scores = rolled[at]!.scores()
    t.deepEqual(scores.shape, [8, 8])
    t.deepEqual(rolled[at]!.method.details, { layers: 6, heads: 3, rows: 1, row: 0 })
    t.true(relativeDistance(scores.data, expected.slice(1)) < 1e-5)
    const raw = await new RawAttention(model, { attention: 2 }).attribute(input)
    t.true(relativeDistance(raw.scores().data, layers[2]![0]!.slice(1)) < 1e-5)
  }
})

test('a text encoder that takes the mean of its tokens: padding is not read, and gets nothing', async t => {
  const path = sharedData(t, 'sst2-transformer', 'sst2_transformer.onnx')
  const reference = sharedData(t, 'sst2-transformer', 'reference.json')
  if (path === undefined || reference === undefined) return
  const model = await loadModel(path)
  const examples = JSON.parse(readFileSync(reference, 'utf8')) as { tokens: string[]; ids: number[] }[]
  const { tokens, ids } = examples[0]!
  const length = ids.length + 4
  const padded = {
    ids: createTensor(
      'i64',
      [1, length],
      BigInt64Array.from({ length }, (_, at) => BigInt(ids[at] ?? 0)),
    ),
    mask: createTensor(
      'f32',
      [1, length],
      Float32Array.from({ length }, (_, at) => (at < ids.length ? 1 : 0)),
    ),
  }
  const alone = {
    ids: createTensor('i64', [1, ids.length], BigInt64Array.from(ids, BigInt)),
    mask: createTensor('f32', [1, ids.length], new Float32Array(ids.length).fill(1)),
  }
  const texts = [...tokens, '', '', '', '']
  for (const method of [
    new RawAttention(model),
    new AttentionRollout(model),
    new GradientXAttention(model),
  ]) {
    const attribution = await method.attribute(padded, { tokens: texts })
    t.deepEqual(attribution.inputs[0]!.units, { kind: 'tokens', tokens: texts })
    t.is(attribution.method.details?.rows, ids.length)
    const scores = attribution.scores().data
    t.true(scores.slice(ids.length).every(score => Math.abs(score) < 1e-9))
    const without = await method.attribute(alone, { tokens })
    t.true(relativeDistance(scores.slice(0, ids.length), without.scores().data) < 1e-5)
  }
  const wanted = (await new LeGrad(model).attribute(alone, { tokens })).scores().data
  t.true(wanted.every(score => score >= 0) && wanted.some(score => score > 0))
  const filled = (await new LeGrad(model).attribute(padded, { tokens: texts })).scores().data
  t.true(filled.slice(ids.length).every(score => score === 0))
  // A mean over all queries, of which those of padding lead nowhere.
  const scaled = Array.from(filled.slice(0, ids.length), score => (Number(score) * length) / ids.length)
  t.true(relativeDistance(scaled, wanted) < 1e-5)
})
