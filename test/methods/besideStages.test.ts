import test from 'ava'
import { createTensor, loadModel, Saliency, Target, vectorJacobianProduct } from '#lib/index.js'
import { floats, valueInfo, writeModel } from '../oracles/onnxWriter.js'

/** A detector in small: scores, and which of them are chosen, of which there are as many as the data say. */
const detector = () =>
  loadModel(
    writeModel({
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['scores'] },
        { op: 'Relu', inputs: ['scores'], outputs: ['kept'] },
        { op: 'NonZero', inputs: ['kept'], outputs: ['chosen'] },
      ],
      tensors: [floats('w', [3, 2], at => at + 1)],
      inputs: [valueInfo('x', ['N', 3])],
      outputs: [valueInfo('scores', ['N', 2]), valueInfo('chosen', [2, 'M'], 7)],
    }),
  )
const x = createTensor('f32', [1, 3], Float32Array.of(1, -2, 0.5))

test('a score beside what depends on data has a gradient', async t => {
  const attribution = await new Saliency(await detector()).attribute(x, { target: Target.class(1) })
  t.deepEqual(Array.from(attribution.scores().data as Float32Array), [2, 4, 6])
})

test('and products with its Jacobian', async t => {
  const cotangent = createTensor('f32', [1, 2], Float32Array.of(1, 0))
  const found = await vectorJacobianProduct(await detector(), x, { scores: cotangent }, ['x'])
  t.deepEqual(Array.from(found.x!.data as Float32Array), [1, 3, 5])
})
