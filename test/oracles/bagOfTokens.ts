import { loadModel, type Model } from '#lib/index.js'
import { floats, valueInfo, writeModel } from './onnxWriter.js'

/** Bag of embeddings with a mask: y = tanh(sum_t mask_t E[ids_t]) v. */
export const bag = (): Promise<Model> =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Gather', inputs: ['table', 'ids'], outputs: ['rows'] },
        { op: 'Unsqueeze', inputs: ['mask', 'last'], outputs: ['column'] },
        { op: 'Mul', inputs: ['rows', 'column'], outputs: ['kept'] },
        { op: 'ReduceMean', inputs: ['kept'], outputs: ['mean'], attributes: { axes: [1], keepdims: 0 } },
        { op: 'Tanh', inputs: ['mean'], outputs: ['h'] },
        { op: 'Gemm', inputs: ['h', 'v'], outputs: ['y'] },
      ],
      tensors: [
        floats('table', [5, 3], index => Math.sin(index * 1.3)),
        floats('v', [3, 1], index => index + 1),
        { ...floats('last', [1]), dataType: 7, rawData: new Uint8Array(BigInt64Array.of(2n).buffer) },
      ],
      inputs: [valueInfo('ids', ['N', 'T'], 7), valueInfo('mask', ['N', 'T'])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )

/** One example of it. */
export const text = (ids: number[], mask = ids.map(() => 1)) => ({
  ids: { dtype: 'i64' as const, shape: [1, ids.length], data: BigInt64Array.from(ids, BigInt) },
  mask: { dtype: 'f32' as const, shape: [1, ids.length], data: Float32Array.from(mask) },
})
