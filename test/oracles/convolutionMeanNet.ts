import { createTensor, loadModel, type Model, type Tensor } from '#lib/index.js'
import { floats, integers, type NodeGiven, valueInfo, writeModel } from './onnxWriter.js'

export interface ConvolutionMeanNet {
  /** Height and width of the pictures, which have three channels. */
  readonly size?: readonly [height: number, width: number]
  readonly classes?: number
  /** Halves the maps, by means of 2 x 2. */
  readonly isPooled?: boolean
  /** What is behind the head: it reads `scores` (and `shape`, [-1, 1]) and makes `y`. */
  readonly last?: readonly NodeGiven[]
  /** Factor of the head's weights. */
  readonly scale?: number
}

/** The weight of the head from a channel to one of five classes, at a scale of 1. */
export const headWeight = (channel: number, index: number): number =>
  Math.fround(Math.cos((channel * 5 + index) * 1.1))

/**
 * A convolution with four channels (`z`) and ReLU, whose values are `maps`, their mean over places (`f`) and a linear head:
 * what class activation maps were made for.
 */
export function convolutionMeanNet({
  size = [6, 5],
  classes = 5,
  isPooled = false,
  last = [],
  scale = 1,
}: ConvolutionMeanNet = {}): Promise<Model> {
  const pooling = { kernel_shape: [2, 2], strides: [2, 2] }
  return loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['z'], attributes: { pads: [1, 1, 1, 1] } },
        { op: 'Relu', inputs: ['z'], outputs: [isPooled ? 'r' : 'maps'] },
        ...(isPooled ? [{ op: 'AveragePool', inputs: ['r'], outputs: ['maps'], attributes: pooling }] : []),
        { op: 'GlobalAveragePool', inputs: ['maps'], outputs: ['p'] },
        { op: 'Flatten', inputs: ['p'], outputs: ['f'] },
        { op: 'Gemm', inputs: ['f', 'v', 'c'], outputs: [last.length > 0 ? 'scores' : 'y'] },
        ...last,
      ],
      tensors: [
        floats('w', [4, 3, 3, 3], at => Math.sin(at * 1.7)),
        floats('b', [4], at => 0.1 * at),
        floats('v', [4, classes], at => scale * Math.cos(at * 1.1)),
        floats('c', [classes], at => 0.2 * at - 0.3),
        integers('shape', [-1, 1]),
      ],
      inputs: [valueInfo('x', ['N', 3, ...size])],
      outputs: [valueInfo('y', ['N', classes])],
    }),
  )
}

/** A picture for it, of 6 x 5. */
export const wavePicture = (phase = 0): Tensor =>
  createTensor(
    'f32',
    [1, 3, 6, 5],
    Float32Array.from({ length: 90 }, (_, at) => Math.sin(0.7 * at + phase)),
  )
