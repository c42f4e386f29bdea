import { loadModel, type Model } from '#lib/index.js'
import { type NodeGiven, tensor, valueInfo, writeModel } from './onnxWriter.js'

const matrix = (name: string, rows: number[][]) =>
  tensor(name, [rows.length, rows[0]!.length], Float32Array.from(rows.flat()))
const vector = (name: string, values: number[]) => tensor(name, [values.length], Float32Array.from(values))

/** Layers y = relu(x Wᵀ + b) and a linear head, as Gemm nodes with output `y` of shape [N, 1]. */
function network(layers: { weights: number[][]; bias: number[] }[], inputs: number): Promise<Model> {
  const nodes: NodeGiven[] = []
  let value = 'x'
  layers.forEach((_, index) => {
    const isLast = index === layers.length - 1
    const sum = isLast ? 'y' : `z${index + 1}`
    nodes.push({
      op: 'Gemm',
      inputs: [value, `w${index}`, `b${index}`],
      outputs: [sum],
      attributes: { transB: 1 },
    })
    if (!isLast) nodes.push({ op: 'Relu', inputs: [sum], outputs: [`h${index + 1}`] })
    value = `h${index + 1}`
  })
  const tensors = layers.flatMap(({ weights, bias }, index) => [
    matrix(`w${index}`, weights),
    vector(`b${index}`, bias),
  ])
  return loadModel(
    writeModel({
      nodes,
      tensors,
      inputs: [valueInfo('x', ['N', inputs])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
}

/** Example A of the gradient family's specification: one hidden layer of four ReLUs. */
export const exampleA = () =>
  network(
    [
      {
        weights: [
          [1, -2, 0.5],
          [-1, 1, 1],
          [0.5, 0.5, -1],
          [1, 1, 1],
        ],
        bias: [0.1, -0.2, 0.3, -0.5],
      },
      { weights: [[1, -1.5, 2, 0.5]], bias: [0.25] },
    ],
    3,
  )
export const inputA = () => ({ dtype: 'f32' as const, shape: [1, 3], data: Float32Array.of(1, 0.5, -0.5) })

/** Example B: two hidden layers. */
export const exampleB = () =>
  network(
    [
      {
        weights: [
          [1, -1],
          [2, 1],
          [-1, 0.5],
        ],
        bias: [0.5, -1, 0],
      },
      {
        weights: [
          [1, -1, 0.5],
          [-0.5, 1, 1],
        ],
        bias: [0.2, -0.5],
      },
      { weights: [[1, -2]], bias: [0] },
    ],
    2,
  )
export const inputB = () => ({ dtype: 'f32' as const, shape: [1, 2], data: Float32Array.of(1, 2) })

/** y = w . x */
export const linearModel = (weights: number[]) => network([{ weights: [weights], bias: [0] }], weights.length)
