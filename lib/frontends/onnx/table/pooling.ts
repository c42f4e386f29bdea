import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { windowOf } from './window.js'

function kernelOf(node: OnnxNode): number[] {
  return node.attributes.integers('kernel_shape') ?? node.invalid('kernel_shape is missing')
}

function flag(node: OnnxNode, name: string): number {
  return node.attributes.integer(name, 0) === 0 ? 0 : 1
}

/** (sum of |x|^p over windows)^(1/p), the sum as an average with the padding counted, times the window's size. */
function lpPool(node: OnnxNode): Value {
  const x = node.input(0)
  const kernel = kernelOf(node)
  if (flag(node, 'ceil_mode') === 1) node.unsupported('ceil_mode')
  const p = node.attributes.integer('p', 2)
  const powers = node.apply('pow', [node.apply('abs', [x]), node.scalar(p, x)])
  const mean = node.apply('averagePool', [powers], { kernel, ...windowOf(node), countIncludePad: 1 })
  const size = kernel.reduce((product, length) => product * length, 1)
  return node.apply('pow', [node.apply('mul', [mean, node.scalar(size, x)]), node.scalar(1 / p, x)])
}

export const pooling: OperatorTable = {
  MaxPool: node => {
    // The order in which indices count matters to the indices alone.
    node.attributes.ignore('storage_order')
    return node.apply('maxPool', [node.input(0)], {
      kernel: kernelOf(node),
      ...windowOf(node),
      ceilMode: flag(node, 'ceil_mode'),
    })
  },
  AveragePool: node =>
    node.apply('averagePool', [node.input(0)], {
      kernel: kernelOf(node),
      ...windowOf(node),
      ceilMode: flag(node, 'ceil_mode'),
      countIncludePad: flag(node, 'count_include_pad'),
    }),
  LpPool: lpPool,
  GlobalAveragePool: node => node.apply('globalAveragePool', [node.input(0)]),
  GlobalMaxPool: node => node.apply('globalMaxPool', [node.input(0)]),
}
