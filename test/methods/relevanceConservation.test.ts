import test from 'ava'
import { createTensor, loadModel, Target, vectorJacobianProduct } from '#lib/index.js'
import { LayerwiseRelevance, type LayerwiseRelevanceOptions } from '#lib/relevance.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { floats, type NodeGiven, valueInfo, writeModel } from '../oracles/onnxWriter.js'

const target = Target.class(1)
const input = createTensor(
  'f32',
  [1, 3, 6, 6],
  Float32Array.from({ length: 108 }, (_, at) => Math.sin(0.37 * at) + 0.2),
)

const channels = 5
const scale = (at: number) => 0.6 + 0.2 * Math.cos(at)
const shift = (at: number) => 0.3 * Math.sin(2 * at + 1)
const mean = (at: number) => 0.2 * Math.cos(3 * at)
const variance = (at: number) => 0.5 + 0.3 * Math.sin(at) ** 2
const slope = (at: number) => scale(at) / Math.sqrt(variance(at) + 1e-5)
const bias = (layer: number) => (at: number) => 0.25 * Math.cos(at + layer)
const weights = (layer: number) => (at: number) => Math.sin(1.3 * at + layer) / 3

/** Two convolutions with a batch norm each, or with these in their weights and biases, and a head. */
function network(isFolded: boolean) {
  const nodes: NodeGiven[] = []
  const tensors = [floats('v', [channels, 3], at => Math.cos(1.1 * at)), floats('c', [3], () => 0.1)]
  let [last, width] = ['x', 3]
  for (const layer of [1, 2]) {
    const size = width * 9
    const channelOf = (at: number) => Math.floor(at / size)
    const [plain, own] = [weights(layer), bias(layer)]
    tensors.push(
      floats(`w${layer}`, [channels, width, 3, 3], at =>
        isFolded ? plain(at) * slope(channelOf(at)) : plain(at),
      ),
      floats(`b${layer}`, [channels], at =>
        isFolded ? (own(at) - mean(at)) * slope(at) + shift(at) : own(at),
      ),
    )
    const convolved = isFolded ? `n${layer}` : `z${layer}`
    nodes.push({
      op: 'Conv',
      inputs: [last, `w${layer}`, `b${layer}`],
      outputs: [convolved],
      attributes: { pads: [1, 1, 1, 1] },
    })
    if (!isFolded) {
      const given = Object.entries({ scale, shift, mean, variance })
      tensors.push(...given.map(([name, of]) => floats(`${name}${layer}`, [channels], of)))
      nodes.push({
        op: 'BatchNormalization',
        inputs: [convolved, ...given.map(([name]) => `${name}${layer}`)],
        outputs: [`n${layer}`],
      })
    }
    nodes.push({ op: 'Relu', inputs: [`n${layer}`], outputs: [`a${layer}`] })
    ;[last, width] = [`a${layer}`, channels]
  }
  nodes.push(
    { op: 'GlobalAveragePool', inputs: [last], outputs: ['p'] },
    { op: 'Flatten', inputs: ['p'], outputs: ['f'] },
    { op: 'Gemm', inputs: ['f', 'v', 'c'], outputs: ['y'] },
  )
  return loadModel(
    writeModel({
      opset: 17,
      nodes,
      tensors,
      inputs: [valueInfo('x', ['N', 3, 6, 6])],
      outputs: [valueInfo('y', ['N', 3])],
    }),
  )
}
const scoresOf = async (model: Awaited<ReturnType<typeof network>>, options: LayerwiseRelevanceOptions) =>
  (await new LayerwiseRelevance(model, options).attribute(input, { target })).scores().data as Float32Array

test('a batch norm is part of the convolution before it: relevance is that of the network with it folded', async t => {
  const [model, folded] = [await network(false), await network(true)]
  const options: LayerwiseRelevanceOptions[] = [
    {},
    { preset: 'gamma' },
    { preset: 'alphaBeta' },
    { preset: 'epsilonPlusFlat' },
    { preset: 'wSquare', bias: 'ignore' },
    { preset: 'gamma', bias: 'distribute', epsilon: 1e-3 },
  ]
  for (const given of options) {
    const distance = relativeDistance(await scoresOf(model, given), await scoresOf(folded, given))
    t.true(distance < 2e-5, `${JSON.stringify(given)}: ${distance}`)
  }
})

test('what relevance misses of the value is what the biases had: each times the gradient in it', async t => {
  const model = await network(true)
  const value = (await model.run(input)).outputs.y!.data[1] as number
  const found = await scoresOf(model, {})
  const relevance = found.reduce((sum, score) => sum + score, 0)
  const names = ['b1', 'b2', 'c']
  const gradients = await vectorJacobianProduct(
    model,
    { x: input },
    { y: createTensor('f32', [1, 3], Float32Array.of(0, 1, 0)) },
    names,
  )
  const held = { b1: 0, b2: 0, c: 0 }
  const biases = {
    b1: (at: number) => (bias(1)(at) - mean(at)) * slope(at) + shift(at),
    b2: (at: number) => (bias(2)(at) - mean(at)) * slope(at) + shift(at),
    c: () => 0.1,
  }
  for (const name of names as (keyof typeof held)[])
    for (const [at, gradient] of (gradients[name]!.data as Float32Array).entries())
      held[name] += gradient * biases[name](at)
  const ofBiases = held.b1 + held.b2 + held.c
  t.true(Math.abs(ofBiases) > 0.05)
  t.true(Math.abs(relevance + ofBiases - value) < 2e-6, `${relevance} + ${ofBiases} = ${value}`)
})
