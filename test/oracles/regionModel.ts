import { loadModel, type Model, type Tensor } from '#lib/index.js'
import { tensor, valueInfo, writeModel } from './onnxWriter.js'

/** The model of the region searches' worked examples: features tanh(A x) + c, logits T times them. */
export const regionModel = {
  a: [
    [0.9, -0.2, 0.1, 0.3, -0.4, 0],
    [0, 0.3, -0.5, 0.2, 0.6, -0.1],
    [-0.3, 0.4, 0.2, -0.1, 0.1, 0.2],
  ],
  c: [0.1, 0.2, 0.3],
  t: [
    [2, -1, 0.5],
    [-0.5, 2, 1],
    [0.3, 0.2, -1.5],
  ],
  x: [1, 2, 1, 3, 1, 2],
}

/** Features and logits of the worked model, in double. */
export function evaluateRegionModel(x: readonly number[]): { features: number[]; logits: number[] } {
  const { a, c, t } = regionModel
  const dot = (row: readonly number[], by: readonly number[]) =>
    row.reduce((sum, value, at) => sum + value * by[at]!, 0)
  const features = a.map((row, at) => Math.tanh(dot(row, x)) + c[at]!)
  return { features, logits: t.map(row => dot(row, features)) }
}

/** Softmax in double. */
export function softmax(logits: readonly number[]): number[] {
  const greatest = Math.max(...logits)
  const weights = logits.map(value => Math.exp(value - greatest))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map(weight => weight / sum)
}

/** The worked model as ONNX: input `x` [N, 6], outputs `logits` [N, 3] and `features` [N, 3]. */
export function loadRegionModel(): Promise<Model> {
  const { a, c, t } = regionModel
  const matrix = (name: string, rows: number[][]) =>
    tensor(name, [rows.length, rows[0]!.length], Float32Array.from(rows.flat()))
  return loadModel(
    writeModel({
      nodes: [
        { op: 'Gemm', inputs: ['x', 'A'], outputs: ['ax'], attributes: { transB: 1 } },
        { op: 'Tanh', inputs: ['ax'], outputs: ['tanh'] },
        { op: 'Add', inputs: ['tanh', 'c'], outputs: ['features'] },
        { op: 'Gemm', inputs: ['features', 'T'], outputs: ['logits'], attributes: { transB: 1 } },
      ],
      tensors: [matrix('A', a), tensor('c', [3], Float32Array.from(c)), matrix('T', t)],
      inputs: [valueInfo('x', ['N', 6])],
      outputs: [valueInfo('logits', ['N', 3]), valueInfo('features', ['N', 3])],
    }),
  )
}

export const regionInput = (x: readonly number[] = regionModel.x): Tensor => ({
  dtype: 'f32',
  shape: [1, x.length],
  data: Float32Array.from(x),
})
