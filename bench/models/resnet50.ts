import { type NodeGiven, tensor, valueInfo, writeModel } from '../../test/oracles/onnxWriter.js'
import { randomFloats } from '../harness.js'

/**
 * ResNet-50 (v1.5, batch normalisation folded) with random weights, scaled so that every layer keeps its input's
 * variance: activations stay finite, alive and far from denormal numbers.
 */
export function resnet50(): Uint8Array {
  const nodes: NodeGiven[] = []
  const tensors: ReturnType<typeof tensor>[] = []
  let count = 0
  const conv = (
    from: string,
    inputs: number,
    outputs: number,
    kernel: number,
    stride: number,
    gain: number,
  ) => {
    const id = ++count
    const fanIn = inputs * kernel * kernel
    // Uniform numbers in [-1, 1] have variance 1/3.
    const scale = Math.sqrt((3 * gain) / fanIn)
    const weights = randomFloats(outputs * fanIn, id).map(value => value * scale)
    tensors.push(tensor(`w${id}`, [outputs, inputs, kernel, kernel], weights))
    tensors.push(
      tensor(
        `b${id}`,
        [outputs],
        randomFloats(outputs, id + 1000).map(value => value * 0.1),
      ),
    )
    const pad = (kernel - 1) / 2
    nodes.push({
      op: 'Conv',
      inputs: [from, `w${id}`, `b${id}`],
      outputs: [`c${id}`],
      attributes: { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad] },
    })
    return `c${id}`
  }
  const apply = (op: string, inputs: string[], attributes: NodeGiven['attributes'] = {}) => {
    const output = `t${++count}`
    nodes.push({ op, inputs, outputs: [output], attributes })
    return output
  }
  const relu = (x: string) => apply('Relu', [x])

  let x = relu(conv('x', 3, 64, 7, 2, 2))
  x = apply('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] })
  let channels = 64
  for (const [width, blocks, firstStride] of [
    [64, 3, 1],
    [128, 4, 2],
    [256, 6, 2],
    [512, 3, 2],
  ] as const)
    for (let block = 0; block < blocks; ++block) {
      const stride = block === 0 ? firstStride : 1
      const inner = relu(conv(relu(conv(x, channels, width, 1, 1, 2)), width, width, 3, stride, 2))
      const shortcut = block === 0 ? conv(x, channels, 4 * width, 1, stride, 1) : x
      x = relu(apply('Add', [conv(inner, width, 4 * width, 1, 1, 0.25), shortcut]))
      channels = 4 * width
    }
  x = apply('Flatten', [apply('GlobalAveragePool', [x])])
  tensors.push(
    tensor(
      'wf',
      [1000, 2048],
      randomFloats(2048000, 7).map(value => value * 0.03),
    ),
  )
  nodes.push({ op: 'Gemm', inputs: [x, 'wf'], outputs: ['y'], attributes: { transB: 1 } })
  return writeModel({ inputs: [valueInfo('x', ['N', 3, 224, 224])], outputs: ['y'], tensors, nodes })
}
