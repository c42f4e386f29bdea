import { join } from 'node:path'
import test from 'ava'
import { createTensor, loadModel, Road, sobelMap, Target } from '#lib/index.js'
import { native, settle } from '#lib/native.js'
import { heldOutScenes, loadPair } from '../../examples/quickstart/scenes.js'
import { close } from '../oracles/close.js'
import { floats, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { repositoryRoot } from '../oracles/repository.js'

const [height, width] = [5, 6]
const area = height * width
const picture = createTensor(
  'f32',
  [1, 2, height, width],
  Float32Array.from({ length: 2 * area }, (_, at) => Math.sin(at * 1.7)),
)
/** Pixels go from the middle of the list outwards, so that holes are large. */
const ranks = Float32Array.from({ length: area }, (_, at) => (at * 7) % area)

const impute = (counts: number[], noise = 0, channelsLast = false) =>
  settle(() =>
    native().imputePixels({
      picture: channelsLast
        ? {
            dtype: 'f32',
            shape: [1, height, width, 2],
            data: Float32Array.from(
              { length: 2 * area },
              (_, at) => picture.data[(at % 2) * area + Math.floor(at / 2)]!,
            ),
          }
        : { dtype: 'f32', shape: [1, 2, height, width], data: picture.data },
      channelsLast,
      ranks: { dtype: 'f32', shape: [area], data: ranks },
      counts,
      noise,
      seed: 3n,
      item: 0n,
    }),
  )

test('a filled pixel is the mean of its neighbours: 1/6 beside, 1/12 across a corner, scaled up at the rim', async t => {
  const counts = [0, 4, 17, 29]
  const { data, shape } = await impute(counts)
  t.deepEqual(shape, [4, 2, height, width])
  for (const [at, count] of counts.entries())
    for (let channel = 0; channel < 2; channel++) {
      const plane = (data as Float32Array).subarray((2 * at + channel) * area, (2 * at + channel + 1) * area)
      for (let pixel = 0; pixel < area; pixel++) {
        if (ranks[pixel]! >= count) {
          t.is(plane[pixel], picture.data[channel * area + pixel])
          continue
        }
        let [sum, total] = [0, 0]
        for (const down of [-1, 0, 1])
          for (const right of [-1, 0, 1]) {
            const [y, x] = [Math.floor(pixel / width) + down, (pixel % width) + right]
            if ((down === 0 && right === 0) || y < 0 || x < 0 || y >= height || x >= width) continue
            const weight = down === 0 || right === 0 ? 1 / 6 : 1 / 12
            sum += weight * plane[y * width + x]!
            total += weight
          }
        t.true(Math.abs(plane[pixel]! - sum / total) < 1e-6)
      }
    }
})

test('the noise belongs to the picture that is asked for, not to its company, and channels may come last', async t => {
  const all = (await impute([4, 17], 0.01)).data as Float32Array
  const alone = (await impute([17], 0.01)).data as Float32Array
  const clean = (await impute([17])).data as Float32Array
  close(t, all.subarray(2 * area), alone, 1e-6)
  const noise = alone.map((value, at) => value - clean[at]!)
  const filled = noise.filter((_, at) => ranks[at % area]! < 17)
  t.true(noise.every((value, at) => ranks[at % area]! < 17 || value === 0))
  const deviation = Math.sqrt(filled.reduce((sum, value) => sum + value ** 2, 0) / filled.length)
  t.true(deviation > 0.006 && deviation < 0.014, `the deviation of ${filled.length} draws is ${deviation}`)
  const last = (await impute([17], 0, true)).data as Float32Array
  close(
    t,
    Float32Array.from({ length: 2 * area }, (_, at) => last[(at % area) * 2 + Math.floor(at / area)]!),
    clean,
    1e-6,
  )
})

test('counts that do not ascend or leave no pixel are refused', async t => {
  await t.throwsAsync(impute([area]), { code: 'OPTION_RANGE' })
  await t.throwsAsync(impute([5, 4]), { code: 'OPTION_RANGE' })
  await t.throwsAsync(impute([]), { code: 'OPTION_RANGE' })
})

test('removal with filling takes the class away as soon as the map says where it is', async t => {
  const { sound } = await loadPair(join(repositoryRoot, 'models'))
  const samples = [...heldOutScenes(3)].map(scene => ({ input: scene.badge, target: scene.label, scene }))
  const road = new Road(sound, { percentages: [1, 5, 10, 20] })
  const known = await road.evaluate(samples, { maps: (_, at) => samples[at]!.scene.objectMask })
  const edges = await road.evaluate(samples, { maps: (_, at) => sobelMap(samples[at]!.scene.badge) })
  t.deepEqual(Object.keys(known.summary), ['logit', 'probability', 'accuracy'])
  t.deepEqual(known.samples[0]!.at, [0.01, 0.05, 0.1, 0.2])
  t.is(known.curves.accuracy!.length, 4)
  t.true(known.summary.probability!.mean < edges.summary.probability!.mean - 0.2)
  t.is(known.cost.forwardPasses, 12)
  const alone = await road.evaluate([samples[1]!], { maps: () => samples[1]!.scene.objectMask })
  const [a, b] = [alone.samples[0]!.values.logit!, known.samples[1]!.values.logit!]
  t.true(Math.abs(a - b) <= 1e-5 * Math.abs(b))
})

test('only pictures have neighbours; percentages ascend and stay below 100', async t => {
  const model = await loadModel(
    writeModel({
      opset: 17,
      nodes: [{ op: 'Gemm', inputs: ['x', 'w'], outputs: ['y'] }],
      tensors: [floats('w', [3, 1], () => 1)],
      inputs: [valueInfo('x', ['N', 3])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const input = createTensor('f32', [1, 3], new Float32Array(3))
  const sample = { input, target: Target.regression(), map: [1, 2, 3] }
  await t.throwsAsync(new Road(model).evaluate([sample]), { code: 'INPUT_SHAPE' })
  t.throws(() => new Road(model, { percentages: [100] }), { code: 'OPTION_RANGE' })
  t.throws(() => new Road(model, { percentages: [5, 3] }), { code: 'OPTION_RANGE' })
  t.throws(() => new Road(model, { percentages: [] }), { code: 'OPTION_RANGE' })
})
