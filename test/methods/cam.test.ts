import test from 'ava'
import {
  type CamOptions,
  createTensor,
  GradCam,
  GradCamElementwise,
  GradCamPlusPlus,
  type GradientMethod,
  HiResCam,
  LayerCam,
  loadModel,
  type Model,
  Target,
  XGradCam,
} from '#lib/index.js'
import { convolutionMeanNet, headWeight, wavePicture } from '../oracles/convolutionMeanNet.js'
import { floats, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'

const target = Target.regression()
const numbers = (values: ArrayLike<number>) => Array.from(values)
const close = (actual: ArrayLike<number>, expected: number[], tolerance = 1e-6) =>
  actual.length === expected.length &&
  expected.every((value, at) => Math.abs(actual[at]! - value) <= tolerance)

/** Example C: activations are the input, gradients these constants. */
const exampleC = () =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Relu', inputs: ['x'], outputs: ['a'] },
        { op: 'Mul', inputs: ['a', 'g'], outputs: ['m'] },
        { op: 'ReduceSum', inputs: ['m', 'axes'], outputs: ['s'], attributes: { keepdims: 0 } },
        { op: 'Unsqueeze', inputs: ['s', 'one'], outputs: ['y'] },
      ],
      tensors: [
        tensor('g', [1, 2, 2, 2], Float32Array.of(0.5, -0.25, 0, 0.25, -1, 0.5, 0.25, 0)),
        tensor('axes', [3], BigInt64Array.of(1n, 2n, 3n)),
        tensor('one', [1], BigInt64Array.of(1n)),
      ],
      inputs: [valueInfo('x', ['N', 2, 2, 2])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
const a = createTensor('f32', [1, 2, 2, 2], Float32Array.of(1, 2, 0, 1, 0, 1, 3, 1))

type Method = new (model: Model, options?: CamOptions) => GradientMethod
const expected: [string, Method, number[]][] = [
  ['Grad-CAM', GradCam, [0.125, 0.1875, -0.1875, 0.0625]],
  ['Grad-CAM++', GradCamPlusPlus, [0.20833276, 0.60469924, 0.56410113, 0.39636647]],
  ['HiResCAM', HiResCam, [0.5, 0, 0.75, 0.25]],
  ['element-wise', GradCamElementwise, [0.5, 0.5, 0.75, 0.25]],
  ['LayerCAM', LayerCam, [0.5, 0.5, 0.75, 0.25]],
  ['XGrad-CAM', XGradCam, [0.0625, 0.375, 0.75, 0.3125]],
]
for (const [name, Class, map] of expected)
  test(`example C: ${name}`, async t => {
    const model = await exampleC()
    const signed = await new Class(model).attribute(a, { target, layer: 'a' })
    t.true(close(signed.scores().data as Float32Array, map), `${signed.scores().data}`)
    const positive = await new Class(model, { relu: true }).attribute(a, { target, layer: 'a' })
    t.true(
      close(
        positive.scores().data as Float32Array,
        map.map(value => Math.max(0, value)),
      ),
    )
    t.deepEqual(positive.inputs[0]!.units, {
      kind: 'grid',
      layout: 'HW',
      channels: 1,
      height: 2,
      width: 2,
      placement: null,
    })
  })

test('the processed map: bilinear from middle to middle of the cells, edges repeated; 0 to 1 before and after', async t => {
  const model = await loadModel(
    writeModel({
      opset: 17,
      nodes: [
        {
          op: 'MaxPool',
          inputs: ['x'],
          outputs: ['a'],
          attributes: { kernel_shape: [2, 2], strides: [2, 2] },
        },
        { op: 'GlobalAveragePool', inputs: ['a'], outputs: ['p'] },
        { op: 'Flatten', inputs: ['p'], outputs: ['y'] },
      ],
      tensors: [],
      inputs: [valueInfo('x', ['N', 1, 4, 4])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const cells = [4, -8, 12, 2]
  const x = createTensor(
    'f32',
    [1, 1, 4, 4],
    Float32Array.from({ length: 16 }, (_, at) => cells[2 * Math.floor(at / 8) + Math.floor((at % 4) / 2)]!),
  )
  // The gradient in each cell is 1/4.
  const attribute = async (options: CamOptions) => {
    const found = await new HiResCam(model, options).attribute(x, { target, layer: 'a' })
    return { shape: found.scores().shape, data: found.scores().data as Float32Array }
  }
  const raw = await attribute({})
  t.deepEqual(raw.shape, [2, 2])
  t.true(close(raw.data, [1, -2, 3, 0.5]))
  const large = await attribute({ relu: true, upsample: 'bilinear' })
  t.deepEqual(large.shape, [4, 4])
  // Of [[1, 0], [3, 0.5]], shares 1, 3/4, 1/4, 0 of each side.
  const shares = [1, 0.75, 0.25, 0]
  const expected = shares.flatMap(up =>
    shares.map(left => up * left + (1 - up) * (3 * left + 0.5 * (1 - left))),
  )
  t.true(close(large.data, expected), `${large.data}`)
  const ranged = await attribute({ normalize: 'minMax' })
  t.true(close(ranged.data, [0.6, 0, 1, 0.5]), `${ranged.data}`)
  const both = await attribute({ relu: true, upsample: 'bilinear', normalize: 'minMax' })
  t.true(
    close(
      both.data,
      expected.map(value => value / 3),
    ),
    `${both.data}`,
  )
  const flat = createTensor('f32', [1, 1, 4, 4], new Float32Array(16).fill(3))
  const still = await new HiResCam(model, { normalize: 'minMax' }).attribute(flat, { target, layer: 'a' })
  t.deepEqual(numbers(still.scores().data as Float32Array), [0, 0, 0, 0])
})

test('with a mean and a linear head: Grad-CAM and HiResCAM are one, and add up to the logit less its bias', async t => {
  const model = await convolutionMeanNet()
  const options = { target: 3 }
  const [one, two] = [new GradCam(model), new HiResCam(model)]
  const map = (await one.attribute(wavePicture(0.3), options)).scores().data as Float32Array
  const other = (await two.attribute(wavePicture(0.3), options)).scores().data as Float32Array
  t.true(close(map, numbers(other)))
  const logit = (await model.run(wavePicture(0.3))).outputs.y!.data[3] as number
  t.true(Math.abs(map.reduce((x, y) => x + y, 0) - (logit - (0.2 * 3 - 0.3))) < 2e-6)
  // CAM itself: the head's weights on the maps, over the number of places.
  const maps = (await model.run(wavePicture(0.3), { outputs: ['maps'] })).outputs.maps!.data as Float32Array
  const cam = Array.from({ length: 30 }, (_, place) =>
    [0, 1, 2, 3].reduce(
      (sum, channel) => sum + (headWeight(channel, 3) * maps[channel * 30 + place]!) / 30,
      0,
    ),
  )
  t.true(close(map, cam))
})

test('the last maps are the default; batches and several targets are each alone', async t => {
  const model = await convolutionMeanNet()
  const method = new LayerCam(model)
  const pictures = [wavePicture(0), wavePicture(1), wavePicture(2)]
  const together = await method.attributeBatch(pictures, { target: [1, 4] })
  for (const [at, input] of pictures.entries()) {
    t.is(together[at]!.inputs[0]!.name, 'maps')
    t.deepEqual(together[at]!.scores().shape, [2, 6, 5])
    const alone = await method.attribute(input, { target: 4 })
    t.true(
      close(
        together[at]!.slice(1).scores().data as Float32Array,
        numbers(alone.scores().data as Float32Array),
      ),
    )
  }
})

test('tokens of a square picture, the class token left out', async t => {
  const model = await loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Relu', inputs: ['x'], outputs: ['tokens'] },
        { op: 'ReduceMean', inputs: ['tokens'], outputs: ['m'], attributes: { axes: [1], keepdims: 0 } },
        { op: 'MatMul', inputs: ['m', 'v'], outputs: ['y'] },
      ],
      tensors: [floats('v', [3, 1], at => at - 0.5)],
      inputs: [valueInfo('x', ['N', 10, 3])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
  const x = createTensor(
    'f32',
    [1, 10, 3],
    Float32Array.from({ length: 30 }, (_, at) => at % 7),
  )
  const attribution = await new HiResCam(model).attribute(x, { target, layer: 'tokens' })
  t.deepEqual(attribution.scores().shape, [3, 3])
  const wanted = Array.from({ length: 9 }, (_, place) =>
    [0, 1, 2].reduce((sum, k) => sum + (((place + 1) * 3 + k) % 7) * (k - 0.5) * 0.1, 0),
  )
  t.true(close(attribution.scores().data as Float32Array, wanted))
  await t.throwsAsync(new GradCam(model).attribute(x, { target }), { code: 'LAYER_NOT_FOUND' })
  const large = new GradCam(model, { upsample: 'bilinear' })
  await t.throwsAsync(large.attribute(x, { target, layer: 'tokens' }), { code: 'MODEL_CAPABILITY' })
})

test('what is no layer of maps is refused by name', async t => {
  const model = await convolutionMeanNet()
  const method = new GradCam(model)
  await t.throwsAsync(method.attribute(wavePicture(0), { target: 1, layer: 'f' }), {
    code: 'LAYER_NOT_FOUND',
  })
  await t.throwsAsync(method.attribute(wavePicture(0), { target: 1, layer: 'none' }), {
    code: 'LAYER_NOT_FOUND',
  })
  await t.throwsAsync(method.attribute(wavePicture(0), { target: 1, inputs: ['x'] }), {
    code: 'OPTION_RANGE',
  })
  await t.throwsAsync(method.attribute(wavePicture(0), { target: 1, layer: ['maps', 'z'] }), {
    code: 'OPTION_RANGE',
  })
})
