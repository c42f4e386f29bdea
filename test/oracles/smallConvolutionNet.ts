import { type LoadModelOptions, loadModel, type Model, type Tensor } from '#lib/index.js'
import { tensor, valueInfo, writeModel } from './onnxWriter.js'

function numbers(count: number, seed: number, scale: number): Float32Array {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state / 2 ** 31 - 1) * scale
  })
}

/** A convolution net for pictures of 16 x 16, five classes, with `features` before the last layer. Seeded weights. */
export const smallConvolutionNet = (options: LoadModelOptions = {}): Promise<Model> =>
  loadModel(
    writeModel({
      nodes: [
        { op: 'Conv', inputs: ['x', 'w1', 'b1'], outputs: ['c1'], attributes: { pads: [1, 1, 1, 1] } },
        { op: 'Relu', inputs: ['c1'], outputs: ['r1'] },
        {
          op: 'MaxPool',
          inputs: ['r1'],
          outputs: ['p1'],
          attributes: { kernel_shape: [2, 2], strides: [2, 2] },
        },
        { op: 'Conv', inputs: ['p1', 'w2', 'b2'], outputs: ['c2'], attributes: { pads: [1, 1, 1, 1] } },
        { op: 'Relu', inputs: ['c2'], outputs: ['r2'] },
        { op: 'GlobalAveragePool', inputs: ['r2'], outputs: ['g'] },
        { op: 'Flatten', inputs: ['g'], outputs: ['features'] },
        { op: 'Gemm', inputs: ['features', 'w3', 'b3'], outputs: ['y'], attributes: { transB: 1 } },
      ],
      tensors: [
        tensor('w1', [8, 3, 3, 3], numbers(216, 1, 0.5)),
        tensor('b1', [8], numbers(8, 2, 0.2)),
        tensor('w2', [12, 8, 3, 3], numbers(864, 3, 0.3)),
        tensor('b2', [12], numbers(12, 4, 0.2)),
        tensor('w3', [5, 12], numbers(60, 5, 6)),
        tensor('b3', [5], numbers(5, 6, 0.1)),
      ],
      inputs: [valueInfo('x', ['N', 3, 16, 16])],
      outputs: [valueInfo('y', ['N', 5]), valueInfo('features', ['N', 12])],
    }),
    options,
  )

/** A seeded picture for it. */
export const smallPicture = (seed: number): Tensor => ({
  dtype: 'f32',
  shape: [1, 3, 16, 16],
  data: numbers(768, 100 + seed, 1.5),
})
