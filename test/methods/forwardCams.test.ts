import { join } from 'node:path'
import test from 'ava'
import {
  AblationCam,
  type Attribution,
  Cam,
  createTensor,
  EigenCam,
  FeatureAblation,
  GradCam,
  IntegratedGradients,
  loadModel,
  Saliency,
  ScoreCam,
  SmoothGrad,
  Target,
} from '#lib/index.js'
import { principalProjection } from '#lib/methods/layers/principalProjection.js'
import { convolutionMeanNet, headWeight } from '../oracles/convolutionMeanNet.js'
import { valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { repositoryRoot } from '../oracles/repository.js'

const numbers = (attribution: Attribution) => Array.from(attribution.scores().data as Float32Array)
const close = (actual: ArrayLike<number>, expected: readonly number[], tolerance = 2e-6) =>
  actual.length === expected.length &&
  expected.every((value, at) => Math.abs(actual[at]! - value) <= tolerance * Math.max(1, Math.abs(value)))

const network = (isPooled = false) => convolutionMeanNet({ size: [6, 4], isPooled })
const values = Float32Array.from({ length: 72 }, (_, at) => Math.sin(0.7 * at * at + 0.3))
const picture = createTensor('f32', [1, 3, 6, 4], values)
const mapsOf = async (model: Awaited<ReturnType<typeof network>>) =>
  (await model.run(picture, { outputs: ['maps'] })).outputs.maps!.data as Float32Array

test("CAM: the head's weights on the maps, which is Grad-CAM times the places; other heads are refused", async t => {
  const model = await network()
  const maps = await mapsOf(model)
  const by = Array.from({ length: 24 }, (_, place) =>
    [0, 1, 2, 3].reduce((sum, channel) => sum + headWeight(channel, 3) * maps[channel * 24 + place]!, 0),
  )
  const cam = await new Cam(model).attribute(picture, { target: 3 })
  t.true(close(numbers(cam), by))
  const gradCam = numbers(await new GradCam(model).attribute(picture, { target: 3 }))
  t.true(
    close(
      numbers(cam),
      gradCam.map(value => 24 * value),
    ),
  )
  t.is(cam.cost.forwardPasses, 1)
  t.is(cam.cost.backwardPasses, 1)
  await t.throwsAsync(
    new Cam(
      await convolutionMeanNet({ size: [6, 4], last: [{ op: 'Relu', inputs: ['scores'], outputs: ['y'] }] }),
    ).attribute(picture, { target: 3 }),
    {
      code: 'MODEL_CAPABILITY',
      message: /relu/,
    },
  )
  await t.throwsAsync(new Cam(model).attribute(picture, { target: 3, layer: 'z' }), {
    code: 'MODEL_CAPABILITY',
  })
})

test('Score-CAM: masks, scores and their softmax by hand, maps smaller than the picture too', async t => {
  for (const isPooled of [false, true]) {
    const model = await network(isPooled)
    const maps = await mapsOf(model)
    const [height, width] = isPooled ? [3, 2] : [6, 4]
    const scores: number[] = []
    for (const channel of [0, 1, 2, 3]) {
      const map = maps.slice(channel * height * width, (channel + 1) * height * width)
      // Bilinear, places at the middles of pixels, edges repeated.
      const read = (y: number, x: number) => {
        const place = (at: number, size: number) => Math.min(Math.max(at, 0), size - 1)
        const [y0, x0] = [Math.floor(y), Math.floor(x)]
        const at = (i: number, j: number) => map[place(i, height) * width + place(j, width)]!
        const [u, v] = [y - y0, x - x0]
        return (
          (1 - u) * ((1 - v) * at(y0, x0) + v * at(y0, x0 + 1)) +
          u * ((1 - v) * at(y0 + 1, x0) + v * at(y0 + 1, x0 + 1))
        )
      }
      const large = Array.from({ length: 24 }, (_, at) =>
        read(((Math.floor(at / 4) + 0.5) * height) / 6 - 0.5, (((at % 4) + 0.5) * width) / 4 - 0.5),
      )
      const [low, high] = [Math.min(...large), Math.max(...large)]
      const masked = values.map((value, at) => (value * (large[at % 24]! - low)) / (high - low + 1e-8))
      scores.push((await model.run(createTensor('f32', [1, 3, 6, 4], masked))).outputs.y!.data[2] as number)
    }
    const total = scores.reduce((sum, score) => sum + Math.exp(score), 0)
    const by = Array.from({ length: height * width }, (_, place) =>
      scores.reduce(
        (sum, score, channel) => sum + (Math.exp(score) / total) * maps[channel * height * width + place]!,
        0,
      ),
    )
    const found = await new ScoreCam(model).attribute(picture, { target: 2 })
    t.true(close(numbers(found), by, 1e-5), `${numbers(found)} ${by}`)
    t.deepEqual(found.scores().shape, [height, width])
    t.is(found.inputs[0]!.name, 'maps')
    t.is(found.cost.forwardPasses, 5)
    t.is(found.cost.backwardPasses, 0)
    const logit = (await model.run(picture)).outputs.y!.data[2] as number
    t.true(Math.abs(found.targets[0]!.value! - logit) < 1e-6)
  }
})

test('Ablation-CAM: behind a mean and a linear head, what is lost is known; a target of 0 is refused', async t => {
  const model = await network(true)
  const maps = await mapsOf(model)
  const logit = (await model.run(picture)).outputs.y!.data[1] as number
  const by = Array.from({ length: 6 }, (_, place) =>
    [0, 1, 2, 3].reduce((sum, channel) => {
      const mean = maps.slice(channel * 6, channel * 6 + 6).reduce((a, b) => a + b / 6, 0)
      return sum + ((headWeight(channel, 1) * mean) / logit) * maps[channel * 6 + place]!
    }, 0),
  )
  const found = await new AblationCam(model).attribute(picture, { target: 1 })
  t.true(close(numbers(found), by, 1e-5))
  t.is(found.cost.forwardPasses, 5)
  t.is(found.cost.backwardPasses, 0)
  const zero = Target.expression('nothing', (graph, outputs) => {
    const first = graph.apply('gather', [outputs.get('y')!, graph.integers([0])], { axis: 1 })
    return graph.apply('reshape', [graph.apply('mul', [first, graph.scalar(0)]), graph.integers([-1])])
  })
  await t.throwsAsync(new AblationCam(model).attribute(picture, { target: zero }), { code: 'TARGET_INVALID' })
})

test('Eigen-CAM: the first component of two channels in closed form', async t => {
  const model = await loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Relu', inputs: ['x'], outputs: ['a'] },
        { op: 'GlobalAveragePool', inputs: ['a'], outputs: ['p'] },
        { op: 'Flatten', inputs: ['p'], outputs: ['y'] },
      ],
      tensors: [],
      inputs: [valueInfo('x', ['N', 2, 2, 2])],
      outputs: [valueInfo('y', ['N', 2])],
    }),
  )
  const a = [1, 2, 0, 1]
  const b = [0, 1, 3, 1]
  const found = await new EigenCam(model).attribute(
    createTensor('f32', [1, 2, 2, 2], Float32Array.of(...a, ...b)),
    { target: 0, layer: 'a' },
  )
  const centre = (row: number[]) => row.map(value => value - row.reduce((x, y) => x + y, 0) / 4)
  const [p, q] = [centre(a), centre(b)]
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, at) => sum + value * y[at]!, 0)
  const [aa, ab, bb] = [dot(p, p), dot(p, q), dot(q, q)]
  const eigenvalue = (aa + bb) / 2 + Math.sqrt(((aa - bb) / 2) ** 2 + ab ** 2)
  const vector = [ab, eigenvalue - aa]
  const length = Math.hypot(...vector)
  const projected = p.map((value, at) => (value * vector[0]! + q[at]! * vector[1]!) / length)
  const sums = p.map((value, at) => value + q[at]!)
  const sign = dot(projected, sums) < 0 ? -1 : 1
  t.true(
    close(
      numbers(found),
      projected.map(value => sign * value),
      1e-5,
    ),
    `${numbers(found)} ${projected}`,
  )
  t.is(found.cost.backwardPasses, 0)
})

test('of a transformer, grid and class token are found, or given', async t => {
  const model = await loadModel(join(repositoryRoot, 'test/fixtures/exports/vit-trace-17.onnx'))
  const [input] = model.inputs
  const shape = input!.shape!.map((size, axis) => (axis === 0 ? 1 : Number(size)))
  const x = createTensor(
    'f32',
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => Math.sin(at)),
  )
  const found = await new GradCam(model).attribute(x, { target: 1 })
  t.is(found.inputs[0]!.name, '/blocks.1/norm1/LayerNormalization_output_0')
  t.deepEqual(found.scores().shape, [2, 2])
  // Means over the four places alone, the class token left out of them.
  const layer = found.inputs[0]!.name
  const held = (await model.run(x, { outputs: [layer] })).outputs[layer]!.data as Float32Array
  const gradient = numbers(await new Saliency(model, { absolute: false }).attribute(x, { target: 1, layer }))
  const by = [0, 1, 2, 3].map(place =>
    Array.from({ length: 16 }, (_, k) => {
      const mean = [1, 2, 3, 4].reduce((sum, token) => sum + gradient[token * 16 + k]! / 4, 0)
      return mean * held[(place + 1) * 16 + k]!
    }).reduce((a, b) => a + b, 0),
  )
  t.true(close(numbers(found), by, 1e-5), `${numbers(found)} ${by}`)
  const wide = await new AblationCam(model, { gridHeight: 1, gridWidth: 4 }).attribute(x, { target: 1 })
  t.deepEqual(wide.scores().shape, [1, 4])
  // Channels lie next to one another in a token, behind the class token.
  t.true(
    close(
      numbers(await new EigenCam(model).attribute(x, { target: 1 })),
      Array.from(principalProjection(4, 16, (place, channel) => held[(place + 1) * 16 + channel]!)),
      1e-5,
    ),
  )
  await t.throwsAsync(new GradCam(model, { gridHeight: 3, gridWidth: 2 }).attribute(x, { target: 1 }), {
    code: 'LAYER_NOT_FOUND',
  })
  t.throws(() => new GradCam(model, { gridHeight: 3 }), { code: 'OPTION_RANGE' })
})

test('noise around a map gives a map', async t => {
  const model = await network()
  const still = await new SmoothGrad(new GradCam(model), { samples: 3, sigma: 0 }).attribute(picture, {
    target: 3,
  })
  t.deepEqual(still.scores().shape, [6, 4])
  t.true(close(numbers(still), numbers(await new GradCam(model).attribute(picture, { target: 3 }))))
})

test('noise is not put around what compares with the input itself, or repeats its loop', async t => {
  const model = await network()
  const bases = [
    new FeatureAblation(model, { patch: 2 }),
    new AblationCam(model),
    new ScoreCam(model),
    new IntegratedGradients(model, { tolerance: 0.01 }),
  ]
  for (const base of bases) t.throws(() => new SmoothGrad(base, { samples: 2 }), { code: 'OPTION_RANGE' })
})

test('the first component is the same by inner products of rows and of columns', t => {
  // Seven places of three channels, and the same with channels of zeros, of which there are then more than places.
  const value = (row: number, column: number) =>
    column < 3 ? Math.sin(3 * row + column) + (column + 1) * Math.cos(row) : 0
  const few = principalProjection(7, 3, value)
  t.true(close(principalProjection(7, 9, value), Array.from(few), 1e-6))
  t.true(few.some(each => Math.abs(each) > 0.5))
  // A layer of a large picture: its places squared would be two gigabytes.
  const large = principalProjection(16_384, 2, (row, column) => Math.sin(row) * (column + 1))
  const mean = Array.from({ length: 16_384 }, (_, row) => Math.sin(row) / 16_384).reduce((a, b) => a + b)
  t.true(Math.abs(large[100]! - Math.sqrt(5) * (Math.sin(100) - mean)) < 1e-5)
})
