import { type NodeGiven, tensor, valueInfo, writeModel } from '../../test/oracles/onnxWriter.js'
import { randomFloats } from '../harness.js'

/** Channels of the fire modules of SqueezeNet 1.0: squeeze, and each half of what it expands to. */
export const fireModules = [
  [16, 64],
  [16, 64],
  [32, 128],
  [32, 128],
  [48, 192],
  [48, 192],
  [64, 256],
  [64, 256],
] as const

/**
 * SqueezeNet 1.0 for pictures of 224 x 224 with random weights, scaled so that every layer keeps its input's variance.
 * Weights are called w1, b1, w2 … in the order of the convolutions.
 */
export function squeezenet(): Uint8Array {
  const nodes: NodeGiven[] = []
  const tensors: ReturnType<typeof tensor>[] = []
  let count = 0
  let values = 0
  const apply = (op: string, inputs: string[], attributes: NodeGiven['attributes'] = {}) => {
    const output = `t${++values}`
    nodes.push({ op, inputs, outputs: [output], attributes })
    return output
  }
  const conv = (
    from: string,
    inputs: number,
    outputs: number,
    kernel: number,
    stride: number,
    pad: number,
  ) => {
    const id = ++count
    const fanIn = inputs * kernel * kernel
    const scale = Math.sqrt(6 / fanIn)
    tensors.push(
      tensor(
        `w${id}`,
        [outputs, inputs, kernel, kernel],
        randomFloats(outputs * fanIn, id).map(value => value * scale),
      ),
      tensor(
        `b${id}`,
        [outputs],
        randomFloats(outputs, id + 1000).map(value => value * 0.1),
      ),
    )
    const convolved = apply('Conv', [from, `w${id}`, `b${id}`], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    })
    return apply('Relu', [convolved])
  }
  const pool = (x: string) => apply('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 })
  let x = pool(conv('x', 3, 96, 7, 2, 0))
  let channels = 96
  for (const [at, [squeeze, expand]] of fireModules.entries()) {
    const squeezed = conv(x, channels, squeeze, 1, 1, 0)
    x = apply(
      'Concat',
      [conv(squeezed, squeeze, expand, 1, 1, 0), conv(squeezed, squeeze, expand, 3, 1, 1)],
      { axis: 1 },
    )
    channels = 2 * expand
    if (at === 2 || at === 6) x = pool(x)
  }
  const scores = apply('GlobalAveragePool', [conv(x, channels, 1000, 1, 1, 0)])
  nodes.push({ op: 'Flatten', inputs: [scores], outputs: ['y'], attributes: { axis: 1 } })
  return writeModel({ inputs: [valueInfo('x', ['N', 3, 224, 224])], outputs: ['y'], tensors, nodes })
}
