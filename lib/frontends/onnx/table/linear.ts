import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { checkKernel, windowOf } from './window.js'

export function gemm(node: OnnxNode): Value {
  if (node.opset < 7) node.attributes.ignore('broadcast')
  const transposeA = node.attributes.integer('transA', 0) === 0 ? 0 : 1
  const transposeB = node.attributes.integer('transB', 0) === 0 ? 0 : 1
  const alpha = node.attributes.real('alpha', 1)
  const beta = node.attributes.real('beta', 1)
  const product = node.apply('matMul', [node.input(0), node.input(1)], {
    ...(transposeA ? { transposeA } : {}),
    ...(transposeB ? { transposeB } : {}),
  })
  const scaled = alpha === 1 ? product : node.apply('mul', [product, node.scalar(alpha, product)])
  const bias = node.optional(2)
  if (!bias || beta === 0) return scaled
  return node.apply('add', [scaled, beta === 1 ? bias : node.apply('mul', [bias, node.scalar(beta, bias)])])
}

export const linear: OperatorTable = {
  MatMul: node => node.apply('matMul', [node.input(0), node.input(1)]),
  Gemm: gemm,
  Conv: node => {
    checkKernel(node)
    return node.apply(
      'conv',
      [node.input(0), node.input(1), node.optional(2)].slice(0, node.has(2) ? 3 : 2),
      {
        ...windowOf(node),
        group: node.attributes.integer('group', 1),
      },
    )
  },
  ConvTranspose: node => {
    checkKernel(node)
    const outputPadding = node.attributes.integers('output_padding')
    const outputShape = node.attributes.integers('output_shape')
    return node.apply(
      'convTranspose',
      [node.input(0), node.input(1), node.optional(2)].slice(0, node.has(2) ? 3 : 2),
      {
        ...windowOf(node),
        group: node.attributes.integer('group', 1),
        ...(outputPadding ? { outputPadding } : {}),
        ...(outputShape ? { outputShape } : {}),
      },
    )
  },
}
