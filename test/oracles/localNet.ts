import { RandomStream } from '#lib/games/randomStream.js'
import { type LoadModelOptions, loadModel } from '#lib/index.js'
import { type NodeGiven, tensor, valueInfo, writeModel } from './onnxWriter.js'

/** Height and width of its pictures. */
export const side = 40
export const numbers = (count: number, seed: number) => {
  const stream = new RandomStream(seed, 0, 0)
  return Float32Array.from({ length: count }, () => 2 * stream.uniform() - 1)
}
const weights = (name: string, shape: number[], seed: number) =>
  tensor(
    name,
    shape,
    numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ).map(value => value / 3),
  )

/** Two branches that are joined and added to a third, a pooling that counts its padding, and a head over everything. */
const nodes: NodeGiven[] = [
  {
    op: 'Conv',
    inputs: ['x', 'w1', 'b1'],
    outputs: ['c1'],
    attributes: { strides: [2, 2], pads: [1, 2, 1, 0] },
  },
  { op: 'Relu', inputs: ['c1'], outputs: ['r1'] },
  {
    op: 'MaxPool',
    inputs: ['r1'],
    outputs: ['p1'],
    attributes: { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1] },
  },
  { op: 'Conv', inputs: ['p1', 'w2'], outputs: ['left'], attributes: { auto_pad: 'SAME_UPPER' } },
  { op: 'Conv', inputs: ['p1', 'w3'], outputs: ['right'] },
  { op: 'Concat', inputs: ['left', 'right'], outputs: ['both'], attributes: { axis: 1 } },
  { op: 'Conv', inputs: ['p1', 'w4'], outputs: ['wide'] },
  { op: 'Add', inputs: ['both', 'wide'], outputs: ['sum'] },
  { op: 'Conv', inputs: ['sum', 'w6'], outputs: ['few'] },
  { op: 'Sigmoid', inputs: ['few'], outputs: ['end'] },
  {
    op: 'Conv',
    inputs: ['end', 'w5'],
    outputs: ['far'],
    attributes: { dilations: [4, 4], pads: [4, 4, 4, 4] },
  },
  { op: 'GlobalAveragePool', inputs: ['far'], outputs: ['pooled'] },
  { op: 'Flatten', inputs: ['pooled'], outputs: ['logits'], attributes: { axis: 1 } },
]
/** A small net whose first nine nodes are local in the picture. */
export const localNet = (options: LoadModelOptions = {}, channels = 2) =>
  loadModel(
    writeModel({
      nodes,
      tensors: [
        weights('w1', [32, channels, 3, 3], 1),
        weights('b1', [32], 2),
        weights('w2', [16, 32, 3, 3], 3),
        weights('w3', [16, 32, 1, 1], 4),
        weights('w4', [32, 32, 1, 1], 5),
        weights('w5', [5, 8, 3, 3], 6),
        weights('w6', [8, 32, 1, 1], 7),
      ],
      inputs: [valueInfo('x', ['N', channels, side, side])],
      outputs: [valueInfo('logits', ['N', 5])],
    }),
    options,
  )
